"""The step that lets a student learn from judged drafts of its own, with a student of a few thousand weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from transformers import BartForConditionalGeneration

from offline.corrections import build_correction_pairs, load_judged_events
from offline.facts import TrainingFacts
from offline.losses import sum_log_probabilities
from offline.pair_dataset import PairDataset, build_collator
from offline.refine import RefineOptions, refine
from offline.steps import StepContext, StepError
from offline.tokenizer import BEGIN, END, PAD, find_id
from stream_app.core.generation import DOUBT_TOKEN
from tests.offline.distilling import TRAINING, save_word_piece_start, write_selected
from tests.offline.judged_rows import build_judged, write_judged

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SOURCES = [{"path": "judged.jsonl"}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_selected(tmp_path)
    save_word_piece_start(tmp_path / "distill")
    write_judged(tmp_path / "judged.jsonl", (build_judged(number) for number in range(8)))
    return tmp_path


def run(root: Path, name: str = "refine", *, runs: Path | None = None, **options: Any) -> StepContext:
    folder = root / name
    folder.mkdir()
    inputs = {step: (runs or root) / step for step in ("select", "distill")}
    context = StepContext(folder=folder, inputs=inputs, seed=1, base=folder.parent)
    training = TRAINING | {"evaluations": 1} | options.pop("training", {})
    refine(RefineOptions.model_validate({"sources": SOURCES, "training": training} | options), context)
    return context


def load_judging(root: Path, name: str, *, is_doubt_taught: bool) -> tuple[Any, Tokenizer, dict[str, Any]]:
    """Load a student, its tokenizer, and the eight judged drafts as one batch."""
    tokenizer = Tokenizer.from_file(str(root / name / "tokenizer.json"))
    model = BartForConditionalGeneration.from_pretrained(root / name / "best")
    model.eval()  # type: ignore[no-untyped-call]
    pairs, _ = build_correction_pairs(load_judged_events(root / "judged.jsonl"))
    dataset = PairDataset(pairs, tokenizer, has_rejected=True, is_doubt_taught=is_doubt_taught)
    collate = build_collator(find_id(tokenizer, PAD), find_id(tokenizer, BEGIN))
    return model, tokenizer, collate([*map(dataset.__getitem__, range(8))])


def measure_margin(root: Path, name: str) -> float:
    """Measure by how much a student finds the mended texts likelier than the faulty ones, in nats a text."""
    model, _, batch = load_judging(root, name, is_doubt_taught=False)
    likely = []
    with torch.no_grad():
        for ids, labels in (("decoder_input_ids", "labels"), ("rejected_ids", "rejected_labels")):
            logits = model(batch["input_ids"], batch["attention_mask"], decoder_input_ids=batch[ids]).logits
            likely.append(sum_log_probabilities(logits, batch[labels]))
    return float((likely[0] - likely[1]).mean())


def test_the_mended_text_is_preferred_more_than_by_learning_it_alone(root: Path) -> None:
    training = {"epochs": 6, "decoder_learning_rate": 5e-3, "doubt_weight": 0}
    run(root, "learned", training=training | {"preference_weight": 0})
    run(root, "preferred", training=training | {"preference_weight": 5, "preference_beta": 1})
    assert measure_margin(root, "preferred") > measure_margin(root, "learned") > measure_margin(root, "distill")


def measure_doubt(root: Path, name: str) -> list[float]:
    """Measure how likely the student doubts the mended texts, and the faulty ones; a mean each, between 0 and 1."""
    model, tokenizer, batch = load_judging(root, name, is_doubt_taught=True)
    doubt, end = find_id(tokenizer, DOUBT_TOKEN), find_id(tokenizer, END)
    is_asked = {"decoder_input_ids": batch["labels"] == end, "rejected_ids": batch["doubt_labels"] == doubt}
    doubts = []
    with torch.no_grad():
        for ids, where in is_asked.items():
            logits = model(batch["input_ids"], batch["attention_mask"], decoder_input_ids=batch[ids]).logits
            doubts.append(float(logits.softmax(-1)[where][:, doubt].mean()))
    return doubts


def test_a_student_learns_which_of_its_texts_to_doubt(root: Path) -> None:
    training = {"epochs": 40, "decoder_learning_rate": 1e-2, "encoder_learning_rate": 1e-2, "preference_weight": 0}
    run(root, "taught", training=training | {"doubt_weight": 3})
    run(root, "untaught", training=training | {"doubt_weight": 0})
    mended, faulty = measure_doubt(root, "taught")
    assert faulty > 0.5 > mended
    assert max(measure_doubt(root, "untaught")) < 0.1


def test_the_step_leaves_what_distill_leaves_and_counts_what_it_met(root: Path) -> None:
    context = run(root, repeated_share=0.5)
    assert {path.name for path in context.folder.iterdir()} == {
        "checkpoints",
        "best",
        "tokenizer.json",
        "training.json",
    }
    facts = TrainingFacts.model_validate_json((context.folder / "training.json").read_bytes())
    assert (facts.pairs, facts.dropped) == (12, 0)
    assert context.counts == {"mended": 8, "repeated": 4}
    assert (context.folder / "tokenizer.json").read_bytes() == (root / "distill" / "tokenizer.json").read_bytes()


def test_the_students_own_tokenizer_is_used_wherever_one_stands(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    (root / "recipe").mkdir()
    (root / "judged.jsonl").rename(root / "recipe" / "judged.jsonl")
    context = run(root, "recipe/refine", runs=Path(root.name))
    model = BartForConditionalGeneration.from_pretrained(context.folder / "best")
    tokenizer = Tokenizer.from_file(str(root / "distill" / "tokenizer.json"))
    assert model.config.vocab_size == tokenizer.get_vocab_size()


def test_what_cannot_teach_is_counted_as_dropped(root: Path) -> None:
    write_judged(root / "judged.jsonl", [build_judged(1), build_judged(2, history=["<h2>"])])
    context = run(root, repeated_share=1)
    assert context.counts == {"mended": 1, "history_not_in_prompt": 1, "repeated": 1}
    facts = TrainingFacts.model_validate_json((context.folder / "training.json").read_bytes())
    assert (facts.pairs, facts.dropped) == (2, 1)


def test_a_limit_is_kept_and_a_missing_file_must_be_optional(root: Path) -> None:
    missing = {"path": "none.jsonl", "optional": True}
    context = run(root, sources=[missing, SOURCES[0] | {"limit": 3}])
    assert context.counts["mended"] == 3
    assert context.counts["source 1: skipped, path is missing"] == 1
    with pytest.raises(StepError, match=r"none\.jsonl does not exist"):
        run(root, "without", sources=[missing | {"optional": False}])


def test_without_a_draft_that_can_teach_nothing_starts(root: Path) -> None:
    write_judged(root / "judged.jsonl", [build_judged(2, history=["<h2>"])])
    with pytest.raises(StepError, match="no judged draft can teach"):
        run(root)
