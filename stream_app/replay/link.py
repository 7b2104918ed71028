"""The ports of a run: where records leave, where outcomes come in, and what lies between. Kafka stands behind them."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stream_app.kafka.records import Arrival, OutgoingReplay, Target

__all__ = ["Arrival", "ArrivalArchive", "Link", "OutgoingReplay", "Reader", "Sender", "Target"]


class Sender(Protocol):
    """Puts records on the input topic."""

    def send(self, record: OutgoingReplay) -> None:
        """Take a record over, at once: a slow broker holds nobody up, and what fails later is counted."""
        ...

    async def flush(self, seconds: float) -> int:
        """Wait, at most so long, until the broker has everything; returns how many records it has not accepted."""
        ...


class Reader(Protocol):
    """Reads the output and the dead-letter topic, from where they ended when the run began."""

    async def read(self, seconds: float) -> list[Arrival]:
        """Wait, at most so long, for outcomes; those of one partition come in the order of their offsets."""
        ...


class ArrivalArchive(Reader, Protocol):
    """Reads what both topics had when this was opened; dated by when it was written, in seconds since 1970."""

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was read."""
        ...


class Link(Protocol):
    """A broker, with the topics and the guarantee of the settings. Errors are subclasses of PrismError."""

    async def inspect(self) -> Target:
        """Look at what is there, without changing it."""
        ...

    def open_sender(self, target: Target, *, keeps_partitions: bool) -> AbstractAsyncContextManager[Sender]:
        """Open a sender to the input topic; it keeps the partitions of records, or leaves them to their keys."""
        ...

    def open_outcomes(self) -> AbstractAsyncContextManager[Reader]:
        """Open a reader of what is written from now on."""
        ...

    def open_archive(self, since_ms: int) -> AbstractAsyncContextManager[ArrivalArchive]:
        """Open a reader of what was written since a time, in milliseconds since 1970."""
        ...
