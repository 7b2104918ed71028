"""The ends of a load test, with clients that only pretend; with brokers: tests/broker/test_traffic_link.py."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

from stream_app.kafka.clients import PermissionDeniedError
from stream_app.kafka.records import OutgoingReplay
from stream_app.kafka.topic_ends import Ends
from stream_app.kafka.traffic_link import OutcomeArchive, OutcomeReader, TopicSender

ENOUGH = 1_000_000


def build_record(number: int = 0, **overrides: Any) -> OutgoingReplay:
    record: dict[str, Any] = {"key": b"k", "value": str(number).encode(), "headers": (("h", None),), "partition": 1}
    return OutgoingReplay(**record | overrides)


@dataclass
class FakeProducer:
    """Keeps what it is given; answers when it is told to, or fails at once."""

    error: Exception | None = None
    sent: list[tuple[bytes | None, int | None]] = field(default_factory=list)
    futures: "list[asyncio.Future[None]]" = field(default_factory=list)

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None, partition: int | None, headers: list[Any]
    ) -> "asyncio.Future[None]":
        if self.error is not None:
            raise self.error
        self.sent.append((value, partition))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        return future


async def let_run() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def with_sender(
    work: Callable[[TopicSender, FakeProducer], Awaitable[None]],
    producer: FakeProducer | None = None,
    max_record_bytes: int = ENOUGH,
    keeps_partitions: bool = True,
) -> FakeProducer:
    used = producer or FakeProducer()

    async def main() -> None:
        sender = TopicSender(used, "in", max_record_bytes, keeps_partitions=keeps_partitions)
        pump = asyncio.create_task(sender.pump())
        await work(sender, used)
        assert not pump.done()
        pump.cancel()

    asyncio.run(main())
    return used


def test_sending_returns_at_once_and_keeps_the_order() -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        for number in range(5):
            sender.send(build_record(number))
        assert producer.sent == []
        await let_run()

    assert with_sender(work).sent == [(str(number).encode(), 1) for number in range(5)]


def test_flushing_counts_what_the_broker_has_not_taken() -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        for number in range(4):
            sender.send(build_record(number))
        await let_run()
        producer.futures[0].set_result(None)
        producer.futures[1].set_exception(KafkaTimeoutError())
        producer.futures[2].cancel()
        await let_run()
        assert await sender.flush(0.0) == 3
        producer.futures[3].set_result(None)
        await let_run()
        assert await sender.flush(60.0) == 2

    with_sender(work)


def test_a_producer_that_takes_nothing_does_not_end_the_sending() -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        sender.send(build_record(1))
        await let_run()
        producer.error = None
        sender.send(build_record(2))
        await let_run()
        producer.futures[0].set_result(None)
        await let_run()
        assert await sender.flush(60.0) == 1

    assert with_sender(work, FakeProducer(KafkaTimeoutError())).sent == [(b"2", 1)]


@pytest.mark.parametrize("impossible", [{"key": None, "value": None}, {"value": b"x" * 2_000}])
def test_what_no_broker_would_take_is_not_even_tried(impossible: dict[str, Any]) -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        sender.send(build_record(**impossible))
        sender.send(build_record(7))
        await let_run()
        producer.futures[0].set_result(None)
        await let_run()
        assert await sender.flush(60.0) == 1

    assert with_sender(work, max_record_bytes=1_000).sent == [(b"7", 1)]


def test_a_denial_is_raised_when_the_sending_is_over() -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        sender.send(build_record())
        await let_run()
        producer.futures[0].set_exception(TopicAuthorizationFailedError("in"))
        await let_run()
        with pytest.raises(PermissionDeniedError):
            await sender.flush(60.0)

    with_sender(work)


def test_keys_choose_the_partition_where_the_recorded_ones_are_not_kept() -> None:
    async def work(sender: TopicSender, producer: FakeProducer) -> None:
        sender.send(build_record())
        await let_run()

    assert with_sender(work, keeps_partitions=False).sent == [(b"0", None)]


@dataclass(frozen=True)
class Message:
    topic: str
    partition: int
    offset: int
    timestamp: int = 5_000
    key: bytes | None = None
    value: bytes | None = b"{}"
    headers: tuple[tuple[str, bytes | None], ...] = (("a", b"1"),)


class FakeConsumer:
    """Hands out batches; its positions are behind the last message of each, or where a test puts them."""

    def __init__(self, *batches: list[Message], positions: dict[TopicPartition, int] | None = None) -> None:
        self._batches = list(batches)
        self.positions = dict(positions or {})

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Message]]:
        found: dict[TopicPartition, list[Message]] = {}
        for message in self._batches.pop(0) if self._batches else []:
            partition = TopicPartition(message.topic, message.partition)
            found.setdefault(partition, []).append(message)
            self.positions[partition] = message.offset + 1
        return found

    async def position(self, partition: TopicPartition) -> int:
        found: int = self.positions.get(partition, 0)
        return found


def test_outcomes_are_told_apart_by_topic_and_dated_when_they_are_read() -> None:
    reader = OutcomeReader(FakeConsumer([Message("out", 0, 3), Message("dead", 1, 4)]), "dead")
    first, second = asyncio.run(reader.read(0.1))
    assert (first.is_dead_letter, first.partition, first.offset, first.headers) == (False, 0, 3, (("a", b"1"),))
    assert second.is_dead_letter
    assert first.read_at == second.read_at > 0


def test_an_archive_ends_where_its_topics_did_and_dates_by_the_record() -> None:
    ends = {TopicPartition("out", 0): 2, TopicPartition("dead", 0): 1}
    consumer = FakeConsumer([Message("out", 0, 0)], [Message("out", 0, 1), Message("out", 0, 2), Message("dead", 0, 0)])
    archive = OutcomeArchive(consumer, "dead", Ends(ends))

    async def work() -> list[int]:
        counts: list[int] = []
        while not archive.is_exhausted:
            arrivals = await archive.read(0.1)
            assert {arrival.read_at for arrival in arrivals} == {5.0}
            counts.append(len(arrivals))
        return counts

    assert asyncio.run(work()) == [1, 2]
