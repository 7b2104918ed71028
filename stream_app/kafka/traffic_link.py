"""The two ends of a load test on Kafka: a sender that nothing holds up, and a reader of all that comes out.

Neither joins a group: they disturb no one.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from stream_app.kafka.clients import (
    MAX_REQUEST_BYTES,
    PermissionDeniedError,
    build_security,
    find_denial,
    has_controller,
    open_admin,
    read_max_message_bytes,
)
from stream_app.kafka.dead_letter_archive import run_client, translate_errors
from stream_app.kafka.records import Arrival, OutgoingRecord, OutgoingReplay, Target, estimate_size
from stream_app.kafka.topic_ends import Ends, build_consumer, ensure_topics, find_offsets
from stream_app.settings import Settings

LINGER_MILLISECONDS: Final = 2
FLUSH_TICK_SECONDS: Final = 0.01
BATCH_BYTES: Final = 256 * 1024
"""A partition has one batch under way at a time: with the client's 16 kB, a thousand events a second were the limit."""
ISOLATION: Final[dict[str, Literal["read_committed", "read_uncommitted"]]] = {
    "exactly-once": "read_committed",
    "at-least-once": "read_uncommitted",
}


class TopicSender:
    """Sends to one topic. `send` only queues: a broker that is slow cannot hold up the schedule."""

    def __init__(self, producer: Any, topic: str, max_record_bytes: int, *, keeps_partitions: bool = True) -> None:
        self._producer = producer
        self._topic = topic
        self._max_record_bytes = max_record_bytes
        self._keeps_partitions = keeps_partitions
        self._queue: deque[OutgoingReplay] = deque()
        self._wake = asyncio.Event()
        self._open = 0
        self._refused = 0
        self._denial: PermissionDeniedError | None = None

    def send(self, record: OutgoingReplay) -> None:
        """Queue a record; returns at once."""
        self._queue.append(record)
        self._wake.set()

    async def flush(self, seconds: float) -> int:
        """Wait until the broker has everything, at most so long; returns how many records it does not have.

        Raises:
            PermissionDeniedError: it has denied one.
        """
        deadline = time.monotonic() + seconds
        while (self._queue or self._open) and time.monotonic() < deadline:
            await asyncio.sleep(FLUSH_TICK_SECONDS)
        if self._denial is not None:
            raise self._denial
        return len(self._queue) + self._open + self._refused

    async def pump(self) -> None:
        """Hand queued records to the producer, in order, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                record = self._queue.popleft()
                if self._can_send(record):
                    await self._hand_over(record)
                else:
                    self._refused += 1

    def _can_send(self, record: OutgoingReplay) -> bool:
        # The client has no word for a record without key and value. And it counts a record that the broker refuses for
        # its size: from then on nothing of this producer is taken for that partition.
        if record.key is None and record.value is None:
            return False
        return estimate_size(OutgoingRecord(self._topic, record.key, record.value, record.headers)) <= (
            self._max_record_bytes
        )

    async def _hand_over(self, record: OutgoingReplay) -> None:
        self._open += 1
        try:
            future = await self._producer.send(
                self._topic,
                record.value,
                key=record.key,
                partition=record.partition if self._keeps_partitions else None,
                headers=list(record.headers),
            )
        except KafkaError as error:
            self._settle(error)
        else:
            future.add_done_callback(self._note)

    def _note(self, future: "asyncio.Future[Any]") -> None:
        self._settle(asyncio.CancelledError() if future.cancelled() else future.exception())

    def _settle(self, error: BaseException | None) -> None:
        self._open -= 1
        if error is not None:
            self._refused += 1
            self._denial = self._denial or find_denial(error)


class OutcomeReader:
    """Reads the output and the dead-letter topic, dated by the monotonic clock of this machine."""

    def __init__(self, consumer: Any, dead_letter_topic: str) -> None:
        self._consumer = consumer
        self._dead_letter_topic = dead_letter_topic

    async def read(self, seconds: float) -> list[Arrival]:
        """Read what is there; waits at most so long."""
        batches = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        now = time.monotonic()
        return [_take(one, self._dead_letter_topic, now) for messages in batches.values() for one in messages]


class OutcomeArchive:
    """Reads both topics up to where they ended when this was opened, dated by when each record was written."""

    def __init__(self, consumer: Any, dead_letter_topic: str, ends: Ends) -> None:
        self._consumer = consumer
        self._dead_letter_topic = dead_letter_topic
        self._ends = ends

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was read."""
        return self._ends.are_reached

    async def read(self, seconds: float) -> list[Arrival]:
        """Read what is there; waits at most so long."""
        batches = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        kept = [one for messages in batches.values() for one in messages if self._ends.includes(one)]
        await self._ends.note_positions(self._consumer)
        return [_take(one, self._dead_letter_topic, one.timestamp / 1000) for one in kept]


def _take(message: Any, dead_letter_topic: str, read_at: float) -> Arrival:
    return Arrival(
        is_dead_letter=message.topic == dead_letter_topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
        read_at=read_at,
    )


@dataclass(frozen=True, slots=True)
class KafkaLink:
    """The broker, the topics and the guarantee of the settings, for a load test."""

    settings: Settings

    async def inspect(self) -> Target:
        """Look at what is there, without changing it.

        Raises:
            TopicMissingError: a topic does not exist, or this user may not see it.
            BrokerUnreachableError, PermissionDeniedError: what the broker says.
        """
        settings = self.settings
        async with open_admin(settings) as admin:
            ensure_topics(settings.topics, await admin.list_topics())
            [topic] = await admin.describe_topics([settings.input_topic])
            cluster = await admin.describe_cluster()
            is_embedded = not await has_controller(admin)
        limits = await read_max_message_bytes(settings, [settings.input_topic])
        return Target(
            partitions=len(topic["partitions"]),
            max_record_bytes=limits[settings.input_topic],
            brokers=tuple(f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]),
            is_embedded=is_embedded,
        )

    @asynccontextmanager
    async def open_sender(self, target: Target, *, keeps_partitions: bool) -> AsyncIterator[TopicSender]:
        """Open the sender to the input topic.

        Raises:
            BrokerUnreachableError, PermissionDeniedError: what the broker says.
        """
        settings = self.settings
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MILLISECONDS,
            max_batch_size=min(BATCH_BYTES, target.max_record_bytes),
            max_request_size=MAX_REQUEST_BYTES,
            **build_security(settings).build_aiokafka_arguments(),
        )
        async with translate_errors(), run_client(producer):
            await producer.partitions_for(settings.input_topic)  # Or the first records would wait for this.
            sender = TopicSender(
                producer, settings.input_topic, target.max_record_bytes, keeps_partitions=keeps_partitions
            )
            pump = asyncio.create_task(sender.pump())
            try:
                yield sender
            finally:
                pump.cancel()
                with suppress(asyncio.CancelledError):
                    await pump

    @asynccontextmanager
    async def open_outcomes(self) -> AsyncIterator[OutcomeReader]:
        """Open the reader of outcomes that are written from now on; only committed ones with exactly-once.

        Raises:
            BrokerUnreachableError, PermissionDeniedError: what the broker says.
        """
        async with self._open_consumer() as consumer:
            # The end is asked for now: a position that is looked up later may be behind the first outcome.
            for partition, end in (await _read_ends(consumer)).items():
                consumer.seek(partition, end)
            yield OutcomeReader(consumer, self.settings.dead_letter_topic)

    @asynccontextmanager
    async def open_archive(self, since_ms: int) -> AsyncIterator[OutcomeArchive]:
        """Open the reader of outcomes that were written since a time, up to now.

        Raises:
            BrokerUnreachableError, PermissionDeniedError: what the broker says.
        """
        async with self._open_consumer() as consumer:
            ends = await _read_ends(consumer)
            begins = await find_offsets(consumer, list(ends), since_ms)
            for partition, end in ends.items():
                consumer.seek(partition, begins.get(partition, end))
            yield OutcomeArchive(consumer, self.settings.dead_letter_topic, Ends(ends))

    @asynccontextmanager
    async def _open_consumer(self) -> AsyncIterator[Any]:
        settings = self.settings
        topics = (settings.output_topic, settings.dead_letter_topic)
        consumer = build_consumer(settings, ISOLATION[settings.delivery], topics)
        async with translate_errors(), run_client(consumer):
            yield consumer


async def _read_ends(consumer: Any) -> dict[TopicPartition, int]:
    ends: dict[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
    return ends
