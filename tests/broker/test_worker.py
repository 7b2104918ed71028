"""What the worker promises, on the embedded broker and on a real Apache Kafka."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stream_app.kafka.records import encode_key
from tests.broker.conftest import build_lane
from tests.broker.harness import Broker, Lane, Record, WorkerProcess, build_event, build_events, collect_ids

MALFORMED = {
    "not-json": b"{",
    "no-value": None,
    "empty": b"",
    "not-utf-8": b'{"event_id": "\xff"}',
    "lone-surrogate": b'{"event_id": "\\ud800"}',
    "mistyped": build_event(1, event_id=7),
    "no-items": build_event(2, items=0),
    "too-deep": b"[" * 40 + b"]" * 40,
    "too-large-in-memory": b'{"a":' + b"[" * 200_000,
}
EVENTS = 300


@dataclass(frozen=True)
class Run:
    """One worker's work on good and malformed records, read back."""

    sent: dict[str, bytes | None]
    inputs: list[Record]
    outputs: list[Record]
    letters: list[Record]
    metrics: dict[str, float]
    log: list[dict[str, object]]


@pytest.fixture(scope="module")
def run(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    lane = build_lane(broker, "mixed-records", tmp_path_factory.mktemp("run"))
    lane.create_topics()
    events = build_events(EVENTS, items=2)
    sent = [*events[:100], *MALFORMED.items(), *events[100:]]
    worker = lane.start_worker()
    try:
        lane.send(sent)
        worker.wait_until_ready()
        outputs, letters = lane.read_until(
            lambda outputs, letters: len(outputs) >= 2 * EVENTS and len(letters) >= len(MALFORMED)
        )
        worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "nothing is in flight")
        yield Run(dict(sent), lane.read_inputs(), outputs, letters, read_metrics(worker), worker.read_entries())
    finally:
        worker.end()


def read_metrics(worker: WorkerProcess) -> dict[str, float]:
    lines = worker.get("/metrics")[1].decode().splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(number) for name, _, number in samples}


def test_every_record_has_its_outcome_and_malformed_ones_become_dead_letters(run: Run) -> None:
    assert collect_ids(run.letters) == set(MALFORMED)
    assert collect_ids(run.outputs) == set(run.sent) - set(MALFORMED)
    assert len(run.outputs) == 2 * EVENTS
    assert len(run.letters) == len(MALFORMED)


def test_outputs_carry_key_headers_source_and_timing(run: Run) -> None:
    inputs = {record.id: record for record in run.inputs}
    for record in run.outputs:
        value = json.loads(record.value or b"")
        headers = dict(record.headers[3:])
        assert value["event_id"] == record.id
        assert record.key == encode_key(value["user_id"], value["item_id"])
        assert record.headers[:3] == inputs[record.id].headers
        partition, offset = inputs[record.id].offset
        assert headers["prism.source.partition"] == str(partition).encode()
        assert headers["prism.source.offset"] == str(offset).encode()
        assert float(headers["prism-inference-seconds"] or b"-1") > 0
        assert (headers["prism-generated-at"] or b"").startswith(b"20")


def test_dead_letters_keep_the_record_byte_for_byte(run: Run) -> None:
    inputs = {record.id: record for record in run.inputs}
    for letter in run.letters:
        original = inputs[letter.id]
        reasons = dict(letter.headers[len(original.headers) :])
        assert (letter.key, letter.value) == (original.key, original.value)
        assert letter.headers[: len(original.headers)] == original.headers
        assert reasons["prism.dlq.stage"] in (b"decode", b"schema")
        assert reasons["prism.dlq.model"] == b"fake/1"
        assert reasons["prism.dlq.offset"] == str(original.offset[1]).encode()
        assert reasons["prism.dlq.message"]


def test_metrics_agree_with_the_topics(run: Run) -> None:
    assert run.metrics["prism_records_received_total"] == len(run.sent)
    assert run.metrics['prism_records_settled_total{outcome="explained"}'] == EVENTS
    assert run.metrics['prism_records_settled_total{outcome="dead_letter"}'] == len(MALFORMED)
    sources = [json.loads(record.value or b"")["source"] for record in run.outputs]
    for source in ("model", "template"):
        assert run.metrics[f'prism_explanations_total{{source="{source}"}}'] == sources.count(source)
    assert run.metrics['prism_model_info{name="fake",role="serving",version="1"}'] == 1
    assert run.metrics["prism_commits_total"] >= 1
    assert run.metrics["prism_end_to_end_seconds_count"] == len(run.sent)


def test_logs_hold_no_text_title_or_user_of_any_record(run: Run) -> None:
    log = json.dumps(run.log)
    assert "Quiet Harbour" not in log
    assert "Lamp at Sea" not in log
    assert "user/" not in log


def test_kill_9_in_the_middle_loses_nothing_and_repeats_bit_for_bit(lane: Lane) -> None:
    events = build_events(2_400)
    lane.send(events)
    for settled in (300, 900):
        worker = lane.start_worker(delay_seconds=0.01)
        lane.read_until(lambda outputs, _, settled=settled: len(collect_ids(outputs)) >= settled)  # type: ignore[misc]
        worker.signal(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL
    lane.start_worker()
    outputs, letters = lane.read_all_of({identity for identity, _ in events})
    values: dict[bytes, bytes | None] = {}
    for record in outputs:
        assert values.setdefault(record.key or b"", record.value) == record.value
    assert not letters
    assert collect_ids(outputs) == {identity for identity, _ in events}
    assert len(outputs) <= len(events) + 2 * 32  # At most the batch in flight, for each kill.


def test_sigterm_settles_what_is_in_flight_and_exits_0(lane: Lane) -> None:
    lane.send(build_events(1_000))
    worker = lane.start_worker(delay_seconds=0.1)
    lane.read_until(lambda outputs, _: len(outputs) >= 100)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == os.EX_OK, worker.read_log()
    committed = lane.read_committed()
    settled = {one.id for one in lane.read_inputs() if one.offset[1] < committed.get(one.offset[0], 0)}
    outputs, _ = lane.read_all_of(settled)
    # Everything published is committed: the next worker repeats nothing.
    assert collect_ids(outputs) == settled
    assert 100 <= len(settled) < 1_000
    assert len(outputs) == len(settled)


def test_a_batch_longer_than_the_drain_budget_ends_the_process_with_75(lane: Lane) -> None:
    lane.send(build_events(5))
    worker = lane.start_worker(delay_seconds=60, PRISM_DRAIN_SECONDS="1")
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") > 0, "a batch is at work")
    worker.signal(signal.SIGTERM)
    worker.wait_until(lambda: worker.get("/readyz")[0] == 503, "not ready while draining")
    assert worker.wait() == os.EX_TEMPFAIL
    assert not any(lane.read_committed().values())


def test_a_second_sigterm_ends_the_process_at_once(lane: Lane) -> None:
    lane.send(build_events(5))
    worker = lane.start_worker(delay_seconds=60, PRISM_DRAIN_SECONDS="60")
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") > 0, "a batch is at work")
    worker.signal(signal.SIGTERM)
    worker.wait_until(lambda: worker.get("/readyz")[0] == 503, "not ready while draining")
    worker.signal(signal.SIGTERM)
    assert worker.wait(5) == os.EX_TEMPFAIL


def test_topics_are_created_once(lane: Lane) -> None:
    assert lane.create_topics() == []


def test_an_unreachable_broker_ends_the_worker_with_69_and_one_clear_line(lane: Lane) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        worker = lane.start_worker(PRISM_BOOTSTRAP_SERVERS=f"127.0.0.1:{unused.getsockname()[1]}")
        assert worker.wait() == os.EX_UNAVAILABLE
    [entry] = [entry for entry in worker.read_entries() if entry["level"] == "critical"]
    assert entry["message"] == "broker_unreachable"
