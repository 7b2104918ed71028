"""A real Apache Kafka for tests: jars by Maven, one process, its own data and ports for each start."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).parent / "kafka" / "pom.xml"
JARS = ROOT / ".cache" / "kafka" / "4.3.0"
START_SECONDS = 60.0
PLAINTEXT = "PLAINTEXT"


class KafkaMissingError(Exception):
    """No Apache Kafka can be run here; the message says what is missing."""


def install_kafka() -> Path:
    """Fetch the jars once; returns the folder that holds them."""
    if shutil.which("java") is None:
        raise KafkaMissingError("there is no java")
    if list(JARS.glob("kafka_2.13-*.jar")):
        return JARS
    if shutil.which("mvn") is None:
        raise KafkaMissingError("there is no mvn, and the jars have not been fetched yet")
    draft = JARS.with_name(f"draft-{uuid4().hex}")
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
    done = subprocess.run(
        [*command, "-DincludeScope=runtime"], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise KafkaMissingError(f"mvn could not fetch Apache Kafka: {done.stdout[-300:]}")
    with suppress(OSError):  # Another run was faster.
        draft.replace(JARS)
    shutil.rmtree(draft, ignore_errors=True)
    return JARS


@dataclass(frozen=True)
class ServerSecurity:
    """How a broker is reached besides PLAINTEXT, and whom it lets do what."""

    listeners: Mapping[str, str] = field(default_factory=dict)
    """The security protocol of each further listener."""
    properties: Mapping[str, str] = field(default_factory=dict)
    scram_users: Mapping[str, str] = field(default_factory=dict)
    """Passwords by user name, for SCRAM-SHA-512."""


@contextmanager
def run_kafka(folder: Path) -> Iterator[str]:
    """Run a broker on the loopback interface; yields its bootstrap server."""
    with run_secured_kafka(folder, ServerSecurity()) as ports:
        yield f"127.0.0.1:{ports[PLAINTEXT]}"


@contextmanager
def run_secured_kafka(folder: Path, security: ServerSecurity) -> Iterator[dict[str, int]]:
    """Run a broker with more listeners on the loopback interface; yields the port of each, PLAINTEXT too."""
    classpath = f"{install_kafka()}/*"
    names = [PLAINTEXT, *security.listeners]
    controller_port, *free_ports = _find_free_ports(1 + len(names))
    ports = dict(zip(names, free_ports, strict=True))
    properties = folder / "server.properties"
    properties.write_text(_render_properties(folder, ports, controller_port, security))
    environment = {"PATH": os.environ["PATH"]}
    cluster = "MkU3OEVBNTcwNTJENDM2Qg"
    format_command = ["java", "-Xmx256m", "-cp", classpath, "kafka.tools.StorageTool", "format", "-t", cluster]
    for user, password in security.scram_users.items():
        format_command += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
    subprocess.run(
        [*format_command, "-c", str(properties)],
        env=environment,
        check=True,
        capture_output=True,
        timeout=START_SECONDS,
    )
    with (folder / "kafka.log").open("wb") as log:
        server = subprocess.Popen(
            ["java", "-Xmx512m", "-cp", classpath, "kafka.Kafka", str(properties)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(f"127.0.0.1:{ports[PLAINTEXT]}", server)
        yield ports
    finally:
        server.kill()
        server.wait()


def _wait_until_up(bootstrap_servers: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(KafkaException):
            admin.list_topics(timeout=1)
            return
    raise KafkaMissingError(f"Apache Kafka did not start (exit code {server.poll()})")


def _find_free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _render_properties(folder: Path, ports: Mapping[str, int], controller_port: int, security: ServerSecurity) -> str:
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    protocols = {PLAINTEXT: PLAINTEXT, "CONTROLLER": PLAINTEXT, **security.listeners}
    more = "\n".join(f"{name}={value}" for name, value in security.properties.items())
    return f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map={",".join(f"{name}:{protocol}" for name, protocol in protocols.items())}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
{more}
"""
