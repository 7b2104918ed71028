"""The least rights that Prism needs on the brokers, and asking a broker which of them it grants.

Kafka checks rights one request at a time, and Faust asks again for ever where it is refused. Asked at the start, all
that is missing stands in one line.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    InvalidTopicError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from stream_app.settings import Settings

Resource = Literal["topic", "group", "transactional id"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]

# The numbers of org.apache.kafka.common.acl.AclOperation: the bits of what a broker answers.
_CODES: Final[dict[Operation, int]] = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
_UNKNOWN_OPERATIONS: Final = -(2**31)
_TRANSACTION: Final = 1


@dataclass(frozen=True, slots=True)
class Right:
    """One entry of an access control list that allows something, named as Kafka names it."""

    resource: Resource
    name: str
    operation: Operation
    is_prefix: bool = False
    """Whether the name stands for all that begin with it (pattern type PREFIXED, else LITERAL)."""

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name}{'*' if self.is_prefix else ''}"


def list_worker_rights(settings: Settings) -> tuple[Right, ...]:
    """List the least set of rights of a worker's user: `prism worker` works with these and no others.

    Read and Write imply Describe. Write on any topic is enough for an idempotent producer (Kafka 2.8 and newer; older
    ones want IdempotentWrite on the cluster too). Without DescribeConfigs the worker takes the broker's default for
    the largest record, and says so. It creates nothing: `list_creator_rights` is for another user.
    """
    rights = [
        Right("topic", settings.input_topic, "Read"),
        Right("group", settings.consumer_group, "Read"),
        Right("topic", settings.output_topic, "Write"),
        Right("topic", settings.output_topic, "DescribeConfigs"),
        Right("topic", settings.dead_letter_topic, "Write"),
        Right("topic", settings.dead_letter_topic, "DescribeConfigs"),
    ]
    if settings.delivery == "exactly-once":
        rights.append(Right("transactional id", _name_transactions(settings), "Write", is_prefix=True))
    return tuple(rights)


def list_creator_rights(settings: Settings) -> tuple[Right, ...]:
    """List the least set of rights of the user who runs `prism topics create`."""
    operations: tuple[Operation, ...] = ("Describe", "Create")
    return tuple(Right("topic", topic, operation) for topic in settings.created_topics for operation in operations)


def _name_transactions(settings: Settings) -> str:
    # The number of the partition follows.
    return f"{settings.consumer_group}-{settings.input_topic}-"


@dataclass(frozen=True, slots=True)
class PartitionCopies:
    """Where a partition is kept, in numbers of brokers."""

    replicas: int
    in_sync: int
    has_leader: bool


@dataclass(frozen=True, slots=True)
class TopicAccess:
    """What the broker says about a topic to this user."""

    is_visible: bool
    exists: bool
    """False also where it is not visible: the broker does not tell."""
    operations: int | None
    """Bits of what is allowed; None: the broker does not say."""
    partitions: tuple[PartitionCopies, ...] = ()

    def allows(self, operation: Operation) -> bool:
        """Whether the operation is allowed, or may be for all that is known."""
        return self.is_visible and _is_allowed(self.operations, operation)


async def read_topic_access(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, TopicAccess]:
    """Ask what this user may do with topics; creates none.

    Raises:
        KafkaError: the broker does not answer.
    """
    request = _MetadataRequest8(list(topics), False, False, True)
    response = await _send(admin, request)
    access = {}
    for code, topic, _internal, partitions, operations in response.topics:
        is_visible = code != TopicAuthorizationFailedError.errno
        exists = is_visible and code not in (UnknownTopicOrPartitionError.errno, InvalidTopicError.errno)
        # Rights on a topic that does not exist are not told.
        known = operations if exists and operations != _UNKNOWN_OPERATIONS else None
        copies = (
            PartitionCopies(len(replicas), len(in_sync), leader >= 0)
            for _code, _partition, leader, _epoch, replicas, in_sync, *_ in partitions
        )
        access[topic] = TopicAccess(is_visible, exists, known, tuple(copies))
    return access


async def find_denied_rights(
    admin: AIOKafkaAdminClient, settings: Settings, access: dict[str, TopicAccess]
) -> list[Right]:
    """Find which of a worker's rights the broker denies; what the broker does not tell counts as granted.

    Raises:
        KafkaError: the broker does not answer.
    """
    return [right for right in list_worker_rights(settings) if await _is_denied(admin, settings, access, right)]


async def _is_denied(
    admin: AIOKafkaAdminClient, settings: Settings, access: dict[str, TopicAccess], right: Right
) -> bool:
    if right.resource == "topic":
        return not access[right.name].allows(right.operation)
    try:
        if right.resource == "group":
            return not await _allows_group(admin, right)
        await admin.find_coordinator(f"{_name_transactions(settings)}0", _TRANSACTION)
    except (GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed):
        return True
    except (KafkaError, NotImplementedError):
        # The coordinator is still starting, or this broker can not tell: the work itself will show it.
        return False
    return False


async def _allows_group(admin: AIOKafkaAdminClient, right: Right) -> bool:
    coordinator = await admin.find_coordinator(right.name)
    response = await _send(admin, _DescribeGroupsRequest3([right.name], True), coordinator)
    [(code, *_, operations)] = response.groups
    if code == GroupAuthorizationFailedError.errno:
        return False
    return code != 0 or _is_allowed(None if operations == _UNKNOWN_OPERATIONS else operations, right.operation)


def _is_allowed(operations: int | None, operation: Operation) -> bool:
    return operations is None or bool(operations >> _CODES[operation] & 1)


async def _send(admin: AIOKafkaAdminClient, request: RequestStruct, node: int | None = None) -> Any:
    return await admin._send_request(_OneVersion(request), node)


class _OneVersion:
    """A request in just one version of the protocol, as aiokafka's clients take it."""

    def __init__(self, request: RequestStruct) -> None:
        self._request = request

    def prepare(self, versions: dict[int, tuple[int, int]]) -> RequestStruct:
        """Give the request, if the broker knows this version."""
        lowest, highest = versions.get(self._request.API_KEY, (0, -1))
        if not lowest <= self._request.API_VERSION <= highest:
            raise IncompatibleBrokerVersion(
                f"the broker does not know version {self._request.API_VERSION} of request {self._request.API_KEY}"
            )
        return self._request


# aiokafka 0.14 ends at version 5 of Metadata, and reads the answer to version 3 of DescribeGroups as version 2. These
# versions, of Kafka 2.3, are the first that tell what a user may do.


class _DescribeGroupsRequest3(DescribeGroupsRequest_v3):  # type: ignore[misc]
    RESPONSE_TYPE = DescribeGroupsResponse_v3


_PARTITION: Final = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", Array(Int32)),
    ("isr", Array(Int32)),
    ("offline_replicas", Array(Int32)),
)
_TOPIC: Final = (
    ("error_code", Int16),
    ("topic", String("utf-8")),
    ("is_internal", Boolean),
    ("partitions", Array(*_PARTITION)),
    ("authorized_operations", Int32),
)
_NODE: Final = (("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))


class _MetadataResponse8(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(*_NODE)),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        ("topics", Array(*_TOPIC)),
        ("authorized_operations", Int32),
    )


class _MetadataRequest8(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )
