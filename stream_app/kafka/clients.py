"""Kafka clients: how settings become arguments of aiokafka and Faust, and the administration of topics."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import faust
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode
from stream_app.settings import Settings, SettingsError

CONNECT_SECONDS: Final = 15.0
TOPIC_SECONDS: Final = 30.0


class BrokerUnreachableError(PrismError):
    """No broker answers, or it refuses these credentials."""

    exit_code = ExitCode.BROKER_UNREACHABLE


class TopicCreationError(BrokerUnreachableError):
    """The broker refuses to create a topic."""


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
    """Open an administration client.

    Raises:
        BrokerUnreachableError: with the cause that the client only logs.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.bootstrap_servers, **build_security(settings).build_aiokafka_arguments()
    )
    causes = _CauseCollector()
    logging.getLogger("aiokafka").addHandler(causes)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await admin.start()
    except (KafkaError, OSError, TimeoutError) as error:
        await admin.close()
        cause = causes.last or str(error) or type(error).__name__
        raise BrokerUnreachableError(f"no broker answers at {settings.bootstrap_servers}: {cause}") from error
    finally:
        logging.getLogger("aiokafka").removeHandler(causes)
    try:
        yield admin
    finally:
        await admin.close()


class _CauseCollector(logging.Handler):
    """Keeps the last error of aiokafka: a wrong password or CA stands only there."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            self.last = record.getMessage()


async def find_missing_topics(settings: Settings) -> tuple[str, ...]:
    """Find which topics of the settings do not exist, without creating any.

    Raises:
        BrokerUnreachableError: no broker answers.
    """
    async with open_admin(settings) as admin:
        try:
            # Asking for all topics: asking for one by name creates it where the broker is so configured.
            existing = set(await admin.list_topics())
        except KafkaError as error:
            raise BrokerUnreachableError(f"the broker did not list its topics: {type(error).__name__}") from error
    return tuple(topic for topic in settings.topics if topic not in existing)


def create_topics(settings: Settings, partitions: int, replication: int) -> list[str]:
    """Create the topics of the settings where they are missing; returns those that were created.

    Raises:
        BrokerUnreachableError: no broker answers.
        TopicCreationError: the broker refuses, for example for too few brokers or missing rights.
    """
    return asyncio.run(_create_topics(settings, partitions, replication))


async def _create_topics(settings: Settings, partitions: int, replication: int) -> list[str]:
    missing = await find_missing_topics(settings)
    if not missing:
        return []
    async with open_admin(settings) as admin:
        try:
            async with asyncio.timeout(TOPIC_SECONDS):
                if await _has_controller(admin):
                    response = await admin.create_topics([NewTopic(name, partitions, replication) for name in missing])
                    return _list_created(response)
                # librdkafka's mock cluster has no controller and makes topics when they are asked for.
                await admin.describe_topics(list(missing))
                return list(missing)
        except (KafkaError, TimeoutError) as error:
            raise TopicCreationError(f"topics could not be created: {error or type(error).__name__}") from error


async def _has_controller(admin: AIOKafkaAdminClient) -> bool:
    cluster = await admin.describe_cluster()
    return cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}


def _list_created(response: Any) -> list[str]:
    created = []
    for topic, code, *details in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.append(topic)
        elif error is not TopicAlreadyExistsError:
            raise TopicCreationError(
                f"topic {topic} could not be created: {error.__name__} {details[0] if details else ''}"
            )
    return created
