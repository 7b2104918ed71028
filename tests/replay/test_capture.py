"""Capturing: what was asked for, once, in the order of time, within bounded memory."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.anonymise import Anonymiser
from stream_app.replay.capture import EVERYTHING, RECORD_BYTES, RecordSource, Selection, TimeOrder, capture
from stream_app.replay.recording import RecordedRecord


def make_record(partition: int, offset: int, timestamp_ms: int, value: bytes = b"") -> RecordedRecord:
    return RecordedRecord(partition, offset, timestamp_ms, b"ann", value, ())


class ListedSource:
    """Hands out the batches that it was given; with `is_endless` it waits for more after them."""

    def __init__(self, *batches: Sequence[RecordedRecord], is_endless: bool = False) -> None:
        self._batches = list(batches)
        self._is_endless = is_endless
        self.waits: list[float] = []

    @property
    def is_exhausted(self) -> bool:
        return not self._batches and not self._is_endless

    async def read(self, seconds: float) -> list[RecordedRecord]:
        self.waits.append(seconds)
        return list(self._batches.pop(0)) if self._batches else []


class ListSink:
    def __init__(self) -> None:
        self.records: list[RecordedRecord] = []

    def write(self, record: RecordedRecord) -> None:
        self.records.append(record)


def run(
    source: RecordSource,
    *,
    selection: Selection = EVERYTHING,
    until: Callable[[], bool] = lambda: False,
    change: Callable[[RecordedRecord], RecordedRecord] | None = None,
    report: Callable[[int], object] | None = None,
) -> list[RecordedRecord]:
    sink = ListSink()
    number = asyncio.run(capture(source, sink, until=until, selection=selection, change=change, report=report))
    assert number == len(sink.records)
    return sink.records


def test_a_source_is_read_to_its_end() -> None:
    batches = [[make_record(0, offset, offset)] for offset in range(5)]
    assert run(ListedSource(*batches)) == [make_record(0, offset, offset) for offset in range(5)]


def test_an_empty_topic_gives_an_empty_recording() -> None:
    assert run(ListedSource()) == []


def test_a_pause_of_the_source_is_not_its_end() -> None:
    assert len(run(ListedSource([], [make_record(0, 0, 0)], [], [], [make_record(0, 1, 1)]))) == 2


@pytest.mark.parametrize(
    ("selection", "offsets"),
    [
        (Selection(), [0, 1, 2, 3, 4]),
        (Selection(begin_ms=110), [1, 2, 3, 4]),
        (Selection(end_ms=130), [0, 1, 2]),
        (Selection(begin_ms=110, end_ms=130), [1, 2]),
        (Selection(begin_offset=3), [3, 4]),
        (Selection(end_offset=3), [0, 1, 2]),
        (Selection(begin_ms=110, end_offset=3), [1, 2]),
        (Selection(begin_ms=0, end_ms=0), []),
    ],
)
def test_ranges_begin_with_their_first_and_end_before_their_last(selection: Selection, offsets: list[int]) -> None:
    batch = [make_record(0, offset, 100 + 10 * offset) for offset in range(5)]
    assert [record.offset for record in run(ListedSource(batch), selection=selection)] == offsets


def test_a_late_record_does_not_end_a_range_of_time() -> None:
    batch = [make_record(0, 0, 10), make_record(0, 1, 99), make_record(0, 2, 11)]
    assert [record.offset for record in run(ListedSource(batch), selection=Selection(end_ms=50))] == [0, 2]


def test_a_live_recording_ends_when_it_is_told_and_keeps_what_it_read() -> None:
    answers = iter([False, False, False, True])
    source = ListedSource([make_record(0, 0, 0)], [make_record(0, 1, 1)], is_endless=True)
    assert len(run(source, until=lambda: next(answers))) == 2
    assert len(source.waits) == 3
    assert max(source.waits) <= 1


def test_records_are_changed_before_they_are_written() -> None:
    (record,) = run(ListedSource([make_record(0, 0, 0)]), change=Anonymiser("salt").anonymise)
    assert record.key == Anonymiser("salt").hash_id("ann").encode()


def test_progress_is_reported_after_each_read() -> None:
    seen: list[int] = []
    run(ListedSource([make_record(0, 0, 0)], [], [make_record(0, 1, 1)] * 2), report=seen.append)
    assert seen == [1, 1, 3]


def test_partitions_that_are_read_one_after_the_other_are_merged_by_time() -> None:
    first = [make_record(0, offset, 10 * offset) for offset in range(3)]
    second = [make_record(1, offset, 10 * offset + 5) for offset in range(3)]
    assert [(r.partition, r.offset) for r in run(ListedSource(first, second))] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
        (0, 2),
        (1, 2),
    ]


batches_of_partitions = st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(-1, 100), max_size=5)), max_size=12)


@given(batches_of_partitions, st.integers(0, 10))
def test_nothing_is_lost_and_no_partition_is_reordered_whatever_its_timestamps(
    batches: list[tuple[int, list[int]]], held: int
) -> None:
    order, out, read = TimeOrder(held_bytes=held * RECORD_BYTES), list[RecordedRecord](), list[RecordedRecord]()
    for partition, times in batches:
        for time in times:
            read.append(RecordedRecord(partition, len(read), time, None, None, ()))
            out += order.add(read[-1])
            assert len(read) - len(out) <= held
    out += order.take_all()
    for partition in range(4):
        assert [r.offset for r in out if r.partition == partition] == [
            r.offset for r in read if r.partition == partition
        ]


@given(st.lists(st.lists(st.integers(0, 1_000)).map(sorted), max_size=4))
def test_times_never_fall_where_they_never_fell_within_a_partition(partitions: list[list[int]]) -> None:
    batches = [
        [make_record(p, offset, time) for offset, time in enumerate(times)] for p, times in enumerate(partitions)
    ]
    times = [record.timestamp_ms for record in run(ListedSource(*batches))]
    assert times == sorted(times)


def test_the_bound_counts_keys_and_values() -> None:
    order = TimeOrder(held_bytes=10_000)
    due = [len(order.add(make_record(0, offset, offset, b"x" * 2_500))) for offset in range(6)]
    assert due == [0, 0, 0, 1, 1, 1]
    assert order.take_all() == [make_record(0, offset, offset, b"x" * 2_500) for offset in (3, 4, 5)]
