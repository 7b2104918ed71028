"""Nothing is done twice, nothing is mixed with other work, and a killed step goes on."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from offline.steps import InputsChangedError, StepContext, StepError, load_manifest, run_step
from stream_app.runtime.artifact import hash_file
from tests.offline.killed_step import CopyOptions, CopyStep, run_copy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "source.txt"
    path.parent.mkdir()
    path.write_text("".join(f"line {number}\n" for number in range(9)), encoding="utf-8")
    return path


def test_a_killed_step_goes_on_and_gives_what_an_undisturbed_run_gives(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.offline.killed_step", str(tmp_path / "killed"), str(source), "4"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    killed = tmp_path / "killed"
    assert (killed / "started.json").exists()
    assert not (killed / "step.json").exists()
    assert (killed / "lines.txt").read_text(encoding="utf-8").count("\n") == 4

    resumed = run_copy(killed, CopyStep(source))
    undisturbed = run_copy(tmp_path / "undisturbed", CopyStep(source))
    assert resumed.model_copy(update={"seconds": 0}) == undisturbed.model_copy(update={"seconds": 0})
    assert (killed / "lines.txt").read_bytes() == (tmp_path / "undisturbed" / "lines.txt").read_bytes()


def test_a_finished_step_is_skipped(source: Path, tmp_path: Path) -> None:
    step = CopyStep(source)
    first = run_copy(tmp_path / "copy", step)
    before = (tmp_path / "copy" / "step.json").stat().st_mtime_ns
    assert run_copy(tmp_path / "copy", step) == first
    assert step.runs == 1
    assert (tmp_path / "copy" / "step.json").stat().st_mtime_ns == before


def test_the_plan_is_there_before_the_step_works_and_the_manifest_only_after(source: Path, tmp_path: Path) -> None:
    step = CopyStep(source)
    run_copy(tmp_path / "copy", step)
    assert step.files_seen == {"started.json", "lines.txt"}
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"started.json", "lines.txt", "step.json"}


def test_a_step_that_fails_leaves_no_manifest(tmp_path: Path) -> None:
    def fail(options: CopyOptions, context: StepContext) -> None:
        raise StepError("no")

    with pytest.raises(StepError, match="no"):
        run_step("copy", CopyOptions(), StepContext(folder=tmp_path / "copy"), fail)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["started.json"]
    with pytest.raises(StepError, match="no finished step: run `prism-offline copy` first"):
        load_manifest(tmp_path / "copy")


def test_the_manifest_says_what_went_in_and_what_came_out(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy" / "checkpoints").mkdir(parents=True)
    (tmp_path / "copy" / "checkpoints" / "weights").write_text("x", encoding="utf-8")
    (tmp_path / "copy" / "step.tmp").write_text("torn", encoding="utf-8")
    manifest = run_copy(tmp_path / "copy", CopyStep(source))
    assert manifest.options == {"suffix": "!", "repeats": 1}
    assert manifest.seed == 1
    assert manifest.inputs == {"file:data/source.txt": hash_file(source)}
    assert manifest.outputs == {"lines.txt": hash_file(tmp_path / "copy" / "lines.txt")}
    assert manifest.counts == {"lines": 9}
    assert manifest.versions["python"]
    assert orjson.loads((tmp_path / "copy" / "step.json").read_bytes()) == manifest.model_dump(mode="json")


@pytest.mark.parametrize("is_finished", [True, False])
def test_other_options_are_refused_and_named(source: Path, tmp_path: Path, is_finished: bool) -> None:
    run_copy(tmp_path / "copy", CopyStep(source))
    if not is_finished:
        (tmp_path / "copy" / "step.json").unlink()
    step = CopyStep(source)
    with pytest.raises(InputsChangedError, match=r"work on other options\.suffix; delete the folder"):
        run_copy(tmp_path / "copy", step, CopyOptions(suffix="?"))
    with pytest.raises(InputsChangedError, match=r"work on other options\.repeats, options\.suffix, seed;"):
        run_copy(tmp_path / "copy", step, CopyOptions(suffix="?", repeats=2), seed=2)
    assert step.runs == 0


@pytest.mark.parametrize("is_finished", [True, False])
def test_another_input_file_is_refused_and_named(source: Path, tmp_path: Path, is_finished: bool) -> None:
    run_copy(tmp_path / "copy", CopyStep(source))
    if not is_finished:
        (tmp_path / "copy" / "step.json").unlink()
    source.write_text("other\n", encoding="utf-8")
    with pytest.raises(InputsChangedError, match=r"work on other inputs\.file:data/source\.txt;"):
        run_copy(tmp_path / "copy", CopyStep(source))


def test_another_output_of_an_earlier_step_is_refused_and_named(source: Path, tmp_path: Path) -> None:
    run_copy(tmp_path / "copy", CopyStep(source))
    context = StepContext(folder=tmp_path / "next", inputs={"copy": tmp_path / "copy"})
    run_step("next", CopyOptions(), context, lambda options, context: None)
    shutil.rmtree(tmp_path / "copy")
    run_copy(tmp_path / "copy", CopyStep(source), CopyOptions(suffix="?"))
    with pytest.raises(InputsChangedError, match=r"next holds work on other inputs\.copy/lines\.txt;"):
        run_step("next", CopyOptions(), context, lambda options, context: None)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_that_changed_after_its_step_is_noticed_by_the_next_one(
    source: Path, tmp_path: Path, is_gone: bool
) -> None:
    run_copy(tmp_path / "copy", CopyStep(source))
    lines = tmp_path / "copy" / "lines.txt"
    if is_gone:
        lines.unlink()
    else:
        lines.write_text("other", encoding="utf-8")
    context = StepContext(folder=tmp_path / "next", inputs={"copy": tmp_path / "copy"})
    with pytest.raises(InputsChangedError, match=r"lines\.txt changed since the step wrote it"):
        run_step("next", CopyOptions(), context, lambda options, context: None)
    assert not (tmp_path / "next").exists()


def test_data_and_run_may_move_together(source: Path, tmp_path: Path) -> None:
    run_copy(tmp_path / "runs" / "copy", CopyStep(source), base=tmp_path)
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(tmp_path / "runs", moved / "runs")
    shutil.move(source.parent, moved / "data")
    step = CopyStep(moved / "data" / "source.txt")
    run_copy(moved / "runs" / "copy", step, base=moved)
    assert step.runs == 0


def test_of_several_processes_only_the_first_writes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    run_step("copy", CopyOptions(), StepContext(folder=tmp_path / "copy"), lambda options, context: None)
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_manifest_that_is_no_manifest_is_an_error_of_the_step(tmp_path: Path) -> None:
    (tmp_path / "step.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StepError, match="is not a manifest"):
        load_manifest(tmp_path)


def test_progress_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = StepContext(folder=tmp_path)
    assert list(context.track(iter("abc"), "counting", 3)) == ["a", "b", "c"]
    assert "counting" in capsys.readouterr().err
