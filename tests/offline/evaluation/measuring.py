"""Models that measure without weights, and rows to measure: an encoder of word counts, a judge of lengths."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from offline.evaluation.models import Matrix, MeasuringModels, Vector
from offline.evaluation.texts import TextRow
from offline.evaluation.writing import find_rules
from offline.recorded_rows import RecordedRow
from stream_app.core.template import write_template
from tests.factories import build_event, build_history_item, build_item

WIDTH = 512
T = TypeVar("T")


class WordEncoder:
    """Counts words: texts with the same words are alike."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        vectors = np.zeros((len(texts), WIDTH))
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, sum(word.encode()) % WIDTH] += 1
        scaled: Matrix = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)
        return scaled


class WordOverlap:
    """The share of the reference's words that a text has."""

    def compare(self, texts: Sequence[str], references: Sequence[str]) -> Vector:
        return np.array([_overlap(text, reference) for text, reference in zip(texts, references, strict=True)])


class LengthJudge:
    """Finds long texts improbable, and remembers what it was shown."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> Vector:
        self.prompts += prompts
        return np.array([-float(len(text)) for text in texts])


def _overlap(text: str, reference: str) -> float:
    words = set(reference.split())
    return len(words & set(text.split())) / len(words)


def build_models(judge: LengthJudge | None = None) -> MeasuringModels:
    return MeasuringModels(WordEncoder(), WordOverlap(), judge)


def follow(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Track nothing."""
    assert description
    yield from iterable


CRAFTS = ("pottery", "weaving", "carving", "sailing", "baking", "climbing", "painting", "gardening")


def build_rows(count: int = 8, kind: str = "course") -> list[RecordedRow]:
    """Build rows of different crafts and users; every text of the 'Oracle' uses history and preferences."""
    return [build_row(index, kind) for index in range(count)]


def build_row(index: int = 0, kind: str = "course") -> RecordedRow:
    craft = CRAFTS[index % len(CRAFTS)]
    event = build_event(
        event_id=f"{kind}-{index}",
        history=[build_history_item(f"Evening {craft.title()}", attributes={"topic": craft, "level": "easy"})],
        preferences=[f"Enjoys {craft} with friends."],
        items=[
            build_item(
                f"Weekend {index}", attributes={"topic": craft, "level": "hard"}, summary=f"Two days of {craft}."
            )
        ],
    )
    user = event.user.model_copy(update={"user_id": f"user-{index}"})
    text = f"Since you enjoyed Evening {craft.title()}, two hard days of {craft} with friends may suit you well."
    return RecordedRow(kind, event.model_copy(update={"user": user}), text)


def build_text_row(row: RecordedRow | None = None, **overrides: Any) -> TextRow:
    """Build a row of texts.jsonl whose student wrote what the Oracle wrote."""
    row = row or build_row()
    text = overrides.pop("emitted", row.explanation)
    fields = {
        "kind": row.kind,
        "group": "invented",
        "event": row.event,
        "oracle": row.explanation,
        "raw": text,
        "raw_rules": [],
        "emitted": text,
        "emitted_rules": sorted(find_rules(text, row.event)),
        "source": "model",
        "template_reason": None,
        "template": write_template(row.event, 0).text,
        "emitted_for_another": None,
        "template_for_another": None,
    }
    return TextRow.model_validate(fields | overrides)
