"""Spans by OpenTelemetry's conventions for messaging: one `process` span a record, one `generate` span a batch.

```text
producer's trace:  ... -> process <input topic>  -> whoever consumes the explanations
                             |  links, both ways
batch's own trace:        generate
```

A batch has many parents, and a span only one: hence links. Attributes say where a record came from and how it ended;
never its key, which may be a user's id, nor anything of its value or of other headers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from stream_app import __version__
from stream_app.core.events import DeadLetter
from stream_app.kafka.overload import EXPIRED_STAGE
from stream_app.kafka.records import Headers, IncomingRecord
from stream_app.tracing import close_provider

GENERATE: Final = "generate"
PROCESS: Final = "process"
TRACE_PARENT: Final = "traceparent"
TRACE_STATE: Final = "tracestate"
MAX_CONTEXT_BYTES: Final = 512
"""What W3C's recommendation asks everyone to pass on of a tracestate; a traceparent has 55."""

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_STATE_MEMBER: Final = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


class OpenTelemetryTracing:
    """Traces batches.

    Args:
        provider: makes the tracer; closed with this.
        consumer_group: named by the spans.
    """

    def __init__(self, provider: TracerProvider, consumer_group: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("prism", __version__)
        self._consumer_group = consumer_group

    @contextmanager
    def trace_batch(self, records: Sequence[IncomingRecord]) -> "Iterator[Batch]":
        """Trace a batch from here until the block is left; an error that leaves the block is noted."""
        spans = [self._begin(record) for record in records]
        try:
            yield Batch(self._tracer, records, spans)
        except BaseException as error:
            for span in spans:
                _note_error(span, type(error).__name__)
            raise
        finally:
            for span in spans:
                span.end()

    def close(self) -> None:
        """Export what is left, within a few seconds."""
        close_provider(self._provider)

    def _begin(self, record: IncomingRecord) -> Span:
        return self._tracer.start_span(
            f"{PROCESS} {record.topic}",
            context=read_context(record.headers),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.name": PROCESS,
                "messaging.operation.type": PROCESS,
                "messaging.destination.name": record.topic,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                "messaging.consumer.group.name": self._consumer_group,
                "messaging.message.body.size": len(record.value or b""),
            },
        )


class Batch:
    """The spans of one batch; see BatchTrace."""

    def __init__(self, tracer: Tracer, records: Sequence[IncomingRecord], spans: Sequence[Span]) -> None:
        self._tracer = tracer
        self._spans = spans
        self.records: Sequence[IncomingRecord] = [
            replace(record, headers=write_context(record.headers, span))
            for record, span in zip(records, spans, strict=True)
        ]
        """The records, with the context of their spans in place of the one that they came with."""

    @contextmanager
    def time_generation(self) -> Iterator[None]:
        """Make the `generate` span of the batch, unless no record of it is sampled."""
        sampled = [span for span in self._spans if span.is_recording()]
        if not sampled:
            yield
            return
        links = [Link(span.get_span_context()) for span in sampled]
        # Without a parent, whatever the context of the caller: none of the records is more its parent than the others.
        attributes = {"messaging.batch.message_count": len(self._spans)}
        generate = self._tracer.start_span(GENERATE, context=Context(), links=links, attributes=attributes)
        for span in sampled:
            span.add_link(generate.get_span_context())
        try:
            yield
        except BaseException as error:
            _note_error(generate, type(error).__name__)
            raise
        finally:
            generate.end()

    def note_letters(self, letters: Iterable[DeadLetter | None]) -> None:
        """Note how each record ended, in order."""
        for span, letter in zip(self._spans, letters, strict=True):
            if letter is None:
                span.set_attribute("prism.outcome", "explained")
                continue
            is_expired = letter.stage == EXPIRED_STAGE
            span.set_attribute("prism.outcome", "expired" if is_expired else "dead_letter")
            span.set_attribute("prism.dead_letter.stage", letter.stage)
            _note_error(span, letter.error)


def _note_error(span: Span, error: str) -> None:
    # Without a message: that of an exception may quote a record.
    span.set_attribute("error.type", error)
    span.set_status(Status(StatusCode.ERROR))


class _HeaderGetter(Getter[Headers]):
    """Reads headers of a record; what is no text, or not what the recommendation allows, is as if it were not there."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        # The last one counts, as for Kafka's own clients.
        found = [value for name, value in carrier if name == key and value is not None][-1:]
        texts = [value.decode("ascii") for value in found if value.isascii() and len(value) <= MAX_CONTEXT_BYTES]
        # The library logs what it finds in a bad tracestate.
        return [text for text in texts if key != TRACE_STATE or _is_trace_state(text)] or None

    def keys(self, carrier: Headers) -> list[str]:
        return [name for name, _ in carrier]


def _is_trace_state(text: str) -> bool:
    members = [_STATE_MEMBER.fullmatch(member.strip(" \t")) for member in text.split(",")]
    names = [member[1] for member in members if member]
    return len(names) == len(members) == len(set(names)) <= 32


_GETTER: Final = _HeaderGetter()


def read_context(headers: Headers) -> Context:
    """Read the trace that a record belongs to; what cannot be read is ignored, and the record begins a trace."""
    return _PROPAGATOR.extract(headers, Context(), _GETTER)


def write_context(headers: Headers, span: Span) -> Headers:
    """Write a span's context into headers, in place of the one that they had; the other headers stay as they are."""
    written: dict[str, str] = {}
    _PROPAGATOR.inject(written, set_span_in_context(span, Context()))
    kept = (header for header in headers if header[0] not in (TRACE_PARENT, TRACE_STATE))
    return (*kept, *((name, text.encode("ascii")) for name, text in written.items()))
