"""Recorded Oracle output: events with one explanation each, turned into pairs that the student learns from."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from offline.styles import classify_style
from stream_app.core.events import RankingEvent, decode_event
from stream_app.core.faithfulness import MAX_WORDS, MIN_WORDS
from stream_app.core.prompt import Prompt, build_prompt
from stream_app.core.slots import UnsupportedNameError, extract_slots


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One line of a recording: its kind (domain), the event, and what the Oracle wrote about the first item."""

    kind: str
    event: RankingEvent
    explanation: str


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """What the student reads (with the style of the target) and should write, both slotted."""

    kind: str
    source: str
    target: str


def load_rows(path: Path) -> Iterator[RecordedRow]:
    """Read a recording: JSON lines of `kind`, `event`, `explanation`.

    Raises:
        RecordError: an event is not valid; the message names the line.
    """
    with path.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            yield RecordedRow(row["kind"], decode_event(orjson.dumps(row["event"])), row["explanation"])


def build_pairs(rows: Iterator[RecordedRow]) -> tuple[list[TrainingPair], Counter[str]]:
    """Turn rows into training pairs; also count, by reason, the rows that cannot teach faithful text."""
    pairs: list[TrainingPair] = []
    counts: Counter[str] = Counter()
    for row in rows:
        prompt = build_prompt(row.event, 0)
        outcome = _build_pair(row, prompt)
        if isinstance(outcome, str):
            counts[outcome] += 1
        else:
            pairs.append(outcome)
            counts["kept"] += 1
    return pairs, counts


def _build_pair(row: RecordedRow, prompt: Prompt) -> TrainingPair | str:
    if not MIN_WORDS <= len(row.explanation.split()) <= MAX_WORDS:
        return "length"
    try:
        slotted = extract_slots(row.explanation, prompt.slots)
    except UnsupportedNameError:
        return "name_or_number_not_in_prompt"
    return TrainingPair(row.kind, prompt.render(classify_style(slotted)), slotted)
