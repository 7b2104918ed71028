"""A broker that asks who one is: certificates from an own authority, users, access control lists."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from stream_app.kafka.permissions import Right
from stream_app.settings import Settings, load_settings
from tests.broker.harness import Broker, Lane
from tests.broker.kafka_server import PLAINTEXT, ServerSecurity, run_secured_kafka

Link = Literal["tls", "mutual-tls", "scram", "plain"]
LINKS: tuple[Link, ...] = ("tls", "mutual-tls", "scram", "plain")
ROOT = Path(__file__).resolve().parents[2]
USER = "prism-worker"
SCRAM_PASSWORD = "canary-scram-5d1f"
PLAIN_PASSWORD = "canary-plain-83ab"
WRONG_PASSWORD = "canary-wrong-2f70"
CLIENT_NAME = "prism-client"
LIST_SECONDS = 30.0
NOT_IN_CERTIFICATE = "localhost"
"""A name that leads to the broker, and that its certificate does not hold."""

PRINCIPALS: dict[Link, str] = {
    "tls": "User:ANONYMOUS",
    "mutual-tls": f"User:CN={CLIENT_NAME}",
    "scram": f"User:{USER}",
    "plain": f"User:{USER}",
}
_LISTENERS: dict[Link, str] = {"tls": "TLS", "mutual-tls": "MUTUAL", "scram": "SASL", "plain": "SASL"}
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


@dataclass(frozen=True)
class Authority:
    """A certificate authority and what it has issued, as PEM files."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The certificate that makes everything trusted that the authority issues."""
        return self.folder / "ca.pem"

    def issue(self, name: str, address: str | None = None) -> tuple[Path, Path]:
        """Issue a certificate; returns its file and that of its key (PKCS#8, as Kafka wants it)."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{address}\n" if address else "basicConstraints=CA:FALSE\n")
        _openssl("req", "-newkey", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *signer, "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, key


def build_authority(folder: Path) -> Authority:
    """Build an own authority."""
    folder.mkdir()
    authority = Authority(folder)
    options = ("-x509", "-newkey", *_NEW_KEY, "-days", "2", "-subj", f"/CN={folder.name}")
    _openssl("req", *options, "-keyout", folder / "ca.key", "-out", authority.certificate)
    return authority


_NEW_KEY = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class SecuredBroker:
    """A broker with a listener for each link. Its PLAINTEXT listener is the tests' own: anonymous users may do all."""

    ports: dict[str, int]
    authority: Authority
    stranger: Authority
    """Another authority, which the broker does not trust."""
    client_certificate: Path
    client_key: Path

    @property
    def plain(self) -> Broker:
        """The broker as tests read and write it."""
        return Broker(f"127.0.0.1:{self.ports[PLAINTEXT]}", forgets=False)

    def build_environment(self, link: Link, host: str = "127.0.0.1") -> dict[str, str]:
        """Build the settings of a worker that comes over a link."""
        variables = {
            "PRISM_BOOTSTRAP_SERVERS": f"{host}:{self.ports[_LISTENERS[link]]}",
            "PRISM_SECURITY_PROTOCOL": "SASL_SSL" if link in ("scram", "plain") else "SSL",
            "PRISM_SSL_CAFILE": str(self.authority.certificate),
        }
        if link == "mutual-tls":
            variables["PRISM_SSL_CERTFILE"] = str(self.client_certificate)
            variables["PRISM_SSL_KEYFILE"] = str(self.client_key)
        if link in ("scram", "plain"):
            variables["PRISM_SASL_MECHANISM"] = "SCRAM-SHA-512" if link == "scram" else "PLAIN"
            variables["PRISM_SASL_USERNAME"] = USER
            variables["PRISM_SASL_PASSWORD"] = SCRAM_PASSWORD if link == "scram" else PLAIN_PASSWORD
        return variables

    def grant(self, link: Link, rights: Sequence[Right]) -> None:
        """Let the user of a link do something."""
        bindings = {_build_binding(PRINCIPALS[link], right) for right in rights}
        if not bindings:
            return
        admin = self._open_admin()
        for done in admin.create_acls(list(bindings)).values():
            done.result(10)
        _wait_for_lists(admin, lambda listed: bindings <= listed)

    def revoke(self, link: Link, right: Right) -> None:
        """Take a granted right back."""
        binding = _build_binding(PRINCIPALS[link], right)
        admin = self._open_admin()
        [done] = admin.delete_acls([_build_filter(binding)]).values()
        assert done.result(10) == [binding]
        _wait_for_lists(admin, lambda listed: binding not in listed)

    def _open_admin(self) -> AdminClient:
        # To be kept while its futures are waited for: they fail when it is collected.
        return AdminClient({"bootstrap.servers": self.plain.bootstrap_servers, "log_level": 0})


def _wait_for_lists(admin: AdminClient, is_so: Callable[[set[AclBinding]], bool]) -> None:
    # The controller answers before the broker has heard of the change.
    deadline = time.monotonic() + LIST_SECONDS
    while not is_so(set(admin.describe_acls(_ANY).result(10))):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _build_binding(principal: str, right: Right) -> AclBinding:
    return AclBinding(
        _RESOURCES[right.resource],
        right.name,
        ResourcePatternType.PREFIXED if right.is_prefix else ResourcePatternType.LITERAL,
        principal,
        "*",
        _OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )


def _build_filter(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


_EVERYTHING: Any = None  # confluent_kafka's types do not allow what its filters mean by None.
_ANY = AclBindingFilter(
    ResourceType.ANY,
    _EVERYTHING,
    ResourcePatternType.ANY,
    _EVERYTHING,
    _EVERYTHING,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


@contextmanager
def run_secured_broker(folder: Path) -> Iterator[SecuredBroker]:
    """Run one broker with all links."""
    authority, stranger = build_authority(folder / "trusted"), build_authority(folder / "stranger")
    certificate, key = authority.issue("broker", "127.0.0.1")
    store = folder / "broker.pem"
    store.write_text("".join(path.read_text() for path in (key, certificate, authority.certificate)))
    client_certificate, client_key = authority.issue(CLIENT_NAME)
    security = ServerSecurity(
        listeners={"TLS": "SSL", "MUTUAL": "SSL", "SASL": "SASL_SSL"},
        properties=_build_properties(store, authority.certificate),
        scram_users={USER: SCRAM_PASSWORD},
    )
    with run_secured_kafka(folder, security) as ports:
        yield SecuredBroker(ports, authority, stranger, client_certificate, client_key)


def _build_properties(store: Path, trusted: Path) -> dict[str, str]:
    modules = "org.apache.kafka.common.security"
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(trusted),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.sasl.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
        "listener.name.sasl.plain.sasl.jaas.config": (
            f'{modules}.plain.PlainLoginModule required user_{USER}="{PLAIN_PASSWORD}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": PRINCIPALS["tls"],
        # A client that asks carelessly would make a topic.
        "auto.create.topics.enable": "true",
    }


def name_resources(lane: Lane) -> dict[str, str]:
    """The settings that a process needs to work on a lane, beside how it reaches the broker."""
    settings = lane.settings
    return {
        "PRISM_INPUT_TOPIC": settings.input_topic,
        "PRISM_OUTPUT_TOPIC": settings.output_topic,
        "PRISM_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
        "PRISM_CONSUMER_GROUP": settings.consumer_group,
    }


def load(environment: dict[str, str]) -> Settings:
    """Load settings from an environment that is gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings()


def run_prism(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a process of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRISM_")}
    return subprocess.run(
        [sys.executable, "-m", "stream_app", *arguments],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ensure_no_secret(secured: SecuredBroker, text: str) -> None:
    """Look for passwords, as they are and encoded, and for every line of the private key."""
    secrets = [SCRAM_PASSWORD, PLAIN_PASSWORD, WRONG_PASSWORD]
    secrets += [base64.b64encode(secret.encode()).decode() for secret in secrets]
    secrets += [line for line in secured.client_key.read_text().splitlines() if not line.startswith("-----")]
    for secret in secrets:
        assert secret not in text
