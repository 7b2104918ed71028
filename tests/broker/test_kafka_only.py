"""What only a real Apache Kafka can show: topics that are missing, limits on sizes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.kafka.batches import MAX_BATCH_ITEMS
from stream_app.kafka.clients import TopicCreationError, create_topics
from tests.broker.conftest import build_lane
from tests.broker.harness import Broker, Lane, build_event, build_events, collect_ids

pytestmark = pytest.mark.kafka


@pytest.fixture
def bare_lane(kafka_broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    lane = build_lane(kafka_broker, request.node.originalname, tmp_path)
    yield lane
    for worker in lane.workers:
        worker.end()


def create(lane: Lane, topic: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": lane.broker.bootstrap_servers, "log_level": 0})
    [done] = admin.create_topics([NewTopic(topic, 1, 1, config=config)]).values()
    done.result(10)


def test_a_worker_without_topics_is_alive_but_not_ready_until_they_are_created(bare_lane: Lane) -> None:
    worker = bare_lane.start_worker()
    worker.wait_until(lambda: worker.get("/readyz")[0] == 503, "not ready")
    worker.wait_until(lambda: bare_lane.settings.input_topic.encode() in worker.get("/readyz")[1], "it names the topic")
    assert worker.get("/livez")[0] == 200
    assert set(bare_lane.create_topics()) == set(bare_lane.settings.topics)
    worker.wait_until_ready()
    bare_lane.send(build_events(3))
    outputs, _ = bare_lane.read_all_of({"event-0", "event-1", "event-2"})
    assert len(outputs) == 3
    worker.signal(signal.SIGTERM)
    assert worker.wait() == os.EX_OK


def test_a_missing_output_topic_ends_the_process_with_70_and_nothing_committed(bare_lane: Lane) -> None:
    create(bare_lane, bare_lane.settings.input_topic)
    create(bare_lane, bare_lane.settings.dead_letter_topic)
    bare_lane.send(build_events(5))
    worker = bare_lane.start_worker(PRISM_RETRY_BUDGET_SECONDS="2")
    assert worker.wait() == os.EX_SOFTWARE
    assert not any(bare_lane.read_committed().values())
    [entry] = [entry for entry in worker.read_entries() if entry["level"] == "critical"]
    assert entry["message"] == "batch_not_settled"


def test_a_dead_letter_that_the_topic_refuses_is_cut_and_its_neighbours_are_unharmed(bare_lane: Lane) -> None:
    settings = bare_lane.settings
    create(bare_lane, settings.input_topic, **{"max.message.bytes": "20000000"})
    create(bare_lane, settings.output_topic)
    create(bare_lane, settings.dead_letter_topic)
    huge = b"x" * 10_000_000
    small = [("before", b"{"), ("huge", huge), ("after", b"}"), ("good", build_event(1))]
    bare_lane.send(small, **{"message.max.bytes": 20_000_000})
    bare_lane.start_worker()
    outputs, letters = bare_lane.read_all_of({identity for identity, _ in small})
    assert collect_ids(outputs) == {"good"}
    [cut] = [letter for letter in letters if letter.id == "huge"]
    assert cut.value is not None
    assert huge.startswith(cut.value)
    assert dict(cut.headers)["prism.dlq.truncated-from-bytes"] == b"10000000"


def test_too_much_replication_is_refused_with_the_reason(bare_lane: Lane) -> None:
    with pytest.raises(TopicCreationError, match="InvalidReplicationFactor"):
        create_topics(bare_lane.settings, partitions=1, replication=3)


def test_a_batch_of_long_rankings_is_explained_in_parts(bare_lane: Lane) -> None:
    bare_lane.create_topics()
    events = [(f"event-{number}", build_event(number, items=50)) for number in range(30)]
    bare_lane.send(events)
    worker = bare_lane.start_worker(PRISM_BATCH_RECORDS="100", PRISM_BATCH_WAIT_SECONDS="3")
    worker.wait_until(lambda: worker.read_metric('prism_records_settled_total{outcome="explained"}') == 30, "settled")
    settled = [one["explanations"] for one in worker.read_entries() if one["message"] == "batch_settled"]
    assert sum(settled) == 1_500
    assert max(settled) <= MAX_BATCH_ITEMS


def test_the_end_waits_for_the_part_at_work_only_and_the_rest_is_settled_once_by_the_next(bare_lane: Lane) -> None:
    bare_lane.create_topics()
    bare_lane.send([(f"event-{number}", build_event(number, items=150)) for number in range(20)])
    first = bare_lane.start_worker(0.5, PRISM_BATCH_RECORDS="20", PRISM_BATCH_WAIT_SECONDS="3", PRISM_DRAIN_SECONDS="3")
    first.wait_until(lambda: first.read_metric("prism_commits_total") >= 1, "one part is settled")
    first.signal(signal.SIGTERM)
    assert first.wait() == os.EX_OK
    assert 1 <= sum(bare_lane.read_committed().values()) < 10
    second = bare_lane.start_worker()
    second.wait_until(lambda: sum(bare_lane.read_committed().values()) == 20, "all is committed")
    outputs, letters = bare_lane.read_settled()
    assert (len(outputs), len(letters)) == (20 * 150, 0)
    assert len({record.key for record in outputs}) == 20 * 150


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_backlog(kafka_broker: Broker, tmp_path: Path) -> None:
    memory = {}
    for waiting in (2_000, 200_000):
        lane = build_lane(kafka_broker, f"backlog-{waiting}", tmp_path)
        lane.create_topics()
        lane.send(build_events(waiting), **{"queue.buffering.max.messages": waiting})
        worker = lane.start_worker(delay_seconds=0.02)
        try:
            worker.wait_until(lambda worker=worker: worker.read_metric("prism_commits_total") >= 50, "50 batches")  # type: ignore[misc]
            memory[waiting] = worker.read_memory()
        finally:
            worker.end()
    # The fetch buffers of four partitions are 1 MiB; all that waits is 100 MB.
    assert memory[200_000] - memory[2_000] < 30_000_000, memory
