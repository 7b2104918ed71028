"""The watch over the group's metrics."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from stream_app.kafka.lag import GroupWatch
from stream_app.kafka.progress import Progress
from stream_app.kafka.records import IncomingRecord
from stream_app.telemetry import Metrics, PartitionLag

LAG = 'prism_consumer_lag_records{partition="0",topic="in"}'


class FakeConsumer:
    """Answers with what the test says, after doing what the test wants done meanwhile."""

    def __init__(self) -> None:
        self.progress = Progress(lambda: 100.0)
        self.answer: tuple[PartitionLag, ...] | Exception | None = (PartitionLag("in", 0, 7),)
        self.meanwhile: Callable[[], None] = lambda: None

    async def read_lags(self) -> tuple[PartitionLag, ...] | None:
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Watched:
    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.metrics = Metrics()
        self.now = 1_000.0
        self.watch = GroupWatch(lambda: self.consumer, self.metrics, lambda: self.now)

    def refresh(self) -> str:
        asyncio.run(self.watch.refresh())
        return self.metrics.render().decode()


def build_record(offset: int) -> IncomingRecord:
    return IncomingRecord("in", 0, offset, None, b"{}", ())


def test_the_lag_is_shown_with_the_time_of_reading() -> None:
    watched = Watched()
    text = watched.refresh()
    assert f"{LAG} 7.0" in text
    assert "prism_consumer_lag_timestamp_seconds 1000.0" in text


@pytest.mark.parametrize("error", [KafkaConnectionError(), TimeoutError(), AssertionError(), None])
def test_without_an_answer_the_last_lag_stays_and_grows_old(error: Exception | None) -> None:
    watched = Watched()
    watched.refresh()
    watched.now, watched.consumer.answer = 1_005.0, error
    text = watched.refresh()
    assert f"{LAG} 7.0" in text
    assert "prism_consumer_lag_timestamp_seconds 1000.0" in text


def test_before_the_app_has_a_consumer_nothing_breaks() -> None:
    metrics = Metrics()

    def find_none() -> FakeConsumer:
        raise RuntimeError("not started")

    asyncio.run(GroupWatch(find_none, metrics).refresh())
    assert "prism_consumer_lag_timestamp_seconds 0.0" in metrics.render().decode()


def test_what_was_read_while_the_partitions_went_is_dropped() -> None:
    watched = Watched()
    watched.consumer.meanwhile = watched.watch.note_revoked
    text = watched.refresh()
    assert LAG not in text
    assert "prism_consumer_lag_timestamp_seconds 0.0" in text


def test_assignments_are_counted_and_revoked_partitions_are_gone() -> None:
    watched = Watched()
    watched.watch.note_assigned(3)
    assert "prism_partitions_assigned 3.0" in watched.refresh()
    watched.watch.note_revoked()
    text = watched.metrics.render().decode()
    assert LAG not in text
    assert "prism_partitions_assigned 0.0" in text
    assert "prism_rebalances_total 1.0" in text


def test_a_batch_has_waited_as_long_as_its_first_record() -> None:
    watched = Watched()
    watched.consumer.progress = Progress(iter([100.0, 103.0]).__next__)
    watched.consumer.progress.note_fetched(object(), TopicPartition("in", 0), 0, 5)
    watched.watch.note_begun([build_record(2), build_record(3)], "waited")
    text = watched.metrics.render().decode()
    assert "prism_batch_wait_seconds_sum 3.0" in text
    assert 'prism_batch_flushes_total{reason="waited"} 1.0' in text


def test_a_settled_batch_moves_the_next_offset_behind_its_last_record() -> None:
    watched = Watched()
    assignment, partition = object(), TopicPartition("in", 0)
    watched.consumer.progress.note_fetched(assignment, partition, 0, 5)
    watched.watch.note_settled([build_record(0), build_record(1)])
    assert watched.consumer.progress.find_next(assignment, partition, position=5) == 2
