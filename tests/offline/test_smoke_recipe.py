"""The recipe `smoke`, from the rows that ship to a released artifact that explains events as the worker does."""

import gzip
from collections import Counter
from pathlib import Path

import orjson
import pytest

from offline.cli import main
from offline.recipe import STEPS
from offline.steps import load_manifest
from stream_app.core.pipeline import Explained, ExplanationPipeline
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator

pytestmark = pytest.mark.slow
RECIPES = Path(__file__).parents[2] / "offline" / "recipes"
ARGUMENTS = ["run", str(RECIPES / "smoke.toml"), "--run"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smoke")
    assert main([*ARGUMENTS, str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def pipeline(run: Path) -> ExplanationPipeline:
    return ExplanationPipeline(CTranslate2Generator(load_artifact(str(run / "models" / "smoke" / "0.0.1"))))


def test_the_released_artifact_is_verified_and_knows_its_training(run: Path) -> None:
    manifest = load_artifact(str(run / "models" / "smoke" / "0.0.1")).manifest
    assert (manifest.name, manifest.version) == ("smoke", "0.0.1")
    pairs = manifest.training["pairs"]
    assert isinstance(pairs, int)
    assert 100 < pairs <= 192
    refined = manifest.training["refinement_pairs"]
    assert isinstance(refined, int)
    assert refined > 0
    card = (run / "models" / "smoke" / "0.0.1" / "README.md").read_text(encoding="utf-8")
    assert f"{refined:,} pairs, 1 epochs" in card
    assert "<t>" in orjson.dumps(orjson.loads((run / "convert" / "shared_vocabulary.json").read_bytes())).decode()


def test_every_item_of_every_event_gets_exactly_one_explanation(pipeline: ExplanationPipeline) -> None:
    lines = gzip.decompress((RECIPES / "data" / "invented_dev.jsonl.gz").read_bytes()).splitlines()[:6]
    events = [orjson.loads(line)["event"] for line in lines]
    # One event of several items: those of another event, ranked behind its own.
    events[0]["items"] += [item | {"rank": 2} for item in events[1]["items"]]
    outcomes = pipeline.explain([orjson.dumps(event) for event in events])
    explanations = [
        explanation for outcome in outcomes if isinstance(outcome, Explained) for explanation in outcome.explanations
    ]
    expected = Counter((event["event_id"], item["item_id"]) for event in events for item in event["items"])
    assert Counter((explanation.event_id, explanation.item_id) for explanation in explanations) == expected
    assert all(explanation.text and explanation.model.name == "smoke" for explanation in explanations)


def test_each_step_left_its_manifest(run: Path) -> None:
    assert [load_manifest(run / step).step for step in STEPS] == list(STEPS)


def test_the_second_run_skips_every_step(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main([*ARGUMENTS, str(run)]) == 0
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert len(capsys.readouterr().out.splitlines()) == len(STEPS)
