"""The command line: one line of output for each step, one line and 78 for what cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from offline.cli import main
from tests.offline.selected_rows import write_rows

RECIPE = """name = "trial"
[[prepare.sources]]
adapter = "recorded"
path = "rows/train.jsonl"
dev_path = "rows/dev.jsonl"
[release]
name = "trial"
version = "0.0.1"
licence = "A trial."
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows" / "train.jsonl", range(4))
    write_rows(tmp_path / "rows" / "dev.jsonl", range(4, 6))
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_a_missing_recipe_is_one_line_and_exit_code_78(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "offline.cli", "run", str(tmp_path / "none.toml")]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False, timeout=300, text=True)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr == f"prism-offline: {tmp_path / 'none.toml'}: No such file or directory\n"


def test_help_needs_no_heavy_library() -> None:
    program = (
        "import sys; from offline.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(str({'torch', 'transformers', 'ray', 'ctranslate2'} & set(sys.modules) or 0))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False, timeout=300)
    assert done.stderr == b"0\n"
    assert b"prepare" in done.stdout


def test_steps_run_until_the_one_that_is_named_and_each_tells_its_counts(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["run", str(recipe), "--run", str(run), "--until", "label"]) == 0
    assert sorted(path.name for path in run.iterdir()) == ["label", "prepare"]
    prepared, labelled = capsys.readouterr().out.splitlines()
    assert prepared.startswith("prepare: ")
    assert "film_thin: train 4" in prepared
    assert labelled.startswith("label: ")


def test_a_wrong_setting_of_a_late_step_shows_before_the_first_one_runs(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.write_text(RECIPE.replace("0.0.1", "one"), encoding="utf-8")
    assert main(["run", str(recipe), "--run", str(tmp_path / "run")]) == 78
    assert capsys.readouterr().err.startswith("prism-offline: [release] of the recipe: version: ")
    assert not (tmp_path / "run").exists()


def test_missing_data_is_one_line_and_exit_code_78(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows" / "train.jsonl").unlink()
    assert main(["prepare", str(recipe), "--run", str(tmp_path / "run")]) == 78
    assert "rows/train.jsonl" in capsys.readouterr().err.splitlines()[-1]


def test_changed_data_is_one_line_and_exit_code_78(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["prepare", str(recipe), "--run", str(tmp_path / "run")]
    assert main(arguments) == 0
    write_rows(tmp_path / "rows" / "train.jsonl", range(3))
    capsys.readouterr()
    assert main(arguments) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert "inputs.file:rows/train.jsonl" in line


def test_several_processes_are_refused_for_steps_that_cannot_share_the_work(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["run", str(recipe), "--run", str(tmp_path / "run")]) == 78
    assert "several processes can share distill or refine only" in capsys.readouterr().err
