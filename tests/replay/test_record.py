import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_app.kafka.records import IncomingRecord
from stream_app.replay.anonymise import Anonymiser
from stream_app.replay.capture import Selection
from stream_app.replay.record import RecordPlan, build_selection, read_salt, record
from stream_app.replay.recording import RecordedRecord, RecordingError, open_recording
from tests.factories import build_record


class FakeTopic:
    """Has one record for each read, without end unless it has one."""

    def __init__(self, records: int | None = None) -> None:
        self.left = records
        self.reads = 0

    @property
    def is_exhausted(self) -> bool:
        return self.left == 0

    async def read(self, seconds: float) -> list[IncomingRecord]:
        offset, self.reads = self.reads, self.reads + 1
        self.left = None if self.left is None else self.left - 1
        headers = (("a", None), ("a", b"\xff"))
        return [IncomingRecord("in", 1, offset, b"user-1", build_record(), headers, 1_700_000_000.123 + offset)]

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FakeTopic"]:
        yield self


def run(plan: RecordPlan, topic: FakeTopic, told: int | None = None, now: float = 0.0) -> int:
    def is_told_to_end() -> bool:
        return told is not None and topic.reads >= told

    return asyncio.run(record(plan, topic.open(), is_told_to_end=is_told_to_end, wall_clock=lambda: now + topic.reads))


def test_a_topic_is_recorded_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.zst"
    assert run(RecordPlan(path, Selection()), FakeTopic(3)) == 3
    first = next(open_recording(path))
    assert first == RecordedRecord(1, 0, 1_700_000_000_123, b"user-1", build_record(), (("a", None), ("a", b"\xff")))


def test_a_live_recording_is_complete_when_it_is_told_to_end(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    assert run(RecordPlan(path, Selection()), FakeTopic(), told=5) == 5
    assert len(list(open_recording(path))) == 5


def test_a_live_recording_ends_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.zst"
    assert run(RecordPlan(path, Selection(), ends_at=104.0), FakeTopic(), now=100.0) == 4


def test_users_are_hidden_where_there_is_a_salt(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.zst"
    run(RecordPlan(path, Selection(), Anonymiser("salt")), FakeTopic(1))
    [one] = open_recording(path)
    assert one.value is not None
    assert b"user-1" not in (one.key or b"") + one.value


def test_bounds_are_offsets_or_times() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert build_selection(3, moment) == Selection(begin_offset=3, end_ms=int(moment.timestamp() * 1000))
    assert build_selection(None, None) == Selection()


def test_a_salt_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "salt"
    file.write_text("secret\n")
    assert read_salt(file) == "secret"
    file.write_text("\n")
    with pytest.raises(RecordingError, match="empty"):
        read_salt(file)
    with pytest.raises(RecordingError, match="cannot read"):
        read_salt(tmp_path / "missing")
