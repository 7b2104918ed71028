"""Spans reach a collector over HTTP as the standard variables say, and a collector that is away delays nobody."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stream_app import __version__
from stream_app.tracing import build_provider, close_provider


@contextmanager
def run_collector() -> Iterator[tuple[int, list[ExportTraceServiceRequest]]]:
    received: list[ExportTraceServiceRequest] = []

    class Request(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Request) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, received
        finally:
            server.shutdown()
            thread.join()


def test_spans_reach_the_collector_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_collector() as (port, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        provider = build_provider(32)
        provider.get_tracer("test").start_span("process in").end()
        close_provider(provider, 30)
    [request] = received
    [spans] = request.resource_spans
    assert [span.name for scope in spans.scope_spans for span in scope.spans] == ["process in"]
    resource = {one.key: one.value.string_value for one in spans.resource.attributes}
    assert (resource["service.name"], resource["service.version"]) == ("prism", __version__)


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "explanations-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod")
    provider = build_provider(32)
    close_provider(provider)
    assert provider.resource.attributes["service.name"] == "explanations-eu"
    assert provider.resource.attributes["deployment.environment.name"] == "prod"


class StuckExporter(SpanExporter):
    """Waits for a collector that does not answer until the test is over."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.done = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.answer.wait(60)
        self.done.set()
        return SpanExportResult.FAILURE


def test_a_collector_that_never_answers_is_not_waited_for() -> None:
    exporter = StuckExporter()
    provider = build_provider(32, exporter)
    tracer = provider.get_tracer("test")
    # More than a queue holds: no span that ends waits for room.
    for _ in range(3_000):
        tracer.start_span("process in").end()
    close_provider(provider, 0.01)
    assert not exporter.done.is_set()
    exporter.answer.set()
    assert exporter.done.wait(60)


@pytest.mark.parametrize(("limit", "expected"), [(None, 1_000), ("7", 7)])
def test_a_span_may_have_as_many_links_as_a_batch_has_records_unless_the_environment_says_less(
    monkeypatch: pytest.MonkeyPatch, limit: str | None, expected: int
) -> None:
    if limit:
        monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", limit)
    provider = build_provider(1_000)
    close_provider(provider)
    assert provider._span_limits.max_links == expected
