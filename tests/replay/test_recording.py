"""Recordings: the same bytes back from both formats, complete files only, and clear words about damaged ones."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.replay import parquet_recording
from stream_app.replay.json_lines_recording import FIRST_LINE
from stream_app.replay.recording import RecordedRecord, RecordingError, RecordingWriter, open_recording

NAMES = ("traffic.jsonl.zst", "traffic.parquet")
any_format = pytest.mark.parametrize("name", NAMES)

payloads = st.none() | st.binary(max_size=40) | st.text(st.characters(exclude_categories=["Cs"])).map(str.encode)
header_names = st.sampled_from(["", "traceparent", "a", "ä\x00\n"])
records = st.builds(
    RecordedRecord,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**63 - 1),
    key=payloads,
    value=payloads,
    headers=st.lists(st.tuples(header_names, payloads), max_size=4).map(tuple),
)


def make_record(offset: int = 0, value: bytes | None = b"{}") -> RecordedRecord:
    return RecordedRecord(3, offset, 1_767_225_600_000 + offset, b"user-1", value, (("a", b"1"), ("a", None)))


def write(path: Path, recorded: Iterable[RecordedRecord]) -> Path:
    with RecordingWriter(path) as writer:
        for record in recorded:
            writer.write(record)
    return path


def write_lines(folder: Path, *lines: bytes) -> Path:
    path = folder / "traffic.jsonl.zst"
    path.write_bytes(zstandard.compress(b"\n".join(lines)))
    return path


@any_format
@settings(deadline=None)  # pyarrow takes its time for the first table.
@given(recorded=st.lists(records, max_size=5))
def test_what_was_written_is_read_byte_for_byte(name: str, recorded: list[RecordedRecord]) -> None:
    with TemporaryDirectory() as folder:
        assert list(open_recording(write(Path(folder) / name, recorded))) == recorded


@any_format
def test_null_and_empty_are_not_the_same(name: str, tmp_path: Path) -> None:
    headers = (("x", b""), ("x", None), ("x", b""))
    recorded = [RecordedRecord(0, 0, -1, None, b"", headers), RecordedRecord(0, 1, -1, b"", None, ())]
    assert list(open_recording(write(tmp_path / name, recorded))) == recorded


@any_format
def test_a_recording_longer_than_a_row_group_keeps_its_order(name: str, tmp_path: Path) -> None:
    recorded = [make_record(offset, bytes([offset % 256]) * 300) for offset in range(2_500)]
    with RecordingWriter(tmp_path / name) as writer:
        for record in recorded:
            writer.write(record)
    assert writer.records == 2_500
    assert list(open_recording(tmp_path / name)) == recorded


def test_a_row_group_of_parquet_ends_at_a_thousand_records_or_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "many.parquet", (make_record(offset) for offset in range(2_001)))
    assert [_count_rows(path, group) for group in range(3)] == [1_000, 1_000, 1]
    monkeypatch.setattr(parquet_recording, "GROUP_BYTES", 100)
    path = write(tmp_path / "large.parquet", (make_record(offset, b"x" * 60) for offset in range(3)))
    assert [_count_rows(path, group) for group in range(2)] == [2, 1]


def _count_rows(path: Path, group: int) -> int:
    return int(pq.ParquetFile(path).metadata.row_group(group).num_rows)


@any_format
def test_the_file_has_its_name_only_when_it_is_complete(name: str, tmp_path: Path) -> None:
    path, partial = tmp_path / name, tmp_path / f"{name}.partial"
    with RecordingWriter(path) as writer:
        writer.write(make_record())
        assert partial.exists()
        assert not path.exists()
    assert path.exists()
    assert not partial.exists()


@any_format
def test_what_was_written_before_a_failure_stays_readable_beside_the_older_recording(name: str, tmp_path: Path) -> None:
    path, partial = write(tmp_path / name, [make_record(7)]), tmp_path / f"{name}.partial"
    with pytest.raises(RecordingError, match="lost the broker"):
        write(path, _fail_after(make_record(1)))
    assert list(open_recording(path)) == [make_record(7)]
    partial.replace(path)
    assert list(open_recording(path)) == [make_record(1)]


def _fail_after(record: RecordedRecord) -> Iterator[RecordedRecord]:
    yield record
    raise RecordingError("lost the broker")


@any_format
def test_the_reader_does_not_wait_for_the_end_of_the_file(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, (make_record(offset, b"x" * 50) for offset in range(50_000)))
    reader = open_recording(path)
    assert next(reader) == make_record(0, b"x" * 50)


def test_json_lines_are_for_people_to_read(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl.zst", [RecordedRecord(0, 5, 9, b"ann", b"\xff", (("n", None), ("t", "ü".encode())))]
    )
    with path.open("rb") as file:
        first, second = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    assert orjson.loads(first) == {"format": 1, "kind": "prism-recording"}
    assert orjson.loads(second) == {
        "partition": 0,
        "offset": 5,
        "timestamp_ms": 9,
        "key": "ann",
        "value": {"base64": "/w=="},
        "headers": [["n", None], ["t", "ü"]],
    }


def test_recordings_of_other_tools_are_read_too(tmp_path: Path) -> None:
    line = b'{"partition":0,"offset":1,"timestamp_ms":2,"key":null,"value":"v","headers":[]}'
    path = tmp_path / "joined.jsonl.zst"
    path.write_bytes(zstandard.compress(FIRST_LINE + b"\n" + line + b"\n") + zstandard.compress(line))
    assert list(open_recording(path)) == [RecordedRecord(0, 1, 2, None, b"v", ())] * 2
    path = tmp_path / "wider.parquet"
    columns = {"value": ["v"], "extra": [1], "headers": [[]], "key": [None], "offset": [1], "timestamp_ms": [2]}
    pq.write_table(pa.table({**columns, "partition": [0]}), path)
    assert list(open_recording(path)) == [RecordedRecord(0, 1, 2, None, b"v", ())]


LINE = b'{"partition":0,"offset":1,"timestamp_ms":2,"key":%b,"value":"v","headers":[["h",null]]}'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "line 3: record: Invalid JSON"),
        (b"", "line 3: record: Invalid JSON"),
        (b"{}", "line 3: partition: Field required"),
        (LINE % b"7", 'line 3: key: Value error, must be null, text or {"base64": "..."}'),
        (LINE % b'{"base64":"%"}', "line 3: key: Value error"),
        (LINE.replace(b'"h"', b"5") % b'"k"', "line 3: headers.0.0: Input should be a valid string"),
        (LINE.replace(b":1,", b':"1",') % b'"k"', "line 3: offset: Input should be a valid integer"),
        (LINE.replace(b'"value"', b'"worth"') % b'"k"', "line 3: value: Field required"),
    ],
)
def test_a_wrong_line_is_named(line: bytes, problem: str, tmp_path: Path) -> None:
    reader = open_recording(write_lines(tmp_path, FIRST_LINE, LINE % b'"k"', line, b""))
    assert next(reader).key == b"k"
    with pytest.raises(RecordingError, match=r"traffic\.jsonl\.zst") as caught:
        next(reader)
    assert problem in str(caught.value)


@pytest.mark.parametrize("first", [b"", b"{}", b'{"format":2,"kind":"prism-recording"}', LINE % b'"k"'])
def test_json_lines_that_are_no_recording_are_refused(first: bytes, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="line 1: "):
        next(open_recording(write_lines(tmp_path, first, LINE % b'"k"')))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 0.999])
@any_format
def test_a_file_that_was_cut_is_never_taken_for_a_complete_one(name: str, share: float, tmp_path: Path) -> None:
    path = write(tmp_path / name, (make_record(offset, str(offset**9).encode()) for offset in range(3_000)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RecordingError, match=name):
        list(open_recording(path))


@any_format
def test_a_damaged_file_is_an_error_of_the_recording(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"neither of the two" * 100)
    with pytest.raises(RecordingError, match=f"{name} is damaged, or n"):
        list(open_recording(path))


COLUMNS: dict[str, list[object]] = {
    "partition": [0],
    "offset": [1],
    "timestamp_ms": [2],
    "key": [b"k"],
    "value": [None],
    "headers": [[]],
}


@pytest.mark.parametrize(
    ("column", "value"), [("partition", None), ("partition", "first"), ("headers", 7), ("offset", 2.5), ("value", 1)]
)
def test_parquet_with_a_wrong_column_is_refused(column: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table(COLUMNS), path)
    assert len(list(open_recording(path))) == 1
    pq.write_table(pa.table({**COLUMNS, column: [value]}), path)
    with pytest.raises(RecordingError, match=r"other\.parquet is damaged, or no recording"):
        list(open_recording(path))


@pytest.mark.parametrize("column", COLUMNS)
def test_parquet_that_lacks_a_column_is_refused(column: str, tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({name: values for name, values in COLUMNS.items() if name != column}), path)
    with pytest.raises(RecordingError, match=r"other\.parquet is damaged, or no recording"):
        list(open_recording(path))


@any_format
def test_a_recording_that_cannot_be_opened_says_which(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=f"there is no recording .*{name}"):
        open_recording(tmp_path / name)
    with pytest.raises(RecordingError, match=f"cannot write .*{name}.partial: No such file"):
        RecordingWriter(tmp_path / "nowhere" / name).__enter__()


def test_a_full_disk_is_an_error_of_the_recording() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with TemporaryDirectory() as folder:
        partial = Path(folder) / "a.jsonl.zst.partial"
        partial.symlink_to(full)
        with (
            pytest.raises(RecordingError, match="No space left"),
            RecordingWriter(Path(folder) / "a.jsonl.zst") as writer,
        ):
            writer.write(make_record())
        assert not (Path(folder) / "a.jsonl.zst").exists()


def test_only_the_two_suffixes_are_known(tmp_path: Path) -> None:
    for name in ("traffic.jsonl", "traffic.csv", "parquet"):
        with pytest.raises(RecordingError, match=r"ends in \.jsonl\.zst or \.parquet"):
            open_recording(tmp_path / name)
        with pytest.raises(RecordingError, match=r"ends in \.jsonl\.zst or \.parquet"):
            RecordingWriter(tmp_path / name)


def test_a_writer_outside_of_its_context_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="not open"):
        RecordingWriter(tmp_path / "a.parquet").write(make_record())
