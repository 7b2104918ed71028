"""Selected texts of an Oracle: events with one explanation each, turned into pairs that the student learns from."""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from offline.steps import StepError
from offline.styles import classify_style
from stream_app.core.errors import RecordError
from stream_app.core.events import RankingEvent, decode_event
from stream_app.core.faithfulness import MAX_WORDS, MIN_WORDS
from stream_app.core.prompt import Prompt, build_prompt
from stream_app.core.slots import HISTORY_SLOTS, SLOT, UnsupportedNameError, extract_slots
from stream_app.core.styles import Plan

_SPEAKS_OF_USER: Final = re.compile(r"\byou(?:r|rs)?\b", re.IGNORECASE)
_WORD: Final = re.compile(rf"{SLOT.pattern}|[^\W_]+|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """One line of a recording: its kind (domain), the event, and what the Oracle wrote about the first item."""

    kind: str
    event: RankingEvent
    explanation: str
    rejected: tuple[str, ...] = ()
    """Candidates for the same event that selection turned down."""


@dataclass(frozen=True, slots=True)
class TrainingPair:
    """What the student reads (with the plan of the target) and should write, both slotted."""

    kind: str
    source: str
    target: str
    rejected: str | None = None
    """A slotted text for the same source that it should not write."""


def load_rows(path: Path) -> Iterator[RecordedRow]:
    """Read a recording: JSON lines of `kind`, `event`, `explanation`, and perhaps `rejected`.

    Raises:
        StepError: a line is not a row, or its event is not valid; the message names file and line.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = _decode_row(line)
            except (RecordError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise StepError(f"{path}, line {number} is not a row of a recording: {error!r}") from error
            yield row


def _decode_row(line: bytes) -> RecordedRow:
    row = orjson.loads(line)
    rejected = tuple(text["text"] for text in row.get("rejected", ()))
    return RecordedRow(row["kind"], decode_event(orjson.dumps(row["event"])), row["explanation"], rejected)


def build_pairs(rows: Iterable[RecordedRow]) -> tuple[list[TrainingPair], Counter[str]]:
    """Turn rows into training pairs; also count, by reason, the rows that cannot teach faithful text."""
    matched, counts = match_pairs(rows)
    return [pair for _, pair in matched], counts


def match_pairs(rows: Iterable[RecordedRow]) -> tuple[list[tuple[RecordedRow, TrainingPair]], Counter[str]]:
    """Do as `build_pairs`, and return each pair with its row."""
    matched: list[tuple[RecordedRow, TrainingPair]] = []
    counts: Counter[str] = Counter()
    for row in rows:
        outcome = _build_pair(row, build_prompt(row.event, 0))
        if isinstance(outcome, str):
            counts[outcome] += 1
        else:
            matched.append((row, outcome))
            counts["kept"] += 1
    return matched, counts


def _build_pair(row: RecordedRow, prompt: Prompt) -> TrainingPair | str:
    if not MIN_WORDS <= len(row.explanation.split()) <= MAX_WORDS:
        return "length"
    try:
        slotted = separate_words(extract_slots(row.explanation, prompt.slots))
    except UnsupportedNameError:
        return "name_or_number_not_in_prompt"
    used = tuple(token for token in HISTORY_SLOTS if token in slotted)
    if not used and prompt.history and not row.event.user.preferences and _SPEAKS_OF_USER.search(slotted):
        # Such as 'a turn away from your thrillers': no plan shows the whole history, so none could ask for this text.
        return "history_without_title"
    style = classify_style(slotted, prompt.render_body(used))
    source = prompt.render(Plan(style, used))
    return TrainingPair(row.kind, source, slotted, _slot_rejected(row, prompt))


def _slot_rejected(row: RecordedRow, prompt: Prompt) -> str | None:
    """Slot the first rejected text that names nothing unknown: others, no student could write anyway."""
    for text in row.rejected:
        try:
            return separate_words(extract_slots(text, prompt.slots))
        except UnsupportedNameError:
            continue
    return None


def separate_words(text: str) -> str:
    """Write a slotted text as the student writes it: lower case, a space between words, marks and slots."""
    return " ".join(_WORD.findall(text.lower()))
