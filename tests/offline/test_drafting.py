"""Drafts for readers: what the worker would consider, with the plan that each was written to."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from offline.cli import main
from offline.corrections import build_correction_pairs, load_judged_events
from offline.drafting import save_judged_events, write_drafts
from offline.recorded_rows import load_rows
from stream_app.core.generation import Draft
from stream_app.core.prompt import build_prompt
from stream_app.runtime.artifact import DEFAULT_MODEL
from tests.fakes import ScriptedGenerator
from tests.offline.selected_rows import write_rows

SLOTTED = "<t> is by <n1> , and so is <h1> , which you loved ."


class UnsureGenerator(ScriptedGenerator):
    """Is never sure, so that the worker asks again; writes the same text, or one that the gate turns down."""

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        return [Draft("<n9> made it ." if "<by-you>" in prompt else SLOTTED, is_sure=False) for prompt in prompts]


def test_drafts_have_the_plan_that_they_were_written_to_and_count_as_faultless(tmp_path: Path) -> None:
    rows = list(load_rows(write_rows(tmp_path / "rows.jsonl", range(5))))
    judged = list(write_drafts(UnsureGenerator(), rows))
    assert [event.event for event in judged] == [row.event for row in rows]
    for event, row in zip(judged, rows, strict=True):
        [draft] = event.drafts
        title, seen = row.event.items[0].title, row.event.user.history[0].title
        assert draft.text == draft.draft == f"{title} is by Ada Lund, and so is {seen}, which you loved."
        plans = [(plan.style.words, plan.history) for plan in build_prompt(row.event, 0).plans]
        assert (draft.style, draft.history) in plans
    path = tmp_path / "judged.jsonl"
    assert save_judged_events(path, judged) == 5
    assert list(load_judged_events(path)) == judged
    _, counts = build_correction_pairs(judged)
    assert counts == {"faultless": 5}


def test_an_event_without_a_text_that_passes_the_gate_is_left_out(tmp_path: Path) -> None:
    rows = list(load_rows(write_rows(tmp_path / "rows.jsonl", range(2))))
    assert list(write_drafts(ScriptedGenerator(write=lambda _: "<n9> made it ."), rows)) == []


def test_the_command_writes_a_file_and_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, output = write_rows(tmp_path / "rows.jsonl", range(4)), tmp_path / "judged.jsonl"
    assert main(["draft", DEFAULT_MODEL, str(rows), "--output", str(output), "--max-rows", "3"]) == 0
    assert capsys.readouterr().out == f"{output}: drafts about 3 of 3 events\n"
    assert len(list(load_judged_events(output))) == 3
