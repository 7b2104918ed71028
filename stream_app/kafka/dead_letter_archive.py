"""The dead-letter topic as it is read: each letter taken apart again, filters, and the way through all partitions."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.clients import BrokerUnreachableError, build_security, find_denial, open_admin
from stream_app.kafka.dead_letters import HEADER_PREFIX, HEADERS_DROPPED, KEY_CUT, NULL_VALUE, VALUE_CUT
from stream_app.kafka.records import HEADER_SOURCE_PARTITION, HEADER_SOURCE_TOPIC, Headers
from stream_app.settings import Settings

START_SECONDS: Final = 60.0
"""How long a client may take to start; joining a group waits for the session of a member that was killed."""
READ_SECONDS: Final = 60.0
"""How long nothing may come although there is more to read."""
POLL_MILLISECONDS: Final = 500
READ_RECORDS: Final = 500
SECONDS_PER_UNIT: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ToolUsageError(PrismError):
    """What was asked for cannot be done; the message says what to ask for instead."""

    exit_code = ExitCode.USAGE


class TopicMissingError(PrismError):
    """The dead-letter topic does not exist."""

    exit_code = ExitCode.CONFIGURATION


@dataclass(frozen=True, slots=True)
class ArchivedLetter:
    """One record of the dead-letter topic."""

    partition: int
    offset: int
    timestamp_milliseconds: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def name(self) -> str:
        """What people call it: `partition:offset`."""
        return f"{self.partition}:{self.offset}"

    @property
    def written_at(self) -> str:
        """When it was written, RFC 3339."""
        try:
            return (EPOCH + timedelta(milliseconds=self.timestamp_milliseconds)).isoformat(timespec="milliseconds")
        except OverflowError:
            return "-"

    @property
    def original_headers(self) -> Headers:
        """The headers that the record had before it became a dead letter."""
        return self.headers[: self._border]

    @property
    def source(self) -> tuple[str, int] | None:
        """Topic and partition that the record came from; None: it was not this product that wrote the letter."""
        topic, partition = (dict(self._added).get(name) for name in (HEADER_SOURCE_TOPIC, HEADER_SOURCE_PARTITION))
        if not topic or not partition or not partition.isdigit():
            return None
        return topic.decode("utf-8", "replace"), int(partition)

    @property
    def size(self) -> int:
        """How many bytes key and value have."""
        return len(self.key or b"") + len(self.value or b"")

    @property
    def losses(self) -> tuple[str, ...]:
        """What was cut off, in words; empty for a letter that is whole."""
        words = {
            VALUE_CUT: "the value was cut from {} bytes",
            HEADERS_DROPPED: "{} headers were dropped",
            KEY_CUT: "the key was cut from {} bytes",
        }
        return tuple(text.format(number) for name, text in words.items() if (number := self.read(name)))

    @property
    def has_null_value(self) -> bool:
        """Whether the original record had neither key nor value."""
        return self.read(NULL_VALUE) is not None

    def read(self, name: str) -> str | None:
        """Read one of the reasons, such as `stage`; None where it is not given."""
        value = dict(self._added).get(f"{HEADER_PREFIX}{name}")
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def _added(self) -> Headers:
        return () if self._border is None else self.headers[self._border :]

    @property
    def _border(self) -> int | None:
        # The record itself may have headers of the same names: what was added begins with the last of this one.
        names = [name for name, _ in self.headers]
        return None if HEADER_SOURCE_TOPIC not in names else len(names) - 1 - names[::-1].index(HEADER_SOURCE_TOPIC)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; what is None, all fulfil. `since` is included, `until` is not."""

    stage: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, letter: ArchivedLetter) -> bool:
        """Whether a letter is meant. Times are those at which letters were written."""
        written = letter.timestamp_milliseconds
        return (
            self.stage in (None, letter.read("stage"))
            and self.error in (None, letter.read("error"))
            and (self.since is None or written >= self.since.timestamp() * 1000)
            and (self.until is None or written < self.until.timestamp() * 1000)
        )


def parse_moment(text: str, now: datetime) -> datetime:
    """Parse `2026-03-01T12:00:00Z`, or `90s`, `15m`, `2h` or `3d` before now.

    Raises:
        ToolUsageError: it is neither.
    """
    try:
        if past := re.fullmatch(r"([0-9]+)([smhd])", text):
            return now - timedelta(seconds=int(past[1]) * SECONDS_PER_UNIT[past[2]])
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        moment = datetime.min
    if moment.tzinfo is None:
        raise ToolUsageError(f"{text!r} is no time: write 2026-03-01T12:00:00Z, or 2h for two hours ago")
    return moment


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets of one partition that can be read, as they were when this was asked for; the end is not included."""

    partition: int
    begin: int
    end: int


class Archive:
    """The dead-letter topic, read partition by partition, oldest first, up to a fixed end."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self._consumer = consumer
        self._topic = topic

    async def list_spans(self) -> list[Span]:
        """List what every partition has now."""
        partitions = [TopicPartition(self._topic, one) for one in self._consumer.partitions_for_topic(self._topic)]
        begins = await self._consumer.beginning_offsets(partitions)
        ends = await self._consumer.end_offsets(partitions)
        return [Span(one.partition, begins[one], ends[one]) for one in sorted(partitions)]

    async def read(self, span: Span) -> AsyncGenerator[ArchivedLetter]:
        """Read the letters of a span.

        Raises:
            BrokerUnreachableError: nothing comes although there is more.
        """
        partition = TopicPartition(self._topic, span.partition)
        # The other partitions would be fetched ahead, for nothing.
        self._consumer.pause(*self._consumer.assignment())
        self._consumer.resume(partition)
        self._consumer.seek(partition, span.begin)
        last_progress = time.monotonic()
        # The position, not the last letter: the end of a partition may be the mark of a transaction.
        while (position := await self._consumer.position(partition)) < span.end:
            batch = await self._consumer.getmany(partition, timeout_ms=POLL_MILLISECONDS, max_records=READ_RECORDS)
            for message in batch.get(partition, ()):
                if message.offset < span.end:
                    yield _take(message)
            if await self._consumer.position(partition) > position:
                last_progress = time.monotonic()
            elif time.monotonic() - last_progress > READ_SECONDS:
                raise BrokerUnreachableError(f"nothing came of {self._topic}-{span.partition} in {READ_SECONDS:.0f} s")


def _take(message: Any) -> ArchivedLetter:
    return ArchivedLetter(
        message.partition, message.offset, message.timestamp, message.key, message.value, tuple(message.headers)
    )


@asynccontextmanager
async def open_archive(settings: Settings) -> AsyncIterator[Archive]:
    """Open the dead-letter topic for reading, without any group.

    Raises:
        TopicMissingError: there is no such topic.
        BrokerUnreachableError, PermissionDeniedError: what the broker says, here or while reading.
    """
    topic = settings.dead_letter_topic
    # Asked of the administration first: a consumer's own question may create the topic.
    ensure_topic(topic, await list_topics(settings))
    consumer = AIOKafkaConsumer(topic, group_id=None, **build_reader_arguments(settings))
    async with translate_errors(), run_client(consumer):
        yield Archive(consumer, topic)


async def list_topics(settings: Settings) -> set[str]:
    """List the topics that this user may see."""
    async with open_admin(settings) as admin:
        return set(await admin.list_topics())


def ensure_topic(topic: str, existing: Iterable[str]) -> None:
    """Ensure that the dead-letter topic exists.

    Raises:
        TopicMissingError: it does not.
    """
    if topic not in existing:
        raise TopicMissingError(f"there is no topic {topic} (PRISM_DEAD_LETTER_TOPIC), or this user may not see it")


def build_reader_arguments(settings: Settings) -> dict[str, Any]:
    """Build the arguments of a consumer that reads the dead-letter topic and commits nothing by itself."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        **build_security(settings).build_aiokafka_arguments(),
    }


@asynccontextmanager
async def run_client(client: Any) -> AsyncIterator[None]:
    """Start a consumer or producer, and stop it at the end."""
    try:
        async with asyncio.timeout(START_SECONDS):
            await client.start()
        yield
    finally:
        await client.stop()


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Turn what aiokafka raises into the errors that the command line knows."""
    try:
        yield
    except BrokenPipeError:
        raise  # Of our own output: who reads it has seen enough.
    except (KafkaError, OSError, TimeoutError) as error:
        if denial := find_denial(error):
            raise denial from error
        reason = str(error) or type(error).__name__
        raise BrokerUnreachableError(f"the broker did not do what was asked: {reason}") from error
