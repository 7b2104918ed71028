"""From a topic to a recording: what was asked for, in the order of time, without holding more than a bounded part."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, Protocol

from stream_app.replay.recording import RecordedRecord

READ_SECONDS: Final = 0.5
"""How long to wait for records at once: the longest that a recording goes on after it was told to end."""
HELD_BYTES: Final = 128 * 1024 * 1024
"""How much is held to put it in order. A client reads a megabyte of one partition, then one of the next."""
RECORD_BYTES: Final = 500
"""About what a held record takes beside key and value."""


class RecordSource(Protocol):
    """A topic that is read from where the recording is to begin."""

    @property
    def is_exhausted(self) -> bool:
        """Whether each partition was read to its end offset; never, for a source without one.

        The source knows positions better than its records tell: markers of transactions and compaction leave gaps.
        """
        ...

    async def read(self, seconds: float) -> list[RecordedRecord]:
        """Read what is there, in the order of offsets in each partition; waits at most so long for a first record."""
        ...


class RecordSink(Protocol):
    """Where the records go, such as a `RecordingWriter`."""

    def write(self, record: RecordedRecord) -> object:
        """Append a record."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records to keep: from (inclusive) and until (exclusive) a time, an offset of each partition, or both."""

    begin_ms: int | None = None
    end_ms: int | None = None
    begin_offset: int | None = None
    end_offset: int | None = None

    def includes(self, record: RecordedRecord) -> bool:
        """Tell whether a record is to be kept."""
        is_in_time = _is_within(record.timestamp_ms, self.begin_ms, self.end_ms)
        return is_in_time and _is_within(record.offset, self.begin_offset, self.end_offset)


EVERYTHING: Final = Selection()


def _is_within(value: int, begin: int | None, end: int | None) -> bool:
    return (begin is None or begin <= value) and (end is None or value < end)


async def capture(
    source: RecordSource,
    writer: RecordSink,
    *,
    until: Callable[[], bool],
    selection: Selection = EVERYTHING,
    change: Callable[[RecordedRecord], RecordedRecord] | None = None,
    report: Callable[[int], object] | None = None,
) -> int:
    """Write the selected records of a source, older ones first as far as `TimeOrder` can.

    Args:
        source: where the records come from.
        writer: where they go.
        until: asked after each read whether to end before the source does: the clock of a live recording, or Ctrl-C.
        selection: which records to keep; the others are read, but not written.
        change: what becomes of each record first, such as `Anonymiser.anonymise`.
        report: is told after each read how many records were selected so far.

    Returns:
        How many records were written.
    """
    order, selected = TimeOrder(), 0
    while not (source.is_exhausted or until()):
        chosen = [record for record in await source.read(READ_SECONDS) if selection.includes(record)]
        for record in chosen:
            for due in order.add(change(record) if change else record):
                writer.write(due)
        selected += len(chosen)
        if report:
            report(selected)
    for due in order.take_all():
        writer.write(due)
    return selected


class TimeOrder:
    """Merges partitions by timestamp, as far as a bounded number of held bytes goes; never reorders a partition."""

    def __init__(self, held_bytes: int = HELD_BYTES) -> None:
        self._limit_bytes = held_bytes
        self._held_bytes = 0
        self._heap: list[tuple[int, int, RecordedRecord]] = []
        self._latest_ms: dict[int, int] = {}
        self._added = 0

    def add(self, record: RecordedRecord) -> list[RecordedRecord]:
        """Add a record; returns the oldest ones, which must leave."""
        # A record that is dated before its predecessor takes the time of that one, or it would overtake it.
        latest_ms = max(record.timestamp_ms, self._latest_ms.get(record.partition, record.timestamp_ms))
        self._latest_ms[record.partition] = latest_ms
        self._added += 1
        heappush(self._heap, (latest_ms, self._added, record))
        self._held_bytes += _measure(record)
        due = []
        while self._held_bytes > self._limit_bytes:
            due.append(self._take())
        return due

    def take_all(self) -> list[RecordedRecord]:
        """Take what is held, oldest first."""
        return [self._take() for _ in range(len(self._heap))]

    def _take(self) -> RecordedRecord:
        record = heappop(self._heap)[2]
        self._held_bytes -= _measure(record)
        return record


def _measure(record: RecordedRecord) -> int:
    return RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
