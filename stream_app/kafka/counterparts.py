"""The other side of the worker, for tools that send events and read what comes back: a producer and a tail."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stream_app.kafka.clients import build_security
from stream_app.kafka.records import Headers
from stream_app.settings import Settings


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """One record of an output topic."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class EventSender:
    """Sends records to the worker's input topic."""

    def __init__(self, producer: Any, topic: str) -> None:
        self._producer = producer
        self._topic = topic

    async def send(self, key: bytes, value: bytes, headers: Headers) -> None:
        """Send one record and wait until the broker has it."""
        await self._producer.send_and_wait(self._topic, value, key=key, headers=list(headers))


class OutputTail:
    """Reads what is written to the worker's output and dead-letter topics from now on."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    async def read(self, wait_seconds: float) -> Sequence[ReadRecord]:
        """Read what is there; waits so long if there is nothing."""
        batches = await self._consumer.getmany(timeout_ms=int(wait_seconds * 1000))
        return [
            ReadRecord(message.topic, message.key, message.value, tuple(message.headers))
            for messages in batches.values()
            for message in messages
        ]


@asynccontextmanager
async def open_sender(settings: Settings) -> AsyncIterator[EventSender]:
    """Open a sender; what it has accepted is with the broker when the block ends."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        acks="all",
        **build_security(settings).build_aiokafka_arguments(),
    )
    try:
        await producer.start()
        yield EventSender(producer, settings.input_topic)
    finally:
        await producer.stop()


@asynccontextmanager
async def open_tail(settings: Settings) -> AsyncIterator[OutputTail]:
    """Open a tail; all that is written after this returns is read, nothing from before."""
    consumer = AIOKafkaConsumer(
        settings.output_topic,
        settings.dead_letter_topic,
        bootstrap_servers=settings.bootstrap_servers,
        group_id=None,
        auto_offset_reset="latest",
        **build_security(settings).build_aiokafka_arguments(),
    )
    try:
        await consumer.start()
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            # Only once its position is known does a partition miss nothing that is sent from here on.
            await consumer.position(partition)
        yield OutputTail(consumer)
    finally:
        await consumer.stop()
