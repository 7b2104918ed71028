"""XRec's rows: profile as preferences, summary and title as the item, and the explanation as recorded text."""

import json
import pickle
from pathlib import Path

import pytest

from offline.datasets.rows import DropLog, SourceError
from offline.datasets.xrec import read_xrec
from tests.offline.datasets.logs import count_drops

FRAME = Path(__file__).parent / "frame_protocol_4.pkl"
ROW = {
    "uid": 7,
    "iid": 11,
    "title": "The Quiet Mill",
    "user_summary": "Likes slow novels.",
    "item_summary": "A slow novel about a mill.",
    "explanation": "The user would enjoy its slow pace.",
}


def write_lines(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "data.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_pickled_frame_gives_an_event_for_each_row() -> None:
    rows = list(read_xrec(FRAME, "book", DropLog()))
    assert [row.event.event_id for row in rows] == ["book-u7/book-i12", "book-u7/book-i11", "book-u8/book-i12"]
    (item,) = rows[1].event.items
    assert (item.title, item.summary) == ("The Quiet Mill", "A slow novel about a mill.")
    assert rows[1].event.user.preferences == ["Likes slow novels about small towns."]
    assert rows[1].event.user.history == []
    assert rows[1].recorded == "The user would enjoy the slow story of a small town."
    assert {row.kind for row in rows} == {"book"}


def test_pickled_rows_json_lines_and_the_longer_names_mean_the_same(tmp_path: Path) -> None:
    pickled = tmp_path / "trn.pkl"
    pickled.write_bytes(pickle.dumps([ROW]))
    renamed = {"user_summary": "user_profile", "title": "item_title", "uid": "user_id", "iid": "item_id"}
    longer = {renamed.get(name, name): value for name, value in ROW.items()}
    expected = list(read_xrec(pickled, "book", DropLog()))
    assert len(expected) == 1
    for row in (ROW, longer):
        assert list(read_xrec(write_lines(tmp_path, row), "book", DropLog())) == expected


def test_without_a_kind_the_row_says_its_own(tmp_path: Path) -> None:
    path = write_lines(tmp_path, ROW | {"domain": "amazon", "uid": "amazon-u7"}, ROW)
    rows = list(read_xrec(path, None, DropLog()))
    assert [(row.kind, row.event.user.user_id) for row in rows] == [("amazon", "amazon-u7"), ("review", "review-u7")]


def test_rows_without_a_title_or_a_text_or_beyond_the_contract_are_counted(tmp_path: Path) -> None:
    bad = [ROW | {"title": None}, ROW | {"explanation": ""}, ROW | {"uid": True}, ROW | {"user_summary": "x" * 5_000}]
    drops = DropLog()
    rows = list(read_xrec(write_lines(tmp_path, ROW, *bad), "book", drops))
    assert len(rows) == 1
    assert count_drops(drops) == {"bad line": 2, "event refused by the event contract": 1, "item without a title": 1}


def test_a_pickle_of_other_columns_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "tst.pkl"
    path.write_bytes(pickle.dumps([{"uid": 1, "iid": 2}]))
    with pytest.raises(SourceError, match=r"no column title, user_summary, item_summary, explanation; there are uid"):
        list(read_xrec(path, "book", DropLog()))
    with pytest.raises(SourceError, match=r"missing: expected XRec's trn\.pkl"):
        list(read_xrec(tmp_path / "none.pkl", "book", DropLog()))
