"""The settings of the worker: environment variables with the prefix PRISM_, read once, checked all at once."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode

ENVIRONMENT_PREFIX: Final = "PRISM_"
CGROUP_CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
SECRET_MASK: Final = "**********"
MAX_TRANSACTION_BUDGET_SECONDS: Final = 780.0
"""A transaction may last a minute longer than the budget, and `transaction.max.timeout.ms` of brokers is 15 minutes."""


class SettingsError(PrismError):
    """The environment does not make valid settings; the message names every problem and no secret."""

    exit_code = ExitCode.CONFIGURATION


def count_usable_cores(cpu_quota: Path = CGROUP_CPU_QUOTA) -> int:
    """Count the cores that this process may use: its CPU affinity, cut to the container's quota."""
    # Threads beyond a container's quota are throttled, which slows all of them down.
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_quota.read_text().split()
        return max(1, min(affinity, int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return affinity


def _ensure_servers(value: str) -> str:
    for server in value.split(","):
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}", server.strip()):
            raise ValueError("must be host:port, or several of them separated by commas, without user or password")
    return ",".join(server.strip() for server in value.split(","))


Servers = Annotated[str, AfterValidator(_ensure_servers)]


def _ensure_checksums(value: str) -> str:
    checksums = [checksum.strip().removeprefix("sha256:") for checksum in value.split(",")]
    if not all(re.fullmatch(r"[0-9a-f]{64}", checksum) for checksum in checksums):
        raise ValueError("must be SHA-256 checksums, 64 hexadecimal digits each, separated by commas")
    return ",".join(checksums)


TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Checksums = Annotated[str, AfterValidator(_ensure_checksums)]


class Settings(BaseSettings):
    """All settings of the worker."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, frozen=True, env_ignore_empty=True, hide_input_in_errors=True, extra="ignore"
    )

    bootstrap_servers: Servers = Field("localhost:9092", description="Kafka brokers to start from, host:port,...")
    input_topic: TopicName = Field("ranking-events", description="Topic with ranking events.")
    output_topic: TopicName = Field("explanations", description="Topic for explanations.")
    dead_letter_topic: TopicName = Field(
        "explanations-dead-letters", description="Topic for records that can not be explained."
    )
    consumer_group: str = Field("prism", min_length=1, max_length=255, description="Consumer group of all workers.")
    instance_id: TopicName | None = Field(
        None, description="Static group membership: an id that no other live worker has. Unset: dynamic membership."
    )
    session_timeout_seconds: float = Field(
        30, ge=6, le=300, description="After how long without a heartbeat the broker gives a worker's partitions away."
    )
    model: str | None = Field(
        None,
        description="Model: name/version, its directory, or one with a pointer `current`. Unset: the packaged default.",
    )
    model_sha256: Checksums | None = Field(
        None, description="SHA-256 of the manifests that may be loaded, separated by commas. Unset: any."
    )
    model_check_seconds: float = Field(
        5, ge=0.1, le=3600, description="How often the models are looked at for a roll; SIGHUP looks at once."
    )
    canary_model: str | None = Field(
        None, description="Model, named as PRISM_MODEL, that explains a share of the keys. Unset: none."
    )
    canary_percent: float = Field(5, ge=0, le=100, description="Share of the keys that the canary explains.")
    shadow_model: str | None = Field(
        None, description="Model, named as PRISM_MODEL, that explains everything again for PRISM_SHADOW_TOPIC."
    )
    shadow_topic: TopicName | None = Field(None, description="Side topic for the shadow's explanations.")
    http_host: str = Field("0.0.0.0", description="Address of the probes and metrics.")
    http_port: int = Field(8080, ge=0, le=65535, description="Port of the probes and metrics; 0: any free port.")
    batch_records: int = Field(32, ge=1, le=1000, description="Most records explained in one batch.")
    batch_wait_seconds: float = Field(0.1, gt=0, le=60, description="Longest wait for a batch to fill up.")
    inference_threads: int = Field(
        default_factory=count_usable_cores, ge=1, le=256, description="Threads of the model. Default: the usable cores."
    )
    delivery: Literal["at-least-once", "exactly-once"] = Field(
        "at-least-once", description="at-least-once: a kill may repeat a batch; exactly-once: Kafka transactions."
    )
    retry_budget_seconds: float = Field(
        120, gt=0, le=3600, description="How long settling a batch is tried; longer than the outages to survive."
    )
    dlq_headers: Literal["prism", "spring", "connect", "streams"] = Field(
        "prism", description="Headers that dead letters have beside prism.dlq.*: none, Spring's, Connect's, Streams'."
    )
    breaker_share: float = Field(
        0.5, gt=0, le=1, description="Share of failing records above which the worker stops consuming; 1: never."
    )
    breaker_min_records: int = Field(100, ge=1, description="Fewest records in the window for the breaker to judge.")
    breaker_window_seconds: float = Field(60, gt=0, description="How far back the breaker looks.")
    breaker_pause_seconds: float = Field(30, gt=0, description="How long the breaker waits before it probes one batch.")
    overload: Literal["lag", "template", "skip"] = Field(
        "lag", description="Records older than the deadline: explained late, by the template at once, or expired."
    )
    overload_deadline_seconds: float = Field(60, gt=0, description="From which age on records are late.")
    drain_seconds: float = Field(20, gt=0, le=3600, description="How long a worker may finish its batch after SIGTERM.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the brokers are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."
    )
    sasl_username: str | None = Field(None, description="User name for SASL.")
    sasl_password: SecretStr | None = Field(None, description="Password for SASL.")
    ssl_cafile: Path | None = Field(None, description="PEM file with the brokers' certificate authorities.")
    ssl_certfile: Path | None = Field(None, description="PEM file with this client's certificate.")
    ssl_keyfile: Path | None = Field(None, description="PEM file with the key of this client's certificate.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR."
    )

    tracing: Literal["off", "otlp"] = Field(
        "off", description="otlp: spans for each record, sent as OTEL_* says; needs prism-explain[tracing]."
    )

    @property
    def topics(self) -> tuple[str, str, str]:
        """All topics that the worker needs: input, output, dead letters."""
        return self.input_topic, self.output_topic, self.dead_letter_topic

    @property
    def created_topics(self) -> tuple[str, ...]:
        """What `prism topics create` creates: what the worker needs, and the shadow's topic, without which it works."""
        return (*self.topics, self.shadow_topic) if self.shadow_topic else self.topics

    @property
    def approved_models(self) -> frozenset[str]:
        """SHA-256 of the manifests that may be loaded; empty: any."""
        return frozenset(self.model_sha256.split(",") if self.model_sha256 else ())

    @model_validator(mode="after")
    def _ensure_consistency(self) -> Self:
        problems = [
            *_find_topic_problems(self),
            *_find_shadow_problems(self),
            *_find_delivery_problems(self),
            *_find_sasl_problems(self),
            *_find_ssl_problems(self),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self


class SettingDescription(NamedTuple):
    """One line of `prism config`."""

    name: str
    value: str
    source: Literal["environment", "default"]
    description: str


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SettingsError: naming all problems at once, one a line.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [line for problem in error.errors(include_input=False) for line in _describe_problem(problem)]
        raise SettingsError("\n".join(problems)) from None


def describe_settings(settings: Settings) -> list[SettingDescription]:
    """Describe every setting: variable, value with secrets masked, where it comes from, what it is for."""
    return [
        SettingDescription(
            name=f"{ENVIRONMENT_PREFIX}{name.upper()}",
            value=_render_value(getattr(settings, name)),
            source="environment" if name in settings.model_fields_set else "default",
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _render_value(value: Any) -> str:
    if isinstance(value, SecretStr):
        return SECRET_MASK
    return "" if value is None else str(value)


def _describe_problem(problem: Any) -> list[str]:
    location, message = problem["loc"], str(problem["msg"]).removeprefix("Value error, ")
    if not location:
        return message.splitlines()
    return [f"{ENVIRONMENT_PREFIX}{str(location[0]).upper()}: {message}"]


def _find_topic_problems(settings: Settings) -> list[str]:
    if len(set(settings.topics)) == len(settings.topics):
        return []
    # A worker that reads what it writes never comes to an end.
    return ["PRISM_INPUT_TOPIC, PRISM_OUTPUT_TOPIC, PRISM_DEAD_LETTER_TOPIC: must be three different topics"]


def _find_shadow_problems(settings: Settings) -> list[str]:
    if (settings.shadow_model is None) != (settings.shadow_topic is None):
        return ["PRISM_SHADOW_MODEL, PRISM_SHADOW_TOPIC: each needs the other"]
    if settings.shadow_topic in settings.topics:
        return ["PRISM_SHADOW_TOPIC: must be none of the other three topics"]
    return []


def _find_delivery_problems(settings: Settings) -> list[str]:
    if settings.delivery == "at-least-once" or settings.retry_budget_seconds <= MAX_TRANSACTION_BUDGET_SECONDS:
        return []
    return [
        f"PRISM_RETRY_BUDGET_SECONDS: at most {MAX_TRANSACTION_BUDGET_SECONDS:.0f} with PRISM_DELIVERY=exactly-once; "
        "brokers end longer transactions"
    ]


def _find_sasl_problems(settings: Settings) -> list[str]:
    is_sasl = settings.security_protocol.startswith("SASL_")
    problems = []
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        is_set = getattr(settings, name) is not None
        if is_sasl and not is_set:
            problems.append(
                f"PRISM_{name.upper()}: is needed with PRISM_SECURITY_PROTOCOL={settings.security_protocol}"
            )
        if is_set and not is_sasl:
            problems.append(f"PRISM_{name.upper()}: has no effect unless PRISM_SECURITY_PROTOCOL is SASL_SSL")
    return problems


def _find_ssl_problems(settings: Settings) -> list[str]:
    problems = []
    for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        path: Path | None = getattr(settings, name)
        if path is None:
            continue
        if not settings.security_protocol.endswith("SSL"):
            problems.append(f"PRISM_{name.upper()}: has no effect unless PRISM_SECURITY_PROTOCOL is SSL or SASL_SSL")
        if not path.is_file():
            problems.append(f"PRISM_{name.upper()}: there is no such file")
    if settings.ssl_keyfile and not settings.ssl_certfile:
        problems.append("PRISM_SSL_KEYFILE: needs PRISM_SSL_CERTFILE beside it")
    return problems
