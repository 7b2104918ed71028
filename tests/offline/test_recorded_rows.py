"""Rows become pairs whose names are slots; rows that cannot teach are counted by reason."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from offline.recorded_rows import RecordedRow, build_pairs, load_rows, match_pairs, separate_words
from offline.steps import StepError
from stream_app.core.events import RankingEvent
from tests.offline.selected_rows import build_row, write_rows

INVENTED = Path(__file__).parents[2] / "offline" / "recipes" / "data" / "invented_dev.jsonl.gz"
TEXT = "Harbour Lights is a crime by Ada Lund, like Hollow Lantern, which you loved."


def parse_row(**overrides: Any) -> RecordedRow:
    row = build_row(0) | overrides
    event = RankingEvent.model_validate(row["event"])
    return RecordedRow(row["kind"], event, row["explanation"], tuple(text["text"] for text in row["rejected"]))


def test_names_and_titles_are_slots_on_both_sides() -> None:
    (pair,), counts = build_pairs([parse_row(explanation=TEXT)])
    assert pair.target == "<t> is a crime by <n1> , like <h1> , which you loved ."
    assert pair.source.startswith("<by-item> <short> <plain> <item> <t> Harbour Lights")
    assert "<n1> Ada Lund" in pair.source
    assert "<h1> Hollow Lantern" in pair.source
    assert counts == {"kept": 1}


def test_the_plan_asks_for_what_the_text_does() -> None:
    without = (
        "Ada Lund made Harbour Lights, a crime film for an evening at home, and it is not a long one at all, so why"
    )
    (pair,), _ = build_pairs([parse_row(explanation=f"{without} wait until the weekend for a look at it?")])
    assert pair.source.startswith("<by-name> <long> ")
    assert "Hollow Lantern" not in pair.source


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Harbour Lights.", "length"),
        ("Harbour Lights is a crime by Michael Mann, which you will want to see.", "name_or_number_not_in_prompt"),
        ("Harbour Lights is one more crime for your evenings, by Ada Lund again.", "history_without_title"),
    ],
)
def test_a_row_that_cannot_teach_is_counted_by_its_reason(text: str, reason: str) -> None:
    pairs, counts = build_pairs([parse_row(explanation=text), parse_row(explanation=TEXT)])
    assert len(pairs) == 1
    assert counts == {reason: 1, "kept": 1}


def test_the_first_rejected_text_without_unknown_names_is_slotted() -> None:
    rejected = [{"text": "Harbour Lights is by Michael Mann."}, {"text": "Harbour Lights, a crime."}, {"text": "No."}]
    (pair,), _ = build_pairs([parse_row(explanation=TEXT, rejected=rejected)])
    assert pair.rejected == "<t> , a crime ."
    (pair,), _ = build_pairs([parse_row(explanation=TEXT, rejected=[])])
    assert pair.rejected is None


def test_each_pair_stands_with_its_row() -> None:
    rows = [parse_row(explanation="Too short."), parse_row(explanation=TEXT)]
    ((row, pair),), _ = match_pairs(rows)
    assert row is rows[1]
    assert pair.kind == "film_thin"


def test_words_marks_and_slots_stand_apart() -> None:
    assert separate_words("Like <h1>'s, a sci-fi_film (<y12>)!") == "like <h1> ' s , a sci - fi _ film ( <y12> ) !"


def test_a_recording_is_read_row_by_row(tmp_path: Path) -> None:
    rows = list(load_rows(write_rows(tmp_path / "rows.jsonl", range(3))))
    assert [row.event.event_id for row in rows] == ["event-0", "event-1", "event-2"]
    assert rows[0].rejected == ("Harbour Lights is a film of hers, like Hollow Lantern.",)


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"kind": "a"}', b'{"kind":"a","event":{},"explanation":"b"}'])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: bytes) -> None:
    path = write_rows(tmp_path / "rows.jsonl", range(1))
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(StepError, match=r"rows\.jsonl, line 2 "):
        list(load_rows(path))


def test_almost_all_rows_that_ship_can_teach(tmp_path: Path) -> None:
    lines = gzip.decompress(INVENTED.read_bytes()).splitlines()[:60]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    rows = list(load_rows(tmp_path / "rows.jsonl"))
    pairs, counts = build_pairs(rows)
    assert counts["kept"] == len(pairs) > 0.8 * len(rows)
    assert counts.total() == len(rows)
    assert orjson.loads(lines[0])["kind"] == rows[0].kind
