"""What a student writes about events, with the plan behind each text: the raw material of judged drafts."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from offline.corrections import JudgedDraft, JudgedEvent
from offline.recorded_rows import RecordedRow
from stream_app.core.events import ModelIdentity, RankingEvent, encode_contract
from stream_app.core.generation import Draft, TextGenerator
from stream_app.core.pipeline import ExplanationPipeline, judge_slotted
from stream_app.core.prompt import build_prompt

BATCH_EVENTS = 32


class _Recorder:
    """A generator that keeps what it wrote for each prompt."""

    def __init__(self, generator: TextGenerator) -> None:
        self._generator = generator
        self.drafts: dict[str, Draft] = {}

    @property
    def identity(self) -> ModelIdentity:
        return self._generator.identity

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        drafts = self._generator.generate(prompts)
        self.drafts.update(zip(prompts, drafts, strict=True))
        return drafts


def write_drafts(generator: TextGenerator, rows: Sequence[RecordedRow]) -> Iterator[JudgedEvent]:
    """Run the worker's path on the first item of each event, and list the texts that the gate let through.

    Each counts as faultless until a reader says otherwise. Events without such a text are left out.
    """
    for start in range(0, len(rows), BATCH_EVENTS):
        batch = rows[start : start + BATCH_EVENTS]
        recorder = _Recorder(generator)
        ExplanationPipeline(recorder).explain([encode_contract(row.event) for row in batch])
        for row in batch:
            if drafts := tuple(_list_drafts(recorder, row.event)):
                yield JudgedEvent(row.kind, row.event, drafts)


def _list_drafts(recorder: _Recorder, event: RankingEvent) -> Iterator[JudgedDraft]:
    prompt = build_prompt(event, 0)
    seen = set()
    for plan in prompt.plans:
        draft = recorder.drafts.get(prompt.render(plan))
        if draft is None:
            continue
        filled, verdict = judge_slotted(draft.text, prompt, event, 0)
        if filled is not None and not verdict.violations and filled.text not in seen:
            seen.add(filled.text)
            yield JudgedDraft(
                style=(plan.style.opening, plan.style.length, plan.style.manner),
                history=plan.history,
                draft=filled.text,
                text=filled.text,
            )


def save_judged_events(path: Path, events: Iterable[JudgedEvent]) -> int:
    """Write one line an event; returns how many."""
    count = 0
    with path.open("wb") as file:
        for judged in events:
            row = {
                "kind": judged.kind,
                "event": orjson.Fragment(encode_contract(judged.event)),
                "drafts": [draft.model_dump(mode="json") for draft in judged.drafts],
            }
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    return count
