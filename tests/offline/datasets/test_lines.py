"""Lines that cannot be read are noted with their number; another file than expected is an error."""

from pathlib import Path

import pytest

from offline.datasets import lines
from offline.datasets.lines import read_csv, read_json_lines, read_lines, read_separated
from offline.datasets.rows import SHOWN_PLACES, DropLog, SourceError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "table.txt"
    path.write_bytes(content)
    return path


def list_places(drops: DropLog) -> list[str]:
    return [place for drop in drops for place in drop.places]


def test_a_line_of_another_encoding_is_noted_and_the_rest_is_read(tmp_path: Path) -> None:
    drops = DropLog()
    path = write(tmp_path, "\ufeffone\r\ntwo\n\nfour".encode() + b"\n\xff\n")
    assert [line for _, line in read_lines(path, drops)] == ["one", "two", "four"]
    assert list_places(drops) == ["table.txt, line 5: not utf-8"]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 8)
    drops = DropLog()
    path = write(tmp_path, b"a\n" + b"x" * 100 + b"\nb\n")
    assert [line for _, line in read_lines(path, drops)] == ["a", "b"]
    assert list_places(drops) == ["table.txt, line 2: longer than 8 bytes"]


def test_a_row_with_other_columns_is_noted_with_its_line(tmp_path: Path) -> None:
    drops = DropLog()
    path = write(tmp_path, b"1::2\n1::2::3\n4::5\n")
    assert [row.fields["b"] for row in read_separated(path, "::", ("a", "b"), drops)] == ["2", "5"]
    assert list_places(drops) == ["table.txt, line 2: 3 columns instead of 2"]


def test_a_file_without_a_single_good_row_is_named_with_what_was_expected(tmp_path: Path) -> None:
    path = write(tmp_path, b"userId,movieId\n1,2\n")
    with pytest.raises(SourceError, match=r"table\.txt: .* expected lines such as a::b"):
        list(read_separated(path, "::", ("a", "b"), DropLog()))
    with pytest.raises(SourceError, match=r"table\.txt: .* expected JSON objects"):
        list(read_json_lines(path, DropLog()))


def test_another_csv_header_is_an_error_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected a header with movieId, title; found 'id,name'"):
        list(read_csv(write(tmp_path, b"id,name\n1,A\n"), ("movieId", "title"), DropLog()))
    with pytest.raises(SourceError, match="expected a header"):
        list(read_csv(write(tmp_path, b""), ("movieId", "title"), DropLog()))


def test_a_quoted_value_may_span_lines_and_bad_rows_keep_their_number(tmp_path: Path) -> None:
    drops = DropLog()
    path = write(tmp_path, b'a,b\n1,"two\nlines"\n3\n\xff,1\n4,5\n')
    assert [row.fields["b"] for row in read_csv(path, ("a",), drops)] == ["two\nlines", "5"]
    assert list_places(drops) == ["table.txt, line 4: 1 columns instead of 2", "table.txt, line 5: not utf-8"]


def test_a_quote_that_never_closes_is_noted(tmp_path: Path) -> None:
    drops = DropLog()
    path = write(tmp_path, b'a,b\n1,2\n3,"' + b"x" * 70_000 + b"\n" + b"y" * 70_000 + b"\n")
    assert [row.fields["b"] for row in read_csv(path, ("a",), drops)] == ["2"]
    assert len(list_places(drops)) == 1


def test_json_that_is_no_object_is_noted(tmp_path: Path) -> None:
    drops = DropLog()
    path = write(tmp_path, b'{"a": 1}\n[1]\n{"a": \n')
    assert [document for _, document in read_json_lines(path, drops)] == [{"a": 1}]
    assert list_places(drops) == ["table.txt, line 2: not a JSON object", "table.txt, line 3: not JSON"]


def test_only_the_first_places_are_kept_but_all_are_counted() -> None:
    drops = DropLog()
    for number in range(100):
        drops.note("bad line", str(number))
    (drop,) = drops
    assert (drop.count, drop.places) == (100, tuple(map(str, range(SHOWN_PLACES))))
