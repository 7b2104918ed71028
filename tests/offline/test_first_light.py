"""From recorded rows to a released artifact that the worker's own loader takes, with the real warm start."""

from pathlib import Path

import orjson
import pytest

from offline.cli import main
from offline.recorded_rows import build_pairs, load_rows
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first-light")
    artifact = folder / "models" / "trial" / "0.0.1"
    train, dev = str(HERE / "train_rows.jsonl"), str(HERE / "dev_rows.jsonl")
    assert main(["distill", train, dev, str(folder / "run"), "--epochs", "1", "--max-pairs", "48"]) == 0
    assert main(["release", str(folder / "run"), dev, str(artifact)]) == 0
    return artifact


def test_the_released_artifact_loads_and_writes(released: Path) -> None:
    artifact = load_artifact(str(released))
    assert artifact.manifest.name == "trial"
    assert artifact.manifest.training["pairs"] == 48
    assert CTranslate2Generator(artifact).generate(["<by-item> <short> <item> <t> Heat"])


def test_the_evaluation_has_figures_for_all_and_each_group(released: Path) -> None:
    evaluation = orjson.loads((released / "evaluation.json").read_bytes())
    assert set(evaluation) == {"all", "invented"}
    assert evaluation["all"]["rows"] == 24
    # A student that saw 48 rows writes nothing that the gate lets through: every text is a template, none is lost.
    assert evaluation["all"]["emitted_by_model"] < 0.5
    assert evaluation["all"]["oracle_texts_passing_gate"] > 0.8


def test_the_card_shows_examples_and_terms(released: Path) -> None:
    card = (released / "README.md").read_text(encoding="utf-8")
    assert card.count("\n- (") == 20
    assert "research" in card


def test_rows_whose_text_names_something_unknown_teach_nothing() -> None:
    rows = list(load_rows(HERE / "train_rows.jsonl"))
    pairs, counts = build_pairs(iter(rows))
    assert counts["kept"] == len(pairs) > 0.8 * len(rows)
    assert counts.total() == len(rows)
    assert all("<" in pair.source for pair in pairs)
