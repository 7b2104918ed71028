"""What a worker knows of its group: its partitions, how far it is behind their ends, how long records have waited.

The ends come from the broker, every LAG_SECONDS. What the client knows from its last fetch will not do: it fetches
nothing of a partition while it holds records of it that nobody has taken, and that is how a worker is that lags.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog
from aiokafka.structs import TopicPartition

from stream_app.kafka.progress import Progress
from stream_app.kafka.records import IncomingRecord
from stream_app.telemetry import Metrics, PartitionLag

LAG_SECONDS: Final = 5.0

log = structlog.stdlib.get_logger(__name__)


class ObservedConsumer(Protocol):
    """What a watch needs of SettlingConsumer."""

    @property
    def progress(self) -> Progress:
        """How far the partitions are."""
        ...

    async def read_lags(self) -> tuple[PartitionLag, ...] | None:
        """Read the lags from the broker; None where the partitions changed meanwhile."""
        ...


class GroupWatch:
    """Keeps the metrics of the consumer group up to date. It never ends a worker.

    Args:
        find_consumer: gives the consumer, once the app has started.
        metrics: what to keep up to date.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        find_consumer: Callable[[], ObservedConsumer],
        metrics: Metrics,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._find_consumer = find_consumer
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._changes = 0
        self._is_known = True

    async def run(self) -> None:
        """Read the lags again and again."""
        while True:
            await asyncio.sleep(LAG_SECONDS)
            await self.refresh()

    async def refresh(self) -> None:
        """Read the lags once. Where that fails the last ones stay, and the time of reading tells how old they are."""
        changes = self._changes
        try:
            lags = await self._find_consumer().read_lags()
        except Exception as error:
            # Whatever it is: for a number on a dashboard no worker ends. What is wrong with a broker others find out.
            if self._is_known:
                log.warning("lag_unknown", error=type(error).__name__)
            self._is_known = False
            return
        self._is_known = True
        if lags is not None and changes == self._changes:
            self._metrics.set_lags(lags, self._wall_clock())

    def note_assigned(self, partitions: int) -> None:
        """Note how many partitions were assigned."""
        self._changes += 1
        self._metrics.count_rebalance(partitions)

    def note_revoked(self) -> None:
        """Note that all partitions were revoked."""
        self._changes += 1
        self._metrics.forget_partitions()

    def note_begun(self, records: Sequence[IncomingRecord], reason: str) -> None:
        """Note that work on a batch begins, and why it is not larger."""
        first = records[0]
        progress = self._find_consumer().progress
        wait_seconds = progress.measure_wait(TopicPartition(first.topic, first.partition), first.offset)
        self._metrics.count_flush(reason, wait_seconds)

    def note_settled(self, records: Sequence[IncomingRecord]) -> None:
        """Note that a batch is settled."""
        ends = {TopicPartition(one.topic, one.partition): one.offset + 1 for one in records}
        self._find_consumer().progress.note_settled(ends)
