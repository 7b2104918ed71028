"""How far each partition is fetched and settled: for the lag, and for how long a record has waited.

The consumer's thread notes what it hands over, the worker's loop what it has settled.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiokafka.structs import TopicPartition


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Records that the client handed over in one go."""

    end: int
    """The offset after the last of them."""
    fetched_at: float


@dataclass(slots=True)
class _Partition:
    """Of one partition, since it was assigned."""

    settled: int
    """The next offset to settle."""
    fetches: deque[_Fetch] = field(default_factory=deque)
    """Those of which something is not settled yet: as many as fit into the buffers between client and batch."""


class Progress:
    """Keeps the progress of the partitions of one assignment. For two threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._assignment: object = None
        self._partitions: dict[TopicPartition, _Partition] = {}

    def note_fetched(self, assignment: object, partition: TopicPartition, first: int, end: int) -> None:
        """Note that the client handed over records, from the first offset to before `end`."""
        with self._lock:
            self._follow(assignment)
            known = self._partitions.setdefault(partition, _Partition(first))
            known.fetches.append(_Fetch(end, self._clock()))

    def note_settled(self, positions: Mapping[TopicPartition, int]) -> None:
        """Note the next offsets to settle; those of partitions that have gone meanwhile are of no interest."""
        with self._lock:
            for partition, offset in positions.items():
                if (known := self._partitions.get(partition)) is not None:
                    known.settled = max(known.settled, offset)
                    while known.fetches and known.fetches[0].end <= offset:
                        known.fetches.popleft()

    def find_next(self, assignment: object, partition: TopicPartition, position: int) -> int:
        """Find the next offset to settle.

        Args:
            assignment: the one that is valid now.
            partition: one of it.
            position: what the client would fetch next. With nothing in between, that is where to go on: offsets
                without a record, such as the mark at the end of a transaction, are behind it and will never be settled.
        """
        with self._lock:
            self._follow(assignment)
            known = self._partitions.get(partition)
            if known is None:
                return position
            return known.settled if known.fetches else max(known.settled, position)

    def measure_wait(self, partition: TopicPartition, offset: int) -> float | None:
        """Measure for how many seconds a record has waited since it was fetched; None if it is not known any more."""
        with self._lock:
            known = self._partitions.get(partition)
            fetches = known.fetches if known else ()
            return next((self._clock() - fetch.fetched_at for fetch in fetches if offset < fetch.end), None)

    def _follow(self, assignment: object) -> None:
        if assignment is not self._assignment:
            self._assignment = assignment
            self._partitions.clear()
