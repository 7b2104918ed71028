"""A topic that is to be recorded: all partitions, between offsets that are fixed at the beginning, or without end."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition

from stream_app.kafka.clients import BrokerUnreachableError
from stream_app.kafka.dead_letter_archive import list_topics, run_client, translate_errors
from stream_app.kafka.records import IncomingRecord
from stream_app.kafka.topic_ends import Ends, build_consumer, ensure_topics, find_offsets
from stream_app.settings import Settings

STALL_SECONDS: Final = 60.0
"""How long nothing may come although there is more to read."""


@dataclass(frozen=True, slots=True)
class Range:
    """What to read of each partition; None: from its beginning, to its present end. Ends are not included."""

    begin_ms: int | None = None
    end_ms: int | None = None
    begin_offset: int | None = None
    end_offset: int | None = None
    follows: bool = False
    """Whether to go on reading what is written from now on."""


class TopicSource:
    """Reads a topic from where its consumer stands."""

    def __init__(self, consumer: Any, ends: Ends | None) -> None:
        self._consumer = consumer
        self._ends = ends
        self._moved_at = time.monotonic()

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was read; never where there is no end."""
        return self._ends is not None and self._ends.are_reached

    async def read(self, seconds: float) -> list[IncomingRecord]:
        """Read what is there; waits at most so long.

        Raises:
            BrokerUnreachableError: nothing comes although there is more.
        """
        batches = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        messages = [one for some in batches.values() for one in some]
        if self._ends is None:
            return [_build_record(one) for one in messages]
        kept = [_build_record(one) for one in messages if self._ends.includes(one)]
        await self._ends.note_positions(self._consumer)
        if messages:
            self._moved_at = time.monotonic()
        elif not self.is_exhausted and time.monotonic() - self._moved_at > STALL_SECONDS:
            raise BrokerUnreachableError(f"nothing came in {STALL_SECONDS:.0f} s although there is more to record")
        return kept


def _build_record(message: Any) -> IncomingRecord:
    return IncomingRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
        timestamp_seconds=message.timestamp / 1000,
    )


@asynccontextmanager
async def open_source(settings: Settings, topic: str, wanted: Range) -> AsyncIterator[TopicSource]:
    """Open a topic for recording; only what is committed.

    Raises:
        TopicMissingError: there is no such topic.
        BrokerUnreachableError, PermissionDeniedError: what the broker says, here or while reading.
    """
    # Asked of the administration first: a consumer's own question may create the topic.
    ensure_topics([topic], sorted(await list_topics(settings)))
    consumer = build_consumer(settings, "read_committed", (topic,))
    async with translate_errors(), run_client(consumer):
        partitions = sorted(consumer.assignment())
        begins = await _find_begins(consumer, partitions, wanted)
        for partition, offset in begins.items():
            consumer.seek(partition, offset)
        ends = None if wanted.follows else await _find_ends(consumer, partitions, wanted)
        open_ends = None if ends is None else {one: end for one, end in ends.items() if begins[one] < end}
        yield TopicSource(consumer, None if open_ends is None else Ends(open_ends))


async def _find_begins(consumer: Any, partitions: list[TopicPartition], wanted: Range) -> dict[TopicPartition, int]:
    begins = await consumer.beginning_offsets(partitions)
    if wanted.begin_offset is not None:
        begins = {one: max(begin, wanted.begin_offset) for one, begin in begins.items()}
    if wanted.begin_ms is not None:
        # A partition where nothing is so new is read from its end.
        found = await find_offsets(consumer, partitions, wanted.begin_ms)
        ends = await consumer.end_offsets(partitions)
        begins = {one: max(begin, found.get(one, ends[one])) for one, begin in begins.items()}
    return dict(begins)


async def _find_ends(consumer: Any, partitions: list[TopicPartition], wanted: Range) -> dict[TopicPartition, int]:
    ends = await consumer.end_offsets(partitions)
    if wanted.end_offset is not None:
        ends = {one: min(end, wanted.end_offset) for one, end in ends.items()}
    if wanted.end_ms is not None:
        found = await find_offsets(consumer, partitions, wanted.end_ms)
        ends = {one: min(end, found.get(one, end)) for one, end in ends.items()}
    return dict(ends)
