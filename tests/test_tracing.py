"""Spans reach a collector over HTTP as the standard variables say, and a collector that is away delays nobody."""

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stream_app import __version__
from stream_app.tracing import build_provider, close_provider
from tests.collector import run_collector


def test_spans_reach_the_collector_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        provider = build_provider(32)
        provider.get_tracer("test").start_span("process in").end()
        close_provider(provider, 30)
    assert [span.name for span in collector.spans] == ["process in"]
    [sender] = collector.resources
    resource = {one.key: one.value.string_value for one in sender.attributes}
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
