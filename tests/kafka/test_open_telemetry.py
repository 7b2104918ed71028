"""Spans of batches: where they belong, what they say, and what they never say."""

import asyncio
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, get_current_span

from stream_app.core.errors import ModelUnusableError
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.delivery import Delivery, Settlement
from stream_app.kafka.models import Contender, Lineup, Models
from stream_app.kafka.open_telemetry import OpenTelemetryTracing, read_context, write_context
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.publication import SizeLimits
from stream_app.kafka.records import Headers, IncomingRecord
from stream_app.kafka.spans import NO_TRACING, Tracing
from stream_app.settings import Settings
from stream_app.tracing import build_provider, close_provider
from tests.broker.harness import build_event
from tests.fakes import ScriptedGenerator
from tests.kafka.test_delivery import MODEL, NOW, FakeGuarantee

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01".encode()
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00".encode()


class Recorder:
    """Tracing that keeps its spans in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = OpenTelemetryTracing(self._provider, "prism")

    def list_spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name.split(" ")[0] == name]

    def process_spans(self) -> list[ReadableSpan]:
        return sorted(self.list_spans("process"), key=lambda span: read(span, "messaging.kafka.offset"))


def read(span: ReadableSpan, name: str) -> int:
    value = (span.attributes or {})[name]
    assert isinstance(value, int)
    return value


def deliver(
    tracing: Tracing,
    *records: tuple[bytes | None, Headers],
    guarantee: FakeGuarantee | None = None,
    age_seconds: float = 0.0,
) -> Settlement:
    settings = Settings(overload="skip", overload_deadline_seconds=10)
    overload = OverloadPolicy("skip", 10, lambda: 0.0, lambda: NOW)
    pipeline = ExplanationPipeline(ScriptedGenerator())
    models = Models(Lineup(Contender(pipeline, MODEL)))
    delivery = Delivery(settings, models, guarantee or FakeGuarantee(), overload, SizeLimits(), tracing)
    batch = [
        IncomingRecord("in", 3, offset, b"user-key", value, headers, NOW - age_seconds)
        for offset, (value, headers) in enumerate(records)
    ]
    try:
        return asyncio.run(delivery.deliver(batch))
    finally:
        delivery.close()


def test_a_record_has_a_span_in_the_trace_that_its_headers_name() -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(1), (("traceparent", PARENT), ("tracestate", b"vendor=1"))))
    [span] = recorder.process_spans()
    assert span.name == "process in"
    assert span.kind is SpanKind.CONSUMER
    assert span.parent is not None
    assert span.context.trace_id == span.parent.trace_id == int(TRACE, 16)
    assert f"{span.parent.span_id:x}" == "b7ad6b7169203331"
    assert span.context.trace_state.to_header() == "vendor=1"
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "in",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "prism",
        "messaging.message.body.size": len(build_event(1)),
        "prism.outcome": "explained",
    }


def test_a_batch_has_one_generate_span_of_its_own_trace_linked_with_its_records_both_ways() -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(1), (("traceparent", PARENT),)), (build_event(2), ()), (b"{", ()))
    [generate] = recorder.list_spans("generate")
    processes = recorder.process_spans()
    assert generate.parent is None
    assert generate.context.trace_id not in {span.context.trace_id for span in processes}
    assert [link.context for link in generate.links] == [span.context for span in processes]
    assert [[link.context for link in span.links] for span in processes] == [[generate.context]] * 3
    assert read(generate, "messaging.batch.message_count") == 3
    assert generate.start_time is not None
    assert generate.end_time is not None
    for span in processes:
        assert (span.start_time or 0) <= generate.start_time <= generate.end_time <= (span.end_time or 0)


def test_explanations_and_dead_letters_carry_the_context_of_their_record_in_place_of_the_old_one() -> None:
    recorder, guarantee = Recorder(), FakeGuarantee()
    headers: Headers = (("a", b"1"), ("traceparent", PARENT), ("tracestate", b"vendor=1"), ("b", None))
    deliver(recorder.tracing, (build_event(1, items=2), headers), (b"{", headers), guarantee=guarantee)
    explained, rejected = recorder.process_spans()
    for record, span in [*((one, explained) for one in guarantee.explanations), (guarantee.letters[0], rejected)]:
        context = f"00-{TRACE}-{span.context.span_id:016x}-01".encode()
        assert record.headers[:4] == (("a", b"1"), ("b", None), ("traceparent", context), ("tracestate", b"vendor=1"))
        assert [name for name, _ in record.headers].count("traceparent") == 1
    assert len(guarantee.explanations) == 2


def test_dead_letters_are_errors_that_name_their_stage_and_type() -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(1), ()), (b"{", ()))
    explained, rejected = recorder.process_spans()
    assert explained.status.status_code is StatusCode.UNSET
    assert rejected.status.status_code is StatusCode.ERROR
    attributes = dict(rejected.attributes or {})
    assert attributes["prism.outcome"] == "dead_letter"
    assert attributes["prism.dead_letter.stage"] == "decode"
    assert attributes["error.type"] == "DecodeError"


def test_an_expired_record_says_so() -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(1), ()), age_seconds=11)
    [span] = recorder.process_spans()
    assert (span.attributes or {})["prism.outcome"] == "expired"


class BrokenGuarantee(FakeGuarantee):
    """Fails with a message that quotes a record."""

    async def settle(self, parcels: Sequence[object]) -> None:
        raise ModelUnusableError("A Lamp at Sea")


def test_a_batch_that_fails_ends_its_spans_with_the_type_of_the_error_only() -> None:
    recorder = Recorder()
    with pytest.raises(ModelUnusableError):
        deliver(recorder.tracing, (build_event(1), ()), guarantee=BrokenGuarantee())
    [span] = recorder.process_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ModelUnusableError"
    assert "Lamp" not in span.to_json()


def test_spans_hold_nothing_of_keys_values_and_other_headers() -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(7), (("secret-name", b"secret-value"),)), (b'{"user": "bob"', ()))
    told = "".join(span.to_json() for span in [*recorder.process_spans(), *recorder.list_spans("generate")])
    for private in ("user-key", "user/7", "item:7", "event-7", "Quiet Harbour", "A Lamp", "bob", "secret"):
        assert private not in told


def test_what_the_producer_does_not_sample_makes_no_span_and_says_so_to_the_next() -> None:
    recorder, guarantee = Recorder(), FakeGuarantee()
    deliver(recorder.tracing, (build_event(1), (("traceparent", UNSAMPLED),)), guarantee=guarantee)
    assert recorder.process_spans() == recorder.list_spans("generate") == []
    passed_on = dict(guarantee.explanations[0].headers)["traceparent"] or b""
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", passed_on.decode())


@pytest.mark.parametrize(
    "parent",
    [
        None,
        b"",
        b"nonsense",
        b"\xff\xfe",
        PARENT[:-1],
        PARENT.upper(),
        PARENT + b"-more",
        b"ff" + PARENT[2:],
        b"00-" + b"0" * 32 + PARENT[35:],
        PARENT + b" " * 500,
    ],
)
def test_a_bad_traceparent_is_ignored_and_the_record_begins_a_trace(
    parent: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    recorder, guarantee = Recorder(), FakeGuarantee()
    deliver(recorder.tracing, (build_event(1), (("traceparent", parent),)), guarantee=guarantee)
    [span] = recorder.process_spans()
    assert span.parent is None
    [context] = [value or b"" for name, value in guarantee.explanations[0].headers if name == "traceparent"]
    # The last two digits are flags: sampled, and from some version on that the number is random.
    assert context[:-2] == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-".encode()
    assert int(context[-2:], 16) & 1
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


@pytest.mark.parametrize("state", [None, b"\xff", b"=", b"a=1,a=2", b"Name Of A User=1", b"a=" + b"1" * 600])
def test_a_bad_tracestate_is_dropped_unread(state: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    deliver(recorder.tracing, (build_event(1), (("traceparent", PARENT), ("tracestate", state))))
    [span] = recorder.process_spans()
    assert span.parent is not None
    assert len(span.context.trace_state) == 0
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


def test_of_several_traceparents_the_last_one_counts() -> None:
    other = PARENT.replace(b"b7ad", b"1111")
    span = get_current_span(read_context((("traceparent", PARENT), ("traceparent", other))))
    assert f"{span.get_span_context().span_id:x}" == "11116b7169203331"


NAMES = st.sampled_from(["traceparent", "tracestate", "other"])
VALUES = st.none() | st.binary(max_size=80) | st.just(PARENT) | st.text("ab=, ", max_size=20).map(str.encode)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_no_header_whatever_it_holds_stops_the_tracing(headers: list[tuple[str, bytes | None]]) -> None:
    span = get_current_span(read_context(tuple(headers)))
    written = write_context(tuple(headers), span)
    assert [one for one in written if one[0] == "other"] == [one for one in headers if one[0] == "other"]
    expected = 0 if span is INVALID_SPAN else 1
    assert [name for name, _ in written].count("traceparent") == expected


class FailingExporter(SpanExporter):
    """Raises whatever it is given."""

    def __init__(self) -> None:
        self.calls = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        raise OSError("the collector is away")


def test_an_export_that_fails_stops_nothing() -> None:
    exporter, guarantee = FailingExporter(), FakeGuarantee()
    provider = build_provider(32, exporter)
    settlement = deliver(OpenTelemetryTracing(provider, "prism"), (build_event(1), ()), guarantee=guarantee)
    close_provider(provider)
    assert settlement.outcomes["explained"] == len(guarantee.explanations) == 1
    assert exporter.calls == 1


def test_a_batch_of_the_largest_size_keeps_all_its_links() -> None:
    exporter = InMemorySpanExporter()
    tracing = OpenTelemetryTracing(build_provider(1_000, exporter), "prism")
    deliver(tracing, *[(b"{", ())] * 1_000)
    tracing.close()
    [generate] = [span for span in exporter.get_finished_spans() if span.name == "generate"]
    assert len(generate.links) == 1_000


def test_with_tracing_keys_and_values_are_the_same_bytes_as_without() -> None:
    plain, traced = FakeGuarantee(), FakeGuarantee()
    for guarantee, tracing in ((plain, NO_TRACING), (traced, Recorder().tracing)):
        deliver(tracing, (build_event(1, items=2), (("traceparent", PARENT),)), (b"{", ()), guarantee=guarantee)
    assert [(one.key, one.value) for one in plain.explanations + plain.letters] == [
        (one.key, one.value) for one in traced.explanations + traced.letters
    ]
