"""Kafka clients: how settings become arguments of aiokafka and Faust, and the administration of topics."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import faust
import structlog
from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError, for_code

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.causes import collect_causes
from stream_app.kafka.permissions import find_denied_rights, read_topic_access
from stream_app.settings import Settings, SettingsError

CONNECT_SECONDS: Final = 15.0
LISTING_SECONDS: Final = 0.05
TOPIC_SECONDS: Final = 30.0
MAX_MESSAGE_BYTES: Final = "max.message.bytes"
DEFAULT_MAX_MESSAGE_BYTES: Final = 1_048_588
"""What a topic takes unless it says otherwise: the broker's own default."""
MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Above any limit that a topic usually has: the topic's own limit decides, so that records stay whole."""

log = structlog.stdlib.get_logger(__name__)


class BrokerUnreachableError(PrismError):
    """No broker answers."""

    exit_code = ExitCode.BROKER_UNREACHABLE


class PermissionDeniedError(BrokerUnreachableError):
    """A broker is there, but one side refuses the other's credentials, or a right is missing."""

    exit_code = ExitCode.PERMISSION


class TopicCreationError(BrokerUnreachableError):
    """The broker refuses to create a topic."""


_REFUSED_CREDENTIALS: Final = (
    kafka_errors.AuthenticationFailedError,
    kafka_errors.AuthenticationMethodNotSupported,
    kafka_errors.IllegalSaslStateError,
    kafka_errors.SaslAuthenticationFailed,
    kafka_errors.UnsupportedSaslMechanismError,
)
_DENIED_RIGHTS: Final = (
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)


def find_denial(error: BaseException) -> PermissionDeniedError | None:
    """Find in an error and its causes what the broker denied, or what about the broker is not to be trusted.

    Errors of Faust and aiokafka, from connecting, publishing and committing, are understood alike.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, PermissionDeniedError):
            return seen
        if isinstance(seen, PrismError):
            # Whoever raised it has judged the cause: a dead letter that is refused for a missing right, for example.
            return None
        if reason := _describe_denial(seen):
            return PermissionDeniedError(reason)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return None


def classify(error: BaseException) -> ExitCode | None:
    """Tell with which code a process ends for an error: PERMISSION, BROKER_UNREACHABLE, or None for all others."""
    if find_denial(error):
        return ExitCode.PERMISSION
    is_unreachable = isinstance(
        error, BrokerUnreachableError | kafka_errors.KafkaConnectionError | kafka_errors.NodeNotReadyError
    )
    return ExitCode.BROKER_UNREACHABLE if is_unreachable else None


def _describe_denial(error: BaseException) -> str | None:
    if isinstance(error, ssl.SSLError):
        # Errors that OpenSSL did not make have neither attribute.
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or str(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            where = "see PRISM_SSL_CAFILE and the names in PRISM_BOOTSTRAP_SERVERS"
            return f"the broker's certificate is not trusted: {reason}; {where}"
        if re.search("CERT|UNKNOWN_CA|ACCESS_DENIED", reason):
            return f"the broker refuses this client's certificate: {reason}; see PRISM_SSL_CERTFILE"
    if isinstance(error, _REFUSED_CREDENTIALS):
        return f"the broker refuses these credentials: {error}; see PRISM_SASL_MECHANISM, _USERNAME and _PASSWORD"
    if isinstance(error, _DENIED_RIGHTS):
        return f"the broker denies a right: {error}"
    return None


@dataclass(frozen=True, slots=True, repr=False)
class Security:
    """How a client proves who it is, and how it knows the broker. Without repr: it holds the password."""

    protocol: str
    mechanism: str | None
    username: str | None
    password: str | None
    context: ssl.SSLContext | None

    def build_aiokafka_arguments(self) -> dict[str, Any]:
        """Build the keyword arguments that every aiokafka client takes."""
        arguments: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.context}
        if self.mechanism:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return arguments

    def build_faust_credentials(self) -> Any:
        """Build what Faust calls broker_credentials; None for PLAINTEXT."""
        if self.mechanism:
            return faust.SASLCredentials(
                username=self.username, password=self.password, ssl_context=self.context, mechanism=self.mechanism
            )
        return faust.SSLCredentials(context=self.context) if self.context else None


def build_security(settings: Settings) -> Security:
    """Build the security of all clients from the settings.

    Raises:
        SettingsError: a certificate or key file cannot be used.
    """
    password = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return Security(
        protocol=settings.security_protocol,
        mechanism=settings.sasl_mechanism,
        username=settings.sasl_username,
        password=password,
        context=_build_ssl_context(settings) if settings.security_protocol.endswith("SSL") else None,
    )


def _build_ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_cafile)
        if settings.ssl_certfile:
            context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except OSError as error:  # ssl.SSLError is one; its text names no contents.
        raise SettingsError(f"PRISM_SSL_CAFILE, _CERTFILE or _KEYFILE cannot be used: {error}") from error
    return context


@asynccontextmanager
async def open_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an administration client; errors of Kafka and of the network leave the block as these two.

    Raises:
        PermissionDeniedError: the credentials or a right do not suffice, or the broker's certificate is not trusted.
        BrokerUnreachableError: no broker answers, with the cause that the client only logs.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers, **build_security(settings).build_aiokafka_arguments()
    )
    with collect_causes() as causes:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await admin.start()
            yield admin
        except (KafkaError, OSError, TimeoutError) as error:
            raise _translate(error, causes, settings) from error
        finally:
            await admin.close()


def _translate(error: Exception, causes: Sequence[BaseException], settings: Settings) -> BrokerUnreachableError:
    for cause in (error, *reversed(causes)):
        if denial := find_denial(cause):
            return denial
    cause = causes[-1] if causes else error
    return BrokerUnreachableError(
        f"no broker answers at {settings.bootstrap_servers}: {str(cause) or type(cause).__name__}"
    )


async def find_missing_topics(settings: Settings) -> tuple[str, ...]:
    """Find which topics of the settings do not exist, without creating any, and make sure that a worker may use them.

    A right that is missing on the dead-letter topic is only logged: perhaps no record ever needs it.

    Raises:
        PermissionDeniedError: naming every other right that a worker needs and does not have.
        BrokerUnreachableError: no broker answers.
    """
    async with open_admin(settings) as admin:
        access = await read_topic_access(admin, settings.topics)
        denied = await find_denied_rights(admin, settings, access)
    vital = [right for right in denied if right.operation != "DescribeConfigs"]
    letters = [right for right in vital if (right.resource, right.name) == ("topic", settings.dead_letter_topic)]
    if len(letters) < len(vital):
        raise PermissionDeniedError(f"the broker denies {', '.join(map(str, vital))}")
    if letters:
        _warn_once("dead_letters_denied", missing=tuple(map(str, letters)))
    return tuple(topic for topic, one in access.items() if one.is_visible and not one.exists)


async def read_max_message_bytes(settings: Settings, topics: Sequence[str]) -> dict[str, int]:
    """Read how large a batch of records may be, for each topic; where the broker does not tell, Kafka's default.

    Raises:
        PermissionDeniedError: the broker refuses the credentials.
        BrokerUnreachableError: no broker answers.
    """
    limits: dict[str, int] = {}
    async with open_admin(settings) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, {MAX_MESSAGE_BYTES: ""}) for topic in topics]
        # librdkafka's mock cluster does not know the request.
        with suppress(IncompatibleBrokerVersion):
            for response in await admin.describe_configs(resources):
                for code, _message, _kind, topic, entries in response.resources:
                    # Only this one setting was asked for; without the right to see it there is no entry.
                    limits.update((topic, int(value)) for _name, value, *_ in entries if code == 0)
    if unknown := tuple(topic for topic in topics if topic not in limits):
        _warn_once("max_message_bytes_unknown", topics=unknown, assumed=DEFAULT_MAX_MESSAGE_BYTES)
    return {topic: limits.get(topic, DEFAULT_MAX_MESSAGE_BYTES) for topic in topics}


@cache
def _warn_once(event: str, **facts: Hashable) -> None:
    # The worker asks again every minute.
    log.warning(event, **facts)


def create_topics(settings: Settings, partitions: int, replication: int) -> list[str]:
    """Create the topics of the settings where they are missing; returns those that were created.

    Raises:
        PermissionDeniedError: the user may not create them, or not even ask for them.
        BrokerUnreachableError: no broker answers.
        TopicCreationError: the broker refuses for another reason, for example for too few brokers.
    """
    return asyncio.run(_create_topics(settings, partitions, replication))


async def _create_topics(settings: Settings, partitions: int, replication: int) -> list[str]:
    async with open_admin(settings) as admin:
        access = await read_topic_access(admin, settings.created_topics)
        if hidden := [topic for topic, one in access.items() if not one.is_visible]:
            raise PermissionDeniedError(f"the broker denies Describe on topic {', '.join(hidden)}")
        missing = [topic for topic, one in access.items() if not one.exists]
        if not missing:
            return []
        try:
            async with asyncio.timeout(TOPIC_SECONDS):
                if await has_controller(admin):
                    response = await admin.create_topics([NewTopic(name, partitions, replication) for name in missing])
                    created = _list_created(response)
                    await _wait_until_listed(admin, created)
                    return created
                # librdkafka's mock cluster has no controller and makes topics when they are asked for.
                await admin.describe_topics(missing)
                return missing
        except (KafkaError, TimeoutError) as error:
            if denial := find_denial(error):
                raise denial from error
            raise TopicCreationError(f"topics could not be created: {error or type(error).__name__}") from error


async def _wait_until_listed(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> None:
    """Wait until the broker lists new topics: the controller answers before the brokers have heard of them."""
    while not set(topics) <= set(await admin.list_topics()):
        await asyncio.sleep(LISTING_SECONDS)


async def has_controller(admin: AIOKafkaAdminClient) -> bool:
    """Tell whether this is a Kafka cluster; librdkafka's mock cluster, the embedded broker, has no controller."""
    cluster = await admin.describe_cluster()
    return cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}


def _list_created(response: Any) -> list[str]:
    created = []
    for topic, code, *details in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(topic)
        elif issubclass(error, _DENIED_RIGHTS):
            raise PermissionDeniedError(f"the broker denies Create on topic {topic}")
        elif error is not TopicAlreadyExistsError:
            raise TopicCreationError(
                f"topic {topic} could not be created: {error.__name__} {details[0] if details else ''}"
            )
    return created
