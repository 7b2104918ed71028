"""The trace of a batch, as the delivery sees it; and the one that traces nothing, which costs nothing.

With `PRISM_TRACING=otlp`, `open_telemetry.py` makes a span for each record and one for what they have in common.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from stream_app.core.events import DeadLetter
from stream_app.kafka.records import IncomingRecord
from stream_app.settings import Settings, SettingsError

_NOTHING: Final = nullcontext()


class BatchTrace(Protocol):
    """The spans of one batch."""

    @property
    def records(self) -> Sequence[IncomingRecord]:
        """The records of the batch; what is made of their headers carries the trace on."""
        ...

    def time_generation(self) -> AbstractContextManager[None]:
        """Take the time of what is done for all records at once."""
        ...

    def note_letters(self, letters: Iterable[DeadLetter | None]) -> None:
        """Note for each record, in order, with which dead letter it was settled; None: with explanations only."""
        ...


class Tracing(Protocol):
    """What begins the trace of a batch."""

    def trace_batch(self, records: Sequence[IncomingRecord]) -> AbstractContextManager[BatchTrace]:
        """Trace a batch from here until the block is left; an error that leaves the block is noted."""
        ...

    def close(self) -> None:
        """Export what is left, within a few seconds."""
        ...


@dataclass(frozen=True, slots=True)
class _Untraced:
    records: Sequence[IncomingRecord]

    def time_generation(self) -> AbstractContextManager[None]:
        return _NOTHING

    def note_letters(self, letters: Iterable[DeadLetter | None]) -> None:
        del letters


class NoTracing:
    """Traces nothing."""

    def trace_batch(self, records: Sequence[IncomingRecord]) -> AbstractContextManager[BatchTrace]:
        """Give the records back as they are."""
        return nullcontext(_Untraced(records))

    def close(self) -> None:
        """Do nothing."""


NO_TRACING: Final[Tracing] = NoTracing()


def build_tracing(settings: Settings) -> Tracing:
    """Build the tracing that the settings ask for.

    Raises:
        SettingsError: it needs the extra `tracing`, which is not installed.
    """
    if settings.tracing == "off":
        return NO_TRACING
    try:
        from stream_app.kafka.open_telemetry import OpenTelemetryTracing
        from stream_app.tracing import build_provider
    except ModuleNotFoundError as error:
        message = f"PRISM_TRACING={settings.tracing} needs {error.name}: pip install 'prism-explain[tracing]'"
        raise SettingsError(message) from error
    return OpenTelemetryTracing(build_provider(max_links=settings.batch_records), settings.consumer_group)
