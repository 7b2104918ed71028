"""The two delivery guarantees: how the outcomes of a batch and its offsets reach the broker.

At least once: publish, wait for the broker, commit; a kill in between repeats the batch. Exactly once: one Kafka
transaction for each input partition holds both; a worker that lost a partition is fenced by the next owner.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    InvalidProducerEpoch,
    ProducerFenced,
)
from aiokafka.structs import TopicPartition

from stream_app.kafka.app import Positions
from stream_app.kafka.clients import MAX_REQUEST_BYTES, build_security
from stream_app.kafka.publication import Attempt, DeliveryError, Parcel, SizeLimits
from stream_app.settings import Settings

GRACE_SECONDS: Final = 60.0
"""How much longer than the retry budget a producer and a transaction live: the budget ends the process first.
A producer must not give a batch up and go on with the next."""

BATCH_BYTES: Final = 16_384

Commit = Callable[[Positions], Awaitable[None]]


class OwnershipLostError(DeliveryError):
    """The broker takes no offsets from this worker any more: somebody else owns its partitions."""


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
        attempt = Attempt(parcels)
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
        attempt = Attempt(parcels)
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


@asynccontextmanager
async def _limit_time(seconds: float, attempt: Attempt) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        what = "the offsets" if attempt.is_complete else "all records"
        raise DeliveryError(f"the broker did not take {what} in {seconds:.0f} s") from error
