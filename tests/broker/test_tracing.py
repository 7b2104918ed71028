"""A worker that traces: spans reach a collector, outputs carry the trace on, and neither depends on the other."""

import re
import signal
from collections.abc import Iterator

import pytest

from stream_app.exit_codes import ExitCode
from tests.broker.harness import Lane, Record, build_events
from tests.collector import Collector, run_collector

EVENTS = [*build_events(20), ("malformed", b"{")]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with run_collector() as one:
        yield one


def explain(lane: Lane, endpoint: str) -> list[Record]:
    """Let a worker settle all events and end in order."""
    lane.send(EVENTS)
    worker = lane.start_worker(PRISM_TRACING="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    worker.wait_until_ready()
    outputs, letters = lane.read_all_of({identity for identity, _ in EVENTS})
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "all is committed")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == ExitCode.OK, worker.read_log()
    assert (len(outputs), len(letters)) == (20, 1)
    return outputs + letters


def read_parent(record: Record) -> tuple[str, str]:
    """Read the trace and the span that a record says it came from."""
    [context] = [value or b"" for name, value in record.headers if name == "traceparent"]
    found = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[0-9a-f]", context.decode())
    assert found is not None
    return found[1], found[2]


def test_every_output_belongs_to_a_span_that_the_collector_has(lane: Lane, collector: Collector) -> None:
    written = explain(lane, collector.endpoint)
    process = [span for span in collector.spans if span.name == f"process {lane.settings.input_topic}"]
    generate = [span for span in collector.spans if span.name == "generate"]
    known = {(span.trace_id.hex(), span.span_id.hex()) for span in process}
    assert len(process) == len(EVENTS)
    assert {read_parent(record) for record in written} == known
    assert sorted(link.span_id for span in generate for link in span.links) == sorted(span.span_id for span in process)


def test_without_a_collector_everything_is_settled_all_the_same(lane: Lane) -> None:
    # A port that nobody listens on: the discard service's.
    written = explain(lane, "http://127.0.0.1:9")
    assert len({read_parent(record) for record in written}) == len(EVENTS)
