"""A release never changes, is whole or not there, and says what was measured."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from offline.convert import ARTIFACT_FILES, Agreement
from offline.evaluation.step import EvaluateOptions, measure
from offline.facts import TrainingFacts, write_json
from offline.manifest import draft_manifest
from offline.release import ReleaseOptions, release
from offline.steps import StepContext, StepError, run_step
from stream_app.core.errors import ModelUnusableError
from stream_app.runtime.artifact import load_artifact
from tests.fakes import ScriptedGenerator
from tests.offline.evaluation.measuring import LengthJudge, build_models, build_rows, follow

OPTIONS = {"name": "trial", "version": "1.2.3", "licence": "Only for trials.", "provenance": "Invented, all of it."}
FACTS = TrainingFacts(
    pairs=90,
    dropped=10,
    epochs=2,
    seed=1,
    parameters=1_234_567,
    vocabulary=321,
    dev_figures={"joint": 0.75},
    seconds=90,
)
AGREEMENT = Agreement(
    rows=5,
    exact_match=0.8,
    passes_gate_int8=0.6,
    passes_gate_float32=0.7,
    rouge_l_int8=0.5,
    rouge_l_float32=0.5,
    bytes_int8=1_500_000,
    bytes_float32=6_000_000,
    sure_from=-0.5,
)


class NoOptions(BaseModel):
    """Of a step that only writes what the test gives it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def write_distilled(options: NoOptions, context: StepContext) -> None:
    write_json(context.folder / "training.json", FACTS.model_dump(mode="json"))


def write_converted(options: NoOptions, context: StepContext) -> None:
    for name in ARTIFACT_FILES:
        (context.folder / name).write_text(f"the content of {name}", encoding="utf-8")
    draft_manifest(context.folder, ARTIFACT_FILES)
    write_json(context.folder / "agreement.json", AGREEMENT.model_dump(mode="json"))


def write_evaluated(options: NoOptions, context: StepContext) -> None:
    rows = [*build_rows(24, "film_thin"), *build_rows(24, "course")]
    figures = EvaluateOptions(resamples=100, retrieval_rows=4, examples=3)
    models = build_models(LengthJudge())
    measure(ScriptedGenerator(), rows, figures, context.folder, track=follow, models=models, seed=5)


def count_rows(options: NoOptions, context: StepContext) -> None:
    context.counts["film: dropped, too long"] = 1_234


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which all steps but the last are done."""
    run = tmp_path_factory.mktemp("run")
    steps = {"distill": write_distilled, "convert": write_converted, "evaluate": write_evaluated}
    for step in ("prepare", "label", "select", *steps):
        run_step(step, NoOptions(), StepContext(folder=run / step), steps.get(step, count_rows))
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def run_release(run: Path, **overrides: Any) -> Path:
    """Run the step; returns where the artifact lies."""
    folder = run / "release"
    folder.mkdir(exist_ok=True)
    steps = ("prepare", "label", "select", "distill", "convert", "evaluate")
    context = StepContext(folder=folder, inputs={step: run / step for step in steps}, base=run)
    options = ReleaseOptions.model_validate(OPTIONS | overrides)
    release(options, context)
    return (run / "models" if options.models is None else run / options.models) / options.name / options.version


def test_the_worker_takes_what_is_released(run: Path) -> None:
    artifact = load_artifact(str(run_release(run)))
    assert (artifact.manifest.name, artifact.manifest.version) == ("trial", "1.2.3")
    assert set(artifact.manifest.files) == {*ARTIFACT_FILES, "agreement.json", "evaluation.json"}
    assert artifact.manifest.sure_from == -0.5
    assert artifact.manifest.training["pairs"] == 90
    assert artifact.manifest.training["dev_joint"] == 0.75
    assert artifact.manifest.training["provenance"] == "Invented, all of it."


def test_a_vocabulary_map_is_released_too(run: Path) -> None:
    files = (*ARTIFACT_FILES, "vmap.txt")
    (run / "convert" / "vmap.txt").write_text("\ta b\n", encoding="utf-8")
    draft_manifest(run / "convert", files)
    artifact = load_artifact(str(run_release(run)))
    assert set(artifact.manifest.files) == {*files, "agreement.json", "evaluation.json"}
    assert (artifact.folder / "vmap.txt").read_text(encoding="utf-8") == "\ta b\n"


def test_the_card_says_what_was_measured_and_under_which_terms(run: Path) -> None:
    card = (run_release(run) / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# trial 1.2.3\n")
    for text in ("1,234,567 parameters", "1.5 MB", "Only for trials.", "Invented, all of it. 90 pairs", "joint 0.75"):
        assert text in card
    assert "- prepare: film: dropped, too long 1,234" in card
    assert [line for line in card.splitlines() if line.startswith("### ")] == [
        "### all: 48 rows",
        "### films: 24 rows",
        "### invented: 24 rows",
    ]
    assert "| Passes the gate |" in card
    assert "ROUGE-L" in card
    assert len([line for line in card.splitlines() if line.startswith("- (model, ")]) == 20
    assert "{" not in card


def test_releasing_the_same_again_changes_nothing(run: Path) -> None:
    target = run_release(run)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in target.iterdir()}
    run_release(run)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in target.iterdir()} == before


def test_another_release_of_the_same_version_is_refused_and_the_first_stays(run: Path) -> None:
    target = run_release(run)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(StepError, match=r"holds another release; .* raise `release\.version`"):
        run_release(run, licence="Other terms.")
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert run_release(run, licence="Other terms.", version="1.2.4").name == "1.2.4"


def test_a_half_copied_release_is_none_and_is_done_again(run: Path) -> None:
    target = run_release(run)
    whole = {path.name: path.read_bytes() for path in target.iterdir()}
    (target / "manifest.json").unlink()
    (target / "model.bin").write_text("torn", encoding="utf-8")
    with pytest.raises(ModelUnusableError):
        load_artifact(str(target))
    run_release(run)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == whole


def test_models_may_be_kept_elsewhere(run: Path) -> None:
    assert run_release(run, models="../shelf").is_dir()
    assert not (run / "models").exists()


@pytest.mark.parametrize("wrong", [{"name": "../up"}, {"version": "1.2"}, {"licence": ""}, {"license": "x"}])
def test_a_name_version_or_licence_that_cannot_be_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ReleaseOptions.model_validate(OPTIONS | wrong)
