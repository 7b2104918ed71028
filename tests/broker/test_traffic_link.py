"""The ends of a load test, against brokers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import pytest
from confluent_kafka import Producer

from stream_app.exit_codes import ExitCode
from stream_app.kafka.clients import BrokerUnreachableError, create_topics
from stream_app.kafka.dead_letter_archive import TopicMissingError
from stream_app.kafka.records import Arrival, OutgoingReplay, Target
from stream_app.kafka.topic_source import Range, open_source
from stream_app.kafka.traffic_link import KafkaLink
from stream_app.replay.driver import replay
from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import Ledger
from stream_app.replay.traffic import TrafficShape, generate
from stream_app.settings import Settings
from tests.broker.harness import DEADLINE_SECONDS, Broker, Lane

Reading = Callable[[float], Awaitable[list[Arrival]]]


def publish(lane: Lane, topic: str, values: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": lane.broker.bootstrap_servers, "log_level": 0})
    for value in values:
        producer.produce(topic, value, key=b"k")
    assert producer.flush(DEADLINE_SECONDS) == 0


async def read_arrivals(read: Reading, count: int) -> list[Arrival]:
    arrivals: list[Arrival] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(arrivals) < count:
        assert time.monotonic() < deadline, arrivals
        arrivals += await read(0.2)
    return arrivals


def build_outgoing(number: int, partition: int | None = None) -> OutgoingReplay:
    return OutgoingReplay(f"k{number}".encode(), f"v{number}".encode(), (("h", b"1"), ("h", None)), partition)


def test_the_target_is_described(lane: Lane) -> None:
    target = asyncio.run(KafkaLink(lane.settings).inspect())
    assert target.partitions == 4
    assert target.max_record_bytes == 1_048_588
    assert target.is_embedded is lane.broker.forgets
    assert target.brokers == (lane.broker.bootstrap_servers,)


@pytest.mark.kafka
def test_missing_topics_are_named_and_not_made(kafka_broker: Broker) -> None:
    settings = Settings(bootstrap_servers=kafka_broker.bootstrap_servers, input_topic="never-made")
    for _ in range(2):
        with pytest.raises(TopicMissingError, match="never-made"):
            asyncio.run(KafkaLink(settings).inspect())


def test_a_broker_that_is_not_there_ends_with_69() -> None:
    with pytest.raises(BrokerUnreachableError) as caught:
        asyncio.run(KafkaLink(Settings(bootstrap_servers="127.0.0.1:1")).inspect())
    assert caught.value.exit_code == ExitCode.BROKER_UNREACHABLE


def test_records_arrive_whole_in_their_partitions_and_order(lane: Lane) -> None:
    async def work() -> int:
        link = KafkaLink(lane.settings)
        async with link.open_sender(await link.inspect(), keeps_partitions=True) as sender:
            for number in range(1_000):
                sender.send(build_outgoing(number, partition=number % 4))
            return await sender.flush(DEADLINE_SECONDS)

    assert asyncio.run(work()) == 0
    records = lane.read_inputs()
    assert len(records) == 1_000
    assert records[0].headers == [("h", b"1"), ("h", None)]
    for partition in range(4):
        own = sorted((one for one in records if one.offset[0] == partition), key=lambda one: one.offset)
        assert [one.value for one in own] == [f"v{number}".encode() for number in range(partition, 1_000, 4)]


def test_a_record_that_is_too_large_is_counted_and_harms_no_other(lane: Lane) -> None:
    async def work() -> int:
        link = KafkaLink(lane.settings)
        async with link.open_sender(await link.inspect(), keeps_partitions=True) as sender:
            for number in range(5):
                sender.send(build_outgoing(number, partition=0))
            sender.send(OutgoingReplay(b"k", b"x" * 2_000_000, (), 0))
            for number in range(5, 10):
                sender.send(build_outgoing(number, partition=0))
            return await sender.flush(DEADLINE_SECONDS)

    assert asyncio.run(work()) == 1
    assert [record.value for record in lane.read_inputs()] == [f"v{number}".encode() for number in range(10)]


def test_only_outcomes_from_now_on_are_read_and_all_of_those(lane: Lane) -> None:
    settings = lane.settings
    publish(lane, settings.output_topic, [b"before"])

    async def work() -> list[Arrival]:
        async with KafkaLink(settings).open_outcomes() as reader:
            await asyncio.to_thread(publish, lane, settings.output_topic, [b"a", b"b"])
            await asyncio.to_thread(publish, lane, settings.dead_letter_topic, [b"c"])
            return await read_arrivals(reader.read, 3)

    arrivals = asyncio.run(work())
    assert [one.value for one in arrivals if not one.is_dead_letter] == [b"a", b"b"]
    assert [one.value for one in arrivals if one.is_dead_letter] == [b"c"]
    assert all(time.monotonic() - DEADLINE_SECONDS < one.read_at <= time.monotonic() for one in arrivals)


@pytest.mark.kafka
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_an_aborted_transaction_is_read_only_where_the_worker_runs_at_least_once(
    kafka_broker: Broker, delivery: Literal["at-least-once", "exactly-once"]
) -> None:
    settings = _build_settings(kafka_broker, f"aborted-{delivery}", delivery)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap_servers, "transactional.id": f"t-{delivery}"})
    producer.init_transactions(DEADLINE_SECONDS)

    def write() -> None:
        for value, is_kept in ((b"aborted", False), (b"committed", True)):
            producer.begin_transaction()
            producer.produce(settings.output_topic, value, partition=0)
            producer.flush(DEADLINE_SECONDS)
            (producer.commit_transaction if is_kept else producer.abort_transaction)(DEADLINE_SECONDS)

    async def work() -> list[Arrival]:
        async with KafkaLink(settings).open_outcomes() as reader:
            await asyncio.to_thread(write)
            return await read_arrivals(reader.read, 1 if delivery == "exactly-once" else 2)

    values = [arrival.value for arrival in asyncio.run(work())]
    assert values == ([b"committed"] if delivery == "exactly-once" else [b"aborted", b"committed"])


@pytest.mark.kafka
def test_an_archive_begins_at_its_time_and_ends(kafka_broker: Broker) -> None:
    settings = _build_settings(kafka_broker, "archive", "at-least-once")
    lane = Lane(kafka_broker, "archive", None)  # type: ignore[arg-type]  # it starts no worker
    publish(lane, settings.output_topic, [b"before"])
    time.sleep(0.05)
    since_ms = int(time.time() * 1000)
    publish(lane, settings.output_topic, [b"after"])

    async def work() -> list[Arrival]:
        arrivals = []
        async with KafkaLink(settings).open_archive(since_ms) as archive, asyncio.timeout(DEADLINE_SECONDS):
            while not archive.is_exhausted:
                arrivals += await archive.read(0.2)
        return arrivals

    [arrival] = asyncio.run(work())
    assert arrival.value == b"after"
    assert arrival.read_at * 1000 >= since_ms


def test_a_topic_is_recorded_to_its_end(lane: Lane) -> None:
    publish(lane, lane.settings.input_topic, [f"{number}".encode() for number in range(300)])

    async def work() -> list[bytes | None]:
        values = []
        async with (
            open_source(lane.settings, lane.settings.input_topic, Range()) as source,
            asyncio.timeout(DEADLINE_SECONDS),
        ):
            while not source.is_exhausted:
                values += [record.value for record in await source.read(0.2)]
        return values

    assert asyncio.run(work()) == [f"{number}".encode() for number in range(300)]


def test_a_range_of_offsets_is_recorded_and_a_topic_that_is_followed_goes_on(lane: Lane) -> None:
    topic = lane.settings.input_topic
    publish(lane, topic, [b"0", b"1", b"2", b"3"])

    async def work() -> list[bytes | None]:
        values = []
        wanted = Range(begin_offset=1, end_offset=3)
        async with open_source(lane.settings, topic, wanted) as source, asyncio.timeout(DEADLINE_SECONDS):
            while not source.is_exhausted:
                values += [record.value for record in await source.read(0.2)]
        followed = Range(begin_offset=4, follows=True)
        async with open_source(lane.settings, topic, followed) as source, asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.to_thread(publish, lane, topic, [b"4"])
            while len(values) < 3:
                values += [record.value for record in await source.read(0.2)]
        return values

    assert asyncio.run(work()) == [b"1", b"2", b"4"]


def test_a_whole_run_accounts_for_every_item_of_a_real_worker(lane: Lane) -> None:
    lane.start_worker().wait_until_ready()
    ledger, lateness = Ledger("evening"), Histogram()

    async def work() -> None:
        link = KafkaLink(lane.settings)
        target: Target = await link.inspect()
        async with link.open_outcomes() as reader, link.open_sender(target, keeps_partitions=True) as sender:
            driven = await replay(
                generate(TrafficShape(events=200), seed=1),
                (number / 50 for number in range(200)),
                sender,
                reader,
                ledger=ledger,
                lateness=lateness,
                patience_seconds=DEADLINE_SECONDS,
            )
            assert (driven.events, driven.unaccepted) == (200, 0)

    asyncio.run(work())
    counts = ledger.count()
    assert (counts.events, counts.missing, counts.unexpected, counts.out_of_order) == (200, 0, 0, 0)
    assert counts.explained + counts.template == counts.items
    assert counts.duplicates_identical + counts.duplicates_different == 0


def _build_settings(broker: Broker, name: str, delivery: Literal["at-least-once", "exactly-once"]) -> Settings:
    settings = Settings(
        bootstrap_servers=broker.bootstrap_servers,
        input_topic=f"{name}-link-in",
        output_topic=f"{name}-link-out",
        dead_letter_topic=f"{name}-link-dead",
        delivery=delivery,
    )
    create_topics(settings, partitions=1, replication=1)
    return settings
