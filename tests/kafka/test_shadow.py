"""A shadow explains again, for a side topic, and never disturbs."""

import asyncio
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.kafka.shadow import BoundedQueue, Shadow
from stream_app.settings import Settings
from stream_app.telemetry import Metrics
from tests.broker.harness import build_event
from tests.fake_models import FakeModels, write_model

DEADLINE_SECONDS = 30.0


class SideTopic:
    """Takes what the shadow publishes, one batch for each permission; fails on the first ones, if it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.records: list[OutgoingRecord] = []
        self.errors = list(errors)
        self.may_take = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)
        self.taken = threading.Semaphore(0)

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        self.asked.release()
        assert self.may_take.acquire(timeout=DEADLINE_SECONDS)
        if self.errors:
            raise self.errors.pop(0)
        self.records += records
        self.taken.release()


def build_records(count: int, first: int = 0) -> list[IncomingRecord]:
    return [
        IncomingRecord("in", 0, number, b"k", build_event(number), (("h", b"1"),))
        for number in range(first, first + count)
    ]


def build_shadow(tmp_path: Path, topic: SideTopic, metrics: Metrics, model: str = "2.0.0") -> Shadow:
    settings = Settings(shadow_model=str(tmp_path / "fake" / model), shadow_topic="side")
    return Shadow(settings, FakeModels(), metrics, topic.publish)


def read_counts(metrics: Metrics) -> dict[str, int]:
    lines = metrics.render().decode().splitlines()
    names = ("explained", "dropped", "failed")
    counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("prism_shadow_records_total"))
    return {name: int(float(counts[f'prism_shadow_records_total{{outcome="{name}"}}'])) for name in names}


def test_the_shadow_explains_what_it_is_offered_under_its_own_name(tmp_path: Path) -> None:
    write_model(tmp_path, "2.0.0")
    topic, metrics = SideTopic(), Metrics()
    shadow = build_shadow(tmp_path, topic, metrics)
    shadow.start()
    records = [*build_records(3), IncomingRecord("in", 0, 3, b"k", b"{", ())]
    shadow.offer(records)
    topic.may_take.release(2)
    shadow.offer(build_records(1, first=9))
    for _ in range(2):
        assert topic.taken.acquire(timeout=DEADLINE_SECONDS)
    shadow.stop()
    values = [json.loads(record.value or b"") for record in topic.records]
    assert [value["event_id"] for value in values] == ["event-0", "event-1", "event-2", "event-9"]
    assert {value["model"]["version"] for value in values} == {"2.0.0"}
    assert {record.topic for record in topic.records} == {"side"}
    assert dict(topic.records[0].headers)["prism.source.offset"] == b"0"
    assert read_counts(metrics)["dropped"] == 0
    assert 'prism_model_info{name="fake",role="shadow",version="2.0.0"} 1.0' in metrics.render().decode()


def test_what_a_slow_shadow_cannot_take_is_dropped_at_once_and_counted(tmp_path: Path) -> None:
    write_model(tmp_path, "2.0.0")
    topic, metrics = SideTopic(), Metrics()
    shadow = build_shadow(tmp_path, topic, metrics)
    shadow.start()
    shadow.offer(build_records(32))
    assert topic.asked.acquire(timeout=DEADLINE_SECONDS)  # It is at work, and the topic makes it wait.
    for _ in range(40):
        shadow.offer(build_records(32))
    assert read_counts(metrics) == {"explained": 0, "dropped": 40 * 32 - 512, "failed": 0}
    topic.may_take.release(17)
    shadow.stop()


@pytest.mark.parametrize("error", [RuntimeError("no"), TimeoutError(), MemoryError()])
def test_a_side_topic_that_fails_is_counted_and_tried_with_the_next_batch(tmp_path: Path, error: Exception) -> None:
    write_model(tmp_path, "2.0.0")
    topic, metrics = SideTopic(error, error), Metrics()
    shadow = build_shadow(tmp_path, topic, metrics)
    topic.may_take.release(3)
    shadow.start()
    for first, count in ((0, 2), (2, 3), (5, 4)):
        shadow.offer(build_records(count, first))
    assert topic.taken.acquire(timeout=DEADLINE_SECONDS)
    shadow.stop()
    assert read_counts(metrics)["failed"] == 5
    assert [json.loads(record.value or b"")["event_id"] for record in topic.records] == [
        f"event-{number}" for number in range(5, 9)
    ]


def test_a_shadow_whose_model_is_refused_counts_what_it_is_offered(tmp_path: Path) -> None:
    write_model(tmp_path, "2.0.0", works=False)
    topic, metrics = SideTopic(), Metrics()
    shadow = build_shadow(tmp_path, topic, metrics)
    shadow.offer(build_records(2))

    async def run_for_a_moment() -> None:
        work = asyncio.create_task(shadow.work())
        while read_counts(metrics)["failed"] == 0 and not work.done():
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(run_for_a_moment())
    assert read_counts(metrics) == {"explained": 0, "dropped": 0, "failed": 2}


def test_a_batch_arrives_whichever_comes_first_it_or_its_reader() -> None:
    async def read() -> list[int]:
        queue = BoundedQueue()
        queue.put(tuple(build_records(1)))
        sizes = [len(await queue.get() or ())]
        reading = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        await asyncio.to_thread(queue.put, tuple(build_records(2)))
        sizes.append(len(await reading or ()))
        queue.close()
        assert await queue.get() is None
        return sizes

    assert asyncio.run(read()) == [1, 2]


def test_few_large_records_fill_the_queue_too() -> None:
    queue = BoundedQueue(max_records=100, max_bytes=1_000)
    large = IncomingRecord("in", 0, 0, b"k", b"x" * 600, ())
    assert queue.put((large,))
    assert not queue.put((large,))


def test_what_is_taken_makes_room() -> None:
    async def fill_twice() -> list[bool]:
        queue = BoundedQueue(max_records=2)
        first = [queue.put(tuple(build_records(2))), queue.put(tuple(build_records(1)))]
        await queue.get()
        return [*first, queue.put(tuple(build_records(2)))]

    assert asyncio.run(fill_twice()) == [True, False, True]
