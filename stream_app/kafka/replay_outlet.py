"""The two ends of a replay: the producer that sends letters back, and the group that remembers how far it came.

The replay joins its group like a consumer, so that a second one at the same time shows: it gets partitions too. Kafka
forgets the progress of a group that nobody uses (`offsets.retention.minutes`, 7 days by default).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

from stream_app.kafka.clients import MAX_REQUEST_BYTES, build_security, open_admin
from stream_app.kafka.dead_letter_archive import (
    START_SECONDS,
    Archive,
    ToolUsageError,
    build_reader_arguments,
    open_archive,
    run_client,
    translate_errors,
)
from stream_app.kafka.dead_letter_replay import Outlet, Resending
from stream_app.kafka.replay_progress import Progress, parse_progress
from stream_app.settings import Settings

SESSION_MILLISECONDS: Final = 10_000
NEVER_MILLISECONDS: Final = 86_400_000


class DryOutlet:
    """Sends nothing, keeps nothing."""

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold nothing: who looks only, disturbs nobody."""
        yield

    async def send(self, resendings: Sequence[Resending]) -> list[BaseException | None]:
        """Say that all went well."""
        return [None] * len(resendings)

    async def commit(self, partition: int, progress: Progress) -> None:
        """Do nothing."""


class GroupOutlet(ConsumerRebalanceListener):  # type: ignore[misc]
    """Sends to Kafka, and commits as a member of the replay's group."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self._settings = settings
        self._consumer = consumer
        self._topic = settings.dead_letter_topic
        self._producer: Any = None
        self._at_work = asyncio.Lock()
        self._was_shared = False

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let go of the partitions, once what was sent is committed."""
        async with self._at_work:
            self._was_shared = self._was_shared or bool(revoked)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Do nothing: who owns what is asked when it matters."""

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Keep the partitions while a batch is sent and committed.

        Raises:
            ToolUsageError: this replay is not, or was for a while not, the only one of its group.
        """
        async with self._at_work:
            partitions = self._consumer.partitions_for_topic(self._topic)
            if self._was_shared or len(self._consumer.assignment()) < len(partitions):
                raise ToolUsageError("another replay of this group is running or was just now; run one at a time")
            yield

    async def open(self) -> None:
        """Start a producer, in place of the one there was."""
        await self.close()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            max_request_size=MAX_REQUEST_BYTES,
            **build_security(self._settings).build_aiokafka_arguments(),
        )
        async with asyncio.timeout(START_SECONDS):
            await self._producer.start()

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def send(self, resendings: Sequence[Resending]) -> list[BaseException | None]:
        """Send records in order and wait for the broker; tells which were too large for their topic.

        Raises:
            KafkaError: the broker does not answer, or refuses for another reason.
        """
        sent = [await self._begin(one) for one in resendings]
        errors: list[Any] = await asyncio.gather(*sent, return_exceptions=True)
        if any(isinstance(error, MessageSizeTooLargeError) for error in errors):
            # aiokafka has counted what was refused: the broker takes nothing more from this producer to that partition.
            await self.open()
            pairs = zip(resendings, errors, strict=True)
            return [await self._send_alone(one) if isinstance(error, BaseException) else None for one, error in pairs]
        for error in errors:
            if isinstance(error, BaseException):
                raise error
        return [None] * len(resendings)

    async def commit(self, partition: int, progress: Progress) -> None:
        """Commit the progress of a partition."""
        offset = OffsetAndMetadata(progress.first_open, progress.render_metadata())
        await self._consumer.commit({TopicPartition(self._topic, partition): offset})

    async def _begin(self, one: Resending) -> Awaitable[object]:
        # To the partition that it came from: the key alone does not tell, producers may choose differently.
        partitions = await self._producer.partitions_for(one.topic)
        partition = one.partition if one.partition in partitions else None
        sent: Awaitable[object] = await self._producer.send(
            one.topic, one.value, key=one.key, partition=partition, headers=list(one.headers)
        )
        return sent

    async def _send_alone(self, one: Resending) -> BaseException | None:
        # The limit applies to all that the producer sends together: alone, most of these pass.
        try:
            await (await self._begin(one))
        except MessageSizeTooLargeError as error:
            await self.open()
            refusal: BaseException = error
            return refusal
        return None


@asynccontextmanager
async def open_replay(settings: Settings, group: str, is_dry_run: bool) -> AsyncIterator[tuple[Archive, Outlet]]:
    """Open both ends of a replay.

    Raises:
        TopicMissingError: there is no dead-letter topic.
        BrokerUnreachableError, PermissionDeniedError: what the broker says, here or in between.
    """
    if is_dry_run:
        async with open_archive(settings) as archive:
            yield archive, DryOutlet()
        return
    consumer = AIOKafkaConsumer(
        group_id=group,
        session_timeout_ms=SESSION_MILLISECONDS,
        max_poll_interval_ms=NEVER_MILLISECONDS,
        **build_reader_arguments(settings),
    )
    outlet = GroupOutlet(settings, consumer)
    consumer.subscribe([settings.dead_letter_topic], listener=outlet)
    async with translate_errors(), AsyncExitStack() as stack:
        stack.push_async_callback(outlet.close)
        await outlet.open()
        await stack.enter_async_context(run_client(consumer))
        async with outlet.hold():
            pass  # Before anything is read: it tells at once.
        yield Archive(consumer, settings.dead_letter_topic), outlet


async def read_progress(settings: Settings, group: str, partitions: Iterable[int]) -> dict[int, Progress]:
    """Read how far earlier replays of a group came, by partition; those without progress are left out."""
    asked = [TopicPartition(settings.dead_letter_topic, one) for one in partitions]
    async with open_admin(settings) as admin:
        committed = await admin.list_consumer_group_offsets(group, partitions=asked)
    return {
        one.partition: parse_progress(offset, metadata or "")
        for one, (offset, metadata) in committed.items()
        if offset >= 0
    }
