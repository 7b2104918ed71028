"""What a cluster says about itself, its topics and this user, read at one time; nothing is created or changed."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError
from aiokafka.structs import TopicPartition

from stream_app.kafka.clients import MAX_MESSAGE_BYTES, build_security, open_admin
from stream_app.kafka.permissions import Right, TopicAccess, find_denied_rights, read_topic_access
from stream_app.settings import Settings

MIN_IN_SYNC: Final = "min.insync.replicas"
CLEANUP: Final = "cleanup.policy"
NEWEST_WAIT_MILLISECONDS: Final = 3_000


@dataclass(frozen=True, slots=True)
class TopicLimits:
    """Settings of a topic; None: the broker does not tell."""

    max_message_bytes: int | None = None
    min_in_sync: int | None = None
    cleanup: str | None = None


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What there is to know about one topic."""

    name: str
    access: TopicAccess
    limits: TopicLimits


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What there is to know about a cluster."""

    brokers: int
    connect_seconds: float
    """Until the first answer."""
    input: TopicFacts
    output: TopicFacts
    dead_letters: TopicFacts
    denied: tuple[Right, ...]
    """The worker's rights that this user lacks."""
    newest_ahead_seconds: float | None
    """How far the newest time stamp of the input topic is ahead of this machine's clock; negative: it is older. None:
    there are no records, or they cannot be read."""

    @property
    def topics(self) -> tuple[TopicFacts, TopicFacts, TopicFacts]:
        """All topics of the worker."""
        return self.input, self.output, self.dead_letters


async def inspect_cluster(
    settings: Settings, clock: Callable[[], float] = time.monotonic, wall_clock: Callable[[], float] = time.time
) -> ClusterFacts:
    """Ask a cluster everything.

    Raises:
        SettingsError: a certificate or key file cannot be used.
        PermissionDeniedError: the broker refuses the credentials, or is not trusted.
        BrokerUnreachableError: no broker answers.
    """
    started = clock()
    async with open_admin(settings) as admin:
        connect_seconds = clock() - started
        cluster = await admin.describe_cluster()
        access = await read_topic_access(admin, settings.topics)
        denied = await find_denied_rights(admin, settings, access)
        limits = await _read_limits(admin, [topic for topic, one in access.items() if one.exists])
        newest = None
        if access[settings.input_topic].exists and access[settings.input_topic].allows("Read"):
            newest = await _read_newest(settings, len(access[settings.input_topic].partitions))
        ahead = None if newest is None else newest - wall_clock()
        source, output, letters = (
            TopicFacts(name, access[name], limits.get(name, TopicLimits())) for name in settings.topics
        )
        return ClusterFacts(
            brokers=len(cluster["brokers"]),
            connect_seconds=connect_seconds,
            input=source,
            output=output,
            dead_letters=letters,
            denied=tuple(denied),
            newest_ahead_seconds=ahead,
        )


async def _read_limits(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, TopicLimits]:
    wanted = {MAX_MESSAGE_BYTES: "", MIN_IN_SYNC: "", CLEANUP: ""}
    limits: dict[str, TopicLimits] = {}
    # librdkafka's mock cluster does not know the request.
    with suppress(IncompatibleBrokerVersion):
        for response in await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, wanted) for topic in topics]
        ):
            for code, _message, _kind, topic, entries in response.resources:
                if code == 0:
                    limits[topic] = _build_limits(entries)
    return limits


def _build_limits(entries: Sequence[Any]) -> TopicLimits:
    # Products that speak Kafka's protocol leave out what they do not have.
    values = {name: value for name, value, *_ in entries if value is not None}
    largest, in_sync = (int(values[name]) if name in values else None for name in (MAX_MESSAGE_BYTES, MIN_IN_SYNC))
    return TopicLimits(largest, in_sync, values.get(CLEANUP))


async def _read_newest(settings: Settings, partitions: int) -> float | None:
    """Read the newest time stamp among the last records of all partitions, without a group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        group_id=None,
        enable_auto_commit=False,
        **build_security(settings).build_aiokafka_arguments(),
    )
    try:
        # Only a clock is compared: whatever fails here, the other checks have found.
        with suppress(KafkaError):
            await consumer.start()
            owned = [TopicPartition(settings.input_topic, number) for number in range(partitions)]
            consumer.assign(owned)
            return await _read_last_records(consumer, owned)
    finally:
        await consumer.stop()
    return None


async def _read_last_records(consumer: AIOKafkaConsumer, owned: Sequence[TopicPartition]) -> float | None:
    first, end = await consumer.beginning_offsets(owned), await consumer.end_offsets(owned)
    filled = {partition for partition in owned if end[partition] > first[partition]}
    for partition in owned:
        consumer.seek(partition, max(first[partition], end[partition] - 1))
    stamps: list[float] = []
    while filled:
        fetched = await consumer.getmany(timeout_ms=NEWEST_WAIT_MILLISECONDS)
        if not fetched:
            # The last offset may be the end of a transaction, which is no record.
            break
        filled.difference_update(fetched)
        stamps += [record.timestamp / 1000 for records in fetched.values() for record in records]
    return max(stamps, default=None)
