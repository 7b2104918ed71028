"""The two delivery guarantees: how the outcomes of a batch and its offsets reach the broker.

At least once: publish, wait for the broker, commit; a kill in between repeats the batch. Exactly once: one Kafka
transaction for each input partition holds both; a worker that lost a partition is fenced by the next owner.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidProducerEpoch,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
)
from aiokafka.structs import TopicPartition

from stream_app.core.errors import PrismError
from stream_app.kafka.app import Positions
from stream_app.kafka.clients import DEFAULT_MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES, build_security
from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.settings import Settings

GRACE_SECONDS: Final = 60.0
"""How much longer than the retry budget a producer and a transaction live: the budget ends the process first.
A producer must not give a batch up and go on with the next."""

log = structlog.stdlib.get_logger(__name__)

BATCH_BYTES: Final = 16_384

Commit = Callable[[Positions], Awaitable[None]]


class DeliveryError(PrismError):
    """A batch could not be settled; the process has to end."""


class OwnershipLostError(DeliveryError):
    """The broker takes no offsets from this worker any more: somebody else owns its partitions."""


@dataclass(slots=True)
class SizeLimits:
    """How large a record may be, by topic; read from the broker now and then."""

    max_message_bytes: dict[str, int] = field(default_factory=dict)

    def get(self, topic: str) -> int:
        """Get the limit of a topic."""
        return self.max_message_bytes.get(topic, DEFAULT_MAX_MESSAGE_BYTES)

    @property
    def smallest(self) -> int:
        """The smallest limit of all topics."""
        return min(self.max_message_bytes.values(), default=DEFAULT_MAX_MESSAGE_BYTES)


class Parcel(Protocol):
    """All that one input record makes: an explanation for each item that has one, and perhaps a dead letter."""

    @property
    def record(self) -> IncomingRecord:
        """The input record."""
        ...

    def list_explanations(self) -> Sequence[tuple[str, OutgoingRecord]]:
        """List item ids and explanations, in the order in which they are published, without those refused."""
        ...

    def refuse(self, item_id: str) -> None:
        """Note that the explanation of an item is too large for the topic, however it is sent."""
        ...

    def build_letter(self) -> OutgoingRecord | None:
        """Build the dead letter, which names the items that were refused; None: none is due."""
        ...


class Guarantee(Protocol):
    """One way to settle batches; opened anew for the partitions of each assignment."""

    async def open(self, partitions: Iterable[TopicPartition]) -> None:
        """Get ready to settle records of these partitions and no others; before their committed offsets are read."""
        ...

    async def close(self) -> None:
        """Disconnect, at the end."""
        ...

    async def settle(self, parcels: Sequence[Parcel]) -> None:
        """Publish everything and commit the offsets; returns when the broker has all of it.

        Raises:
            OwnershipLostError: another worker owns a partition now.
            DeliveryError: the broker did not take everything within the retry budget.
            aiokafka.errors.KafkaError: the broker refuses, for example for missing rights.
        """
        ...


def build_guarantee(settings: Settings, limits: SizeLimits, commit: Commit) -> Guarantee:
    """Build the guarantee that the settings ask for; `commit` is how the consumer commits positions."""
    if settings.delivery == "exactly-once":
        return ExactlyOnce(settings, limits)
    return AtLeastOnce(settings, limits, commit)


class AtLeastOnce:
    """Publishes through one idempotent producer, then commits through the consumer."""

    def __init__(self, settings: Settings, limits: SizeLimits, commit: Commit) -> None:
        self._settings = settings
        self._limits = limits
        self._commit = commit
        self._producer: AIOKafkaProducer | None = None

    async def open(self, partitions: Iterable[TopicPartition]) -> None:
        """Start the producer, once."""
        del partitions
        if self._producer is None:
            self._producer = await _start_producer(self._settings, self._limits, None)

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def settle(self, parcels: Sequence[Parcel]) -> None:
        """Publish, wait, commit."""
        attempt = _Attempt(parcels)
        async with _limit_time(self._settings.retry_budget_seconds, attempt):
            await self.open(())
            while not await attempt.publish(self._producer):
                # The refusal has left a gap in the sequence numbers, which the broker would refuse next.
                await self.close()
                await self.open(())
            try:
                await self._commit(compute_positions(parcels))
            except (CommitFailedError, IllegalStateError) as error:
                raise OwnershipLostError("the broker refused the offsets of published records") from error


class ExactlyOnce:
    """Publishes and commits in one transaction for each input partition, through a producer of that partition's own."""

    def __init__(self, settings: Settings, limits: SizeLimits) -> None:
        self._settings = settings
        self._limits = limits
        self._producers: dict[TopicPartition, AIOKafkaProducer] = {}

    async def open(self, partitions: Iterable[TopicPartition]) -> None:
        """Start a transactional producer for each partition, which fences the one that an earlier owner had."""
        await self.close()
        wanted = sorted(partitions)
        started = await asyncio.gather(*(self._start(one) for one in wanted))
        self._producers = dict(zip(wanted, started, strict=True))

    async def close(self) -> None:
        """Stop all producers."""
        producers, self._producers = list(self._producers.values()), {}
        await asyncio.gather(*(producer.stop() for producer in producers))

    async def settle(self, parcels: Sequence[Parcel]) -> None:
        """Settle each partition's share in a transaction of its own, all at once."""
        shares: dict[TopicPartition, list[Parcel]] = defaultdict(list)
        for parcel in parcels:
            shares[TopicPartition(parcel.record.topic, parcel.record.partition)].append(parcel)
        results = await asyncio.gather(
            *(self._settle_share(partition, share) for partition, share in shares.items()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _settle_share(self, partition: TopicPartition, parcels: Sequence[Parcel]) -> None:
        if partition not in self._producers:
            raise OwnershipLostError("a record came from a partition that was not assigned")
        attempt = _Attempt(parcels)
        try:
            async with _limit_time(self._settings.retry_budget_seconds, attempt):
                producer = self._producers[partition]
                await producer.begin_transaction()
                while not await attempt.publish(producer):
                    # A new producer of that name takes back what was sent beside a record that is too large.
                    await producer.stop()
                    producer = self._producers[partition] = await self._start(partition)
                    attempt.begin_again()
                    await producer.begin_transaction()
                await producer.send_offsets_to_transaction(compute_positions(parcels), self._settings.consumer_group)
                await producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise OwnershipLostError("another worker has opened the transactions of this partition") from error

    async def _start(self, partition: TopicPartition) -> AIOKafkaProducer:
        name = f"{self._settings.consumer_group}-{partition.topic}-{partition.partition}"
        return await _start_producer(self._settings, self._limits, name)


def compute_positions(parcels: Iterable[Parcel]) -> dict[TopicPartition, int]:
    """Compute what to commit for settled records: of each partition, the offset after the last one."""
    positions: dict[TopicPartition, int] = {}
    for parcel in parcels:
        partition = TopicPartition(parcel.record.topic, parcel.record.partition)
        positions[partition] = max(positions.get(partition, 0), parcel.record.offset + 1)
    return positions


async def _start_producer(settings: Settings, limits: SizeLimits, transactional_id: str | None) -> AIOKafkaProducer:
    milliseconds = int((settings.retry_budget_seconds + GRACE_SECONDS) * 1000)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        transactional_id=transactional_id,
        transaction_timeout_ms=milliseconds,
        request_timeout_ms=milliseconds,
        max_request_size=MAX_REQUEST_BYTES,
        # A topic's limit applies to a batch of the producer, not to a record.
        max_batch_size=min(BATCH_BYTES, limits.smallest),
        **build_security(settings).build_aiokafka_arguments(),
    )
    try:
        async with asyncio.timeout(settings.retry_budget_seconds):
            await producer.start()
    except TimeoutError as error:
        await producer.stop()
        raise DeliveryError(f"no producer in {settings.retry_budget_seconds:.0f} s") from error
    except BaseException:
        await producer.stop()
        raise
    return producer


Pending = tuple[int, str | None, OutgoingRecord]
"""A parcel's index; an item's id, or None for the dead letter; the record."""


class _Attempt:
    """Publishes the parcels of a batch, explanations first: a dead letter names the items that were refused."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self._parcels = parcels
        self._is_careful = False
        self._shorter: dict[int, OutgoingRecord] = {}
        """Of parcels whose dead letter was refused, by index, what to send instead."""
        self._done: set[tuple[int, str | None]] = set()

    @property
    def is_complete(self) -> bool:
        """Whether the broker has everything."""
        return not self._list_explanations() and not self._list_letters()

    async def publish(self, producer: Any) -> bool:
        """Publish what the broker does not have yet; returns whether it has everything now.

        If not, then something was too large; it is sent otherwise when this is called again, with a new producer.

        Raises:
            KafkaError: an explanation was refused for another reason than its size.
            DeliveryError: a dead letter was refused, or is too large however it is cut.
        """
        for list_pending in (self._list_explanations, self._list_letters):
            pending = list_pending()
            # A size limit applies to a batch of the producer: one record after the other shows which one it is.
            for group in [[one] for one in pending] if self._is_careful else [pending]:
                if not await self._publish_group(producer, group):
                    return False
        return True

    def begin_again(self) -> None:
        """Note that the broker has taken everything back."""
        self._done.clear()

    def _list_explanations(self) -> list[Pending]:
        return [
            (index, item_id, record)
            for index, parcel in enumerate(self._parcels)
            for item_id, record in parcel.list_explanations()
            if (index, item_id) not in self._done
        ]

    def _list_letters(self) -> list[Pending]:
        letters = (
            (index, self._shorter.get(index) or parcel.build_letter()) for index, parcel in enumerate(self._parcels)
        )
        return [(index, None, letter) for index, letter in letters if letter and (index, None) not in self._done]

    async def _publish_group(self, producer: Any, group: list[Pending]) -> bool:
        errors = await _send_and_wait(producer, [record for _, _, record in group])
        self._done.update(one[:2] for one, error in zip(group, errors, strict=True) if error is None)
        failed = [error for error in errors if error is not None]
        if not failed:
            return True
        # In a transaction the others fail with the one that is too large.
        if not any(isinstance(error, MessageSizeTooLargeError) for error in failed):
            if group[0][1] is None:
                raise DeliveryError(f"a dead letter was refused: {type(failed[0]).__name__}") from failed[0]
            raise failed[0]
        if self._is_careful:
            self._give_up(*group[0])
        self._is_careful = True
        return False

    def _give_up(self, index: int, item_id: str | None, record: OutgoingRecord) -> None:
        log.warning("record_refused_as_too_large", topic=record.topic, is_dead_letter=item_id is None)
        if item_id is not None:
            self._parcels[index].refuse(item_id)
        elif record.shorter is None:
            raise DeliveryError(f"a dead letter for {record.topic} is too large however it is cut")
        else:
            self._shorter[index] = record.shorter


async def _send_and_wait(producer: Any, records: Sequence[OutgoingRecord]) -> list[BaseException | None]:
    """Send records, and wait for all; returns an error or None for each."""
    sent: list[Awaitable[object]] = []
    refusal: KafkaError | None = None
    for record in records:
        try:
            sent.append(await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers)))
        except KafkaError as error:
            # None behind it is sent: it would come before this one, which is sent again.
            refusal = error
            break
    results = await asyncio.gather(*sent, return_exceptions=True)
    errors = [result if isinstance(result, BaseException) else None for result in results]
    return errors + [refusal] * (len(records) - len(sent))


@asynccontextmanager
async def _limit_time(seconds: float, attempt: _Attempt) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        what = "the offsets" if attempt.is_complete else "all records"
        raise DeliveryError(f"the broker did not take {what} in {seconds:.0f} s") from error
