"""OpenTelemetry's side of tracing: where spans go. Needs the extra `tracing`; imported only where tracing is on.

The standard OTEL_* variables say where and how: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER,
OTEL_BSP_*. Nothing global is set, so that no library adds spans of its own.
"""

import os
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_SPAN_LINK_COUNT_LIMIT
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from stream_app import __version__

DEFAULT_SERVICE_NAME: Final = "prism"
CLOSE_SECONDS: Final = 3.0
"""How long the end of the process waits for the last spans. An exporter tries a collector that is away for longer."""


def build_provider(max_links: int, exporter: SpanExporter | None = None) -> TracerProvider:
    """Build what makes tracers, with a thread that exports: a collector that is slow or away delays no record.

    Args:
        max_links: how many records a batch may have; unless OTEL_SPAN_LINK_COUNT_LIMIT says otherwise, a span may have
            as many links. The library's own limit of 128 drops the rest in silence.
        exporter: where spans go; by default OTLP over HTTP, as the environment says.
    """
    limit = None if os.environ.get(OTEL_SPAN_LINK_COUNT_LIMIT) else max_links
    provider = TracerProvider(
        resource=_build_resource(),
        span_limits=SpanLimits(max_links=limit),
        # At the interpreter's end it would wait half a minute for a collector that is away; see close_provider.
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
    return provider


def close_provider(provider: TracerProvider, seconds: float = CLOSE_SECONDS) -> None:
    """Export what is left, if that goes fast; what the collector does not take in time is lost."""
    closing = threading.Thread(target=provider.shutdown, name="prism-tracing-close", daemon=True)
    closing.start()
    closing.join(seconds)


def _build_resource() -> Resource:
    # The environment's names win; Resource.create alone would let ours win.
    own = {SERVICE_NAME: DEFAULT_SERVICE_NAME, SERVICE_VERSION: __version__}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})
