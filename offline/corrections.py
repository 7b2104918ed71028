"""Judged drafts: what a student wrote, and the same text mended by a reader where it was faulty.

From them a student learns what selected texts cannot teach: which of its own texts are wrong. A line of a file holds
one event and the drafts about its first item, each with the plan that it was written to:

    {"kind": "film_thin", "event": {...}, "drafts": [{"style": ["<by-item>", "<short>", "<plain>"], "history": ["<h1>"],
     "draft": "Heat is thrillers, and you loved Fargo.", "text": "Heat is a thriller, like Fargo, which you loved."}]}

Where `text` is the same as `draft`, the reader found no fault.
"""

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from offline.recorded_rows import TrainingPair, separate_words
from offline.steps import StepError
from stream_app.core.errors import RecordError
from stream_app.core.events import RankingEvent, decode_event
from stream_app.core.misplaced_facts import find_unrelated_reasons
from stream_app.core.pipeline import judge_slotted
from stream_app.core.prompt import Prompt, build_prompt
from stream_app.core.slots import UnsupportedNameError, extract_slots
from stream_app.core.styles import Length, Manner, Opening, Plan, Style

UNKNOWN_NAME: Final = "name_or_number_not_in_prompt"
UNRELATED_REASON: Final = "unrelated_reason"
UNKNOWN_HISTORY: Final = "history_not_in_prompt"
"""Why a judged draft teaches nothing; the worker's rules are such reasons too."""


class JudgedDraft(BaseModel):
    """One text that a student wrote, and what a reader made of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    style: tuple[Opening, Length, Manner]
    history: tuple[str, ...]
    """Slot tokens of the items of the history that its prompt showed."""
    draft: str
    text: str
    """Free of faults; the draft itself, if it had none."""


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """One line of a file of judged drafts."""

    kind: str
    event: RankingEvent
    drafts: tuple[JudgedDraft, ...]


def load_judged_events(path: Path) -> Iterator[JudgedEvent]:
    """Read judged drafts from JSON lines, gzipped or not.

    Raises:
        StepError: a line is not as it should be; the message names file and line.
    """
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = orjson.loads(line)
                drafts = tuple(JudgedDraft.model_validate(draft) for draft in row["drafts"])
                yield JudgedEvent(row["kind"], decode_event(orjson.dumps(row["event"])), drafts)
            except (RecordError, ValidationError, ValueError, KeyError, TypeError) as error:
                raise StepError(f"{path}, line {number} holds no judged drafts: {error!r}") from error


def build_correction_pairs(rows: Iterable[JudgedEvent]) -> tuple[list[TrainingPair], Counter[str]]:
    """Turn judged drafts into pairs, a faulty draft being the rejected text; count what is left out, by reason.

    A reader's text is held to the rules of a student's text: a student must be able to write it.
    """
    pairs: list[TrainingPair] = []
    counts: Counter[str] = Counter()
    for row in rows:
        prompt = build_prompt(row.event, 0)
        for judged in row.drafts:
            pair = _build_pair(row, prompt, judged)
            if isinstance(pair, str):
                counts[pair] += 1
            else:
                pairs.append(pair)
                counts["mended" if pair.rejected is not None else "faultless"] += 1
    return pairs, counts


def _build_pair(row: JudgedEvent, prompt: Prompt, judged: JudgedDraft) -> TrainingPair | str:
    if not {item.token for item in prompt.history}.issuperset(judged.history):
        return UNKNOWN_HISTORY
    try:
        target, draft = (separate_words(extract_slots(text, prompt.slots)) for text in (judged.text, judged.draft))
    except UnsupportedNameError:
        return UNKNOWN_NAME
    filled, verdict = judge_slotted(target, prompt, row.event, 0)
    if filled is None or verdict.violations:
        return verdict.violations[0].rule
    if any(find_unrelated_reasons(filled.text, row.event, 0, filled.evidence)):
        return UNRELATED_REASON
    source = prompt.render(Plan(Style(*judged.style), judged.history))
    return TrainingPair(row.kind, source, target, rejected=draft if draft != target else None)
