"""`prism replay record`: from a topic to a file, by a range of times or offsets, with or without its users."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stream_app.kafka.records import IncomingRecord
from stream_app.replay.anonymise import Anonymiser
from stream_app.replay.capture import Selection, capture
from stream_app.replay.recording import RecordedRecord, RecordingError, RecordingWriter


class TopicReader(Protocol):
    """A topic, read from where the recording begins."""

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was read; never where there is no end."""
        ...

    async def read(self, seconds: float) -> list[IncomingRecord]:
        """Read what is there; waits at most so long."""
        ...


@dataclass(frozen=True, slots=True)
class RecordPlan:
    """What to record."""

    path: Path
    selection: Selection
    anonymiser: Anonymiser | None = None
    ends_at: float | None = None
    """When a live recording is over, in seconds since 1970."""


class RecordedSource:
    """Hands on what is read in the form that a recording has."""

    def __init__(self, reader: TopicReader) -> None:
        self._reader = reader

    @property
    def is_exhausted(self) -> bool:
        """Whether everything was read."""
        return self._reader.is_exhausted

    async def read(self, seconds: float) -> list[RecordedRecord]:
        """Read what is there; waits at most so long."""
        return [_convert(record) for record in await self._reader.read(seconds)]


def _convert(record: IncomingRecord) -> RecordedRecord:
    timestamp_ms = round((record.timestamp_seconds or 0.0) * 1000)
    return RecordedRecord(record.partition, record.offset, timestamp_ms, record.key, record.value, record.headers)


async def record(
    plan: RecordPlan,
    source: AbstractAsyncContextManager[TopicReader],
    *,
    is_told_to_end: Callable[[], bool],
    wall_clock: Callable[[], float],
    report: Callable[[int], object] | None = None,
) -> int:
    """Record; returns how many records were written.

    Args:
        plan: what to record.
        source: the topic.
        is_told_to_end: asked after each read; what was read until then is a complete recording.
        wall_clock: seconds since 1970.
        report: is told how many records were selected so far.

    Raises:
        PrismError: the topic cannot be read, or the file not be written.
    """

    def is_over() -> bool:
        return is_told_to_end() or (plan.ends_at is not None and wall_clock() >= plan.ends_at)

    async with source as reader:
        with RecordingWriter(plan.path) as writer:
            return await capture(
                RecordedSource(reader),
                writer,
                until=is_over,
                selection=plan.selection,
                change=plan.anonymiser.anonymise if plan.anonymiser else None,
                report=report,
            )


def read_salt(path: Path) -> str:
    """Read a salt from its file: a secret has no place on a command line.

    Raises:
        RecordingError: it cannot be read, or is empty.
    """
    try:
        salt = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"cannot read the salt from {path}: {error}") from error
    if not salt:
        raise RecordingError(f"{path} is empty: a salt is needed")
    return salt


def build_selection(begin: int | datetime | None, end: "int | datetime | None") -> Selection:
    """Build a selection from offsets, times or both."""
    return Selection(
        begin_ms=_to_milliseconds(begin),
        end_ms=_to_milliseconds(end),
        begin_offset=begin if isinstance(begin, int) else None,
        end_offset=end if isinstance(end, int) else None,
    )


def _to_milliseconds(bound: int | datetime | None) -> int | None:
    return int(bound.timestamp() * 1000) if isinstance(bound, datetime) else None
