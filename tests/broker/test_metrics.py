"""What a scrape of a real worker says, on the embedded broker and on a real Apache Kafka."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.broker.conftest import build_lane
from tests.broker.harness import Broker, Lane, WorkerProcess, build_event, build_events

LAG = re.compile(r'^prism_consumer_lag_records\{partition="(\d+)",topic="([^"]+)"\} (\S+)$', re.MULTILINE)
PARTITIONS = {0, 1, 2, 3}


@pytest.fixture
def kafka_lane(kafka_broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    """For what librdkafka's mock cluster lacks: groups of two, transactions that show only once they are committed."""
    lane = build_lane(kafka_broker, request.node.originalname, tmp_path)
    lane.create_topics()
    yield lane
    for worker in lane.workers:
        worker.end()


def read_lags(worker: WorkerProcess) -> dict[int, float]:
    return {int(partition): float(lag) for partition, _, lag in LAG.findall(worker.get("/metrics")[1].decode())}


def wait_for_reading(worker: WorkerProcess) -> None:
    """Wait until the lags have been read twice from now on: the first reading may have begun before."""
    for _ in range(2):
        wait_until_read_after(worker, time.time())


def wait_until_read_after(worker: WorkerProcess, moment: float) -> None:
    worker.wait_until(lambda: worker.read_metric("prism_consumer_lag_timestamp_seconds") > moment, "a reading")


def send_in_transaction(broker: Broker, topic: str, numbers: range, *, is_committed: bool) -> Producer:
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap_servers, "transactional.id": f"{topic}-ranker", "log_level": 0}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for number in numbers:
        producer.produce(topic, build_event(number), partition=0, headers=[("test-id", f"event-{number}".encode())])
    producer.flush(30)
    if is_committed:
        producer.commit_transaction(30)
    return producer


def test_a_scrape_adds_up_and_promtool_has_nothing_to_say(lane: Lane) -> None:
    lane.send([*build_events(40, items=2), ("bad", b"{")])
    worker = lane.start_worker()
    worker.wait_until_ready()
    lane.read_all_of({"bad", *(f"event-{number}" for number in range(40))})
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "all is settled")
    worker.wait_until(lambda: len(read_lags(worker)) == 4, "the lags are known")
    status, body = worker.get("/metrics")
    assert status == 200
    assert worker.read_metric("prism_ready") == 1
    assert worker.read_metric("prism_partitions_assigned") == 4
    assert worker.read_metric("prism_rebalances_total") >= 1
    batches = worker.read_metric("prism_batch_records_count")
    assert worker.read_metric("prism_batch_wait_seconds_count") == batches
    assert worker.read_metric("prism_batch_tokens_count") == batches
    assert (
        sum(worker.read_metric(f'prism_batch_flushes_total{{reason="{one}"}}') for one in ("full", "waited")) == batches
    )
    assert 0 < worker.read_metric("prism_batch_wait_seconds_sum") < batches * 60
    assert json.loads(worker.get("/startupz")[1]) == {"ok": True, "reason": "started"}
    ensure_promtool_is_content(body)


def ensure_promtool_is_content(scrape: bytes) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: it comes with Debian's package prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    broken = scrape.replace(b"prism_rebalances_total", b"prism_rebalances")
    assert (
        subprocess.run([promtool, "check", "metrics"], input=broken, capture_output=True, check=False).returncode != 0
    )


def test_the_lag_is_right_where_the_worker_is_too_busy_to_fetch(lane: Lane) -> None:
    lane.send(build_events(100))
    worker = lane.start_worker(delay_seconds=600)
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") > 0, "a batch is at work")
    worker.wait_until(lambda: sum(read_lags(worker).values()) == 100, "all 100 are lag")
    # More than the buffers between the client and the batch hold.
    lane.send(build_events(700))
    worker.wait_until(lambda: sum(read_lags(worker).values()) == 800, "what nobody has fetched is lag too")
    assert set(read_lags(worker)) == PARTITIONS


def test_the_lag_is_none_once_all_is_settled_and_grows_by_nothing_that_is_not_a_record(lane: Lane) -> None:
    lane.send(build_events(60))
    worker = lane.start_worker()
    worker.wait_until(lambda: worker.read_metric('prism_records_settled_total{outcome="explained"}') == 60, "60")
    wait_for_reading(worker)
    assert read_lags(worker) == dict.fromkeys(PARTITIONS, 0.0)


@pytest.mark.kafka
def test_each_worker_has_the_lags_of_its_own_partitions_only(kafka_lane: Lane) -> None:
    first = kafka_lane.start_worker()
    first.wait_until(lambda: set(read_lags(first)) == PARTITIONS, "it has them all")
    second = kafka_lane.start_worker(PRISM_INSTANCE_ID="worker-1")
    second.wait_until(lambda: len(read_lags(second)) == 2 == len(read_lags(first)), "they share")
    assert read_lags(first).keys() | read_lags(second).keys() == PARTITIONS
    assert [one.read_metric("prism_partitions_assigned") for one in (first, second)] == [2, 2]
    assert first.read_metric("prism_rebalances_total") >= 2


@pytest.mark.kafka
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_marks_of_transactions_and_open_ones_are_no_lag(kafka_lane: Lane, delivery: str) -> None:
    lane, kafka_broker = kafka_lane, kafka_lane.broker
    topic = lane.settings.input_topic
    send_in_transaction(kafka_broker, topic, range(20), is_committed=True)
    worker = lane.start_worker(PRISM_DELIVERY=delivery)
    worker.wait_until(lambda: worker.read_metric('prism_records_settled_total{outcome="explained"}') == 20, "20")
    wait_for_reading(worker)
    assert lane.read_committed()[0] == 20
    assert read_lags(worker) == dict.fromkeys(PARTITIONS, 0.0)
    opened = send_in_transaction(kafka_broker, topic, range(20, 30), is_committed=False)
    wait_for_reading(worker)
    assert read_lags(worker)[0] == 0
    opened.commit_transaction(30)
    worker.wait_until(lambda: worker.read_metric('prism_records_settled_total{outcome="explained"}') == 30, "30")
    # A worker that starts behind the mark has nothing to do, and says so.
    worker.end()
    following = lane.start_worker(PRISM_DELIVERY=delivery)
    wait_for_reading(following)
    following.wait_until(lambda: read_lags(following) == dict.fromkeys(PARTITIONS, 0.0), "no lag")
