"""Events and recorded rows in the project's own shape."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from offline.datasets.json_lines import read_events, read_recorded
from offline.datasets.rows import DropLog, SourceError
from tests.factories import build_document, build_item
from tests.offline.datasets.logs import count_drops


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines))
    return path


def test_each_item_to_explain_gives_an_event_of_its_own(tmp_path: Path) -> None:
    items = [build_item("A", rank=3), build_item("B", rank=1), build_item("C", rank=2)]
    rows = list(read_events(write(tmp_path, build_document(items=items, explain_top_k=2)), "film", DropLog()))
    assert [[item.title for item in row.event.items] for row in rows] == [["B"], ["C"]]
    assert [row.event.items_to_explain for row in rows] == [[0], [0]]
    assert {(row.kind, row.recorded) for row in rows} == {("film", None)}


def test_a_recorded_row_keeps_its_kind_and_text(tmp_path: Path) -> None:
    document = {"kind": "book", "event": build_document(), "explanation": "A short text."}
    (row,) = read_recorded(write(tmp_path, document), None, DropLog())
    assert (row.kind, row.recorded, len(row.event.items)) == ("book", "A short text.", 1)


def test_bad_lines_are_noted_and_the_rest_is_read(tmp_path: Path) -> None:
    drops = DropLog()
    lines: list[Any] = [b"{", b"[]", build_document(user={}), build_document()]
    assert len(list(read_events(write(tmp_path, *lines), None, drops))) == 1
    assert count_drops(drops) == {"bad line": 1, "event refused by the event contract": 2}
    drops = DropLog()
    good = {"kind": "book", "event": build_document(), "explanation": "Text."}
    lines = [good, good | {"explanation": 1}, good | {"event": {}}, {"kind": "book"}]
    assert len(list(read_recorded(write(tmp_path, *lines), None, drops))) == 1
    assert count_drops(drops) == {"bad line": 2, "event refused by the event contract": 1}


def test_another_file_is_a_clear_error(tmp_path: Path) -> None:
    path = write(tmp_path, {"text": 1})
    with pytest.raises(SourceError, match=r"rows\.jsonl: .* expected ranking events, one a line"):
        list(read_events(path, None, DropLog()))
    with pytest.raises(SourceError, match=r"rows\.jsonl: .* expected rows of kind, event, explanation"):
        list(read_recorded(path, None, DropLog()))
    with pytest.raises(SourceError, match="is missing"):
        list(read_recorded(tmp_path / "none", None, DropLog()))
