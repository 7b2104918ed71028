"""Apache Kafka clusters on loopback whose brokers can be stopped, killed and started again on the same ports and data.

Each broker has two listeners: one for the harness, which no fault may touch, and one for the worker, whose advertised
port may be a proxy's.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.broker.kafka_server import install_kafka

READY_SECONDS: Final = 120.0
STOP_SECONDS: Final = 30.0
CLUSTER_ID: Final = "MkU3OEVBNTcwNTJENDM2Qg"
JAVA: Final = ("java", "-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp")
PORTS: Final = range(20_000, 32_000)
"""Below the ports that the system gives to outgoing connections: a broker must find its port free when it is back."""


class ClusterError(Exception):
    """A broker did not do what it was told to; the message ends with its log."""


def find_free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    ports: set[int] = set()
    while len(ports) < count:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.add(port)
    return list(ports)


class Broker:
    """One node: broker and controller in one process."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.port, self.worker_port, self.controller_port = find_free_ports(3)
        self.advertised_port = self.worker_port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.poll() is None

    def format(self, properties: str) -> "subprocess.Popen[bytes]":
        """Begin to write the properties' file and the empty data folder."""
        file = self._folder / "server.properties"
        file.write_text(properties)
        command = [*JAVA, f"{install_kafka()}/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen([*command, str(file)], stdout=log, stderr=log, env=_pick_environment())

    def start(self) -> None:
        """Start the process, with the data that it has."""
        command = [*JAVA, f"{install_kafka()}/*", "kafka.Kafka", str(self._folder / "server.properties")]
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=_pick_environment())

    def stop(self) -> None:
        """End it in order: it hands its partitions over first."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"broker {self.number} did not stop\n{self.read_log()}") from error

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def read_log(self) -> str:
        """Read the end of what it logged."""
        return (self._folder / "broker.log").read_text(errors="replace")[-2_000:]


class Cluster:
    """One broker, or three with everything replicated and two copies needed for a write."""

    def __init__(self, folder: Path, size: int, properties: Mapping[str, str]) -> None:
        self.brokers = [Broker(number, folder / f"broker-{number}") for number in range(1, size + 1)]
        self.folder = folder
        self._properties = properties

    @property
    def size(self) -> int:
        """How many brokers it has; topics are replicated to all of them."""
        return len(self.brokers)

    @property
    def bootstrap_servers(self) -> str:
        """Where the harness connects."""
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    @property
    def worker_bootstrap_servers(self) -> str:
        """Where the worker connects."""
        return ",".join(f"127.0.0.1:{broker.advertised_port}" for broker in self.brokers)

    def __enter__(self) -> Self:
        formatting = [broker.format(self._render_properties(broker)) for broker in self.brokers]
        if any(process.wait(READY_SECONDS) for process in formatting):
            raise ClusterError("the data folders could not be formatted")
        try:
            for broker in self.brokers:
                broker.start()
            self.wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # Without a quorum SIGTERM does not end a broker, and nobody needs the data any more.
        for broker in self.brokers:
            broker.kill()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def open_admin(self) -> AdminClient:
        """Open an administration client of the harness."""
        return AdminClient(
            {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 250}
        )

    def wait_until_ready(self) -> float:
        """Wait until all running brokers are known and every partition has a leader; returns when that was."""
        admin = self.open_admin()
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with suppress(KafkaException):
                if self._is_ready(admin):
                    return time.time()
            time.sleep(0.1)
        raise ClusterError("no cluster in time\n" + "\n".join(broker.read_log() for broker in self.brokers))

    def find_leader(self, topic: str, partition: int) -> Broker:
        """Find the broker that leads a partition."""
        leader = self.open_admin().list_topics(topic, timeout=10).topics[topic].partitions[partition].leader
        return self.brokers[leader - 1]

    def run_tool(self, main_class: str, *arguments: str) -> str:
        """Run one of Apache Kafka's own tools; returns what it printed."""
        command = [*JAVA, f"{install_kafka()}/*", main_class, "--bootstrap-server", self.bootstrap_servers, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=_pick_environment())
        if done.returncode != 0:
            raise ClusterError(f"{main_class} failed\n{done.stdout[-1_000:]}\n{done.stderr[-1_000:]}")
        return done.stdout

    def _is_ready(self, admin: AdminClient) -> bool:
        metadata = admin.list_topics(timeout=2)
        running = {broker.number for broker in self.brokers if broker.is_running}
        leaders = {one.leader for topic in metadata.topics.values() for one in topic.partitions.values()}
        return set(metadata.brokers) == running and leaders <= running

    def _render_properties(self, broker: Broker) -> str:
        voters = ",".join(f"{one.number}@127.0.0.1:{one.controller_port}" for one in self.brokers)
        needed = min(2, self.size)
        properties = {
            "process.roles": "broker,controller",
            "node.id": f"{broker.number}",
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"HARNESS://127.0.0.1:{broker.port},WORKER://127.0.0.1:{broker.worker_port},"
            f"CONTROLLER://127.0.0.1:{broker.controller_port}",
            "advertised.listeners": f"HARNESS://127.0.0.1:{broker.port},WORKER://127.0.0.1:{broker.advertised_port}",
            "listener.security.protocol.map": "HARNESS:PLAINTEXT,WORKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "HARNESS",
            "log.dirs": f"{self.folder}/data/{broker.number}",
            "auto.create.topics.enable": "false",
            "default.replication.factor": f"{self.size}",
            "min.insync.replicas": f"{needed}",
            "offsets.topic.replication.factor": f"{self.size}",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": f"{self.size}",
            "transaction.state.log.min.isr": f"{needed}",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": f"{self.size}",
            "share.coordinator.state.topic.min.isr": f"{needed}",
            "group.initial.rebalance.delay.ms": "0",
            # By default a dead broker is noticed after nine seconds.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            **self._properties,
        }
        return "".join(f"{name}={value}\n" for name, value in properties.items())


def _pick_environment() -> dict[str, str]:
    # KAFKA_OPTS and the like of whoever runs this must not change the broker.
    return {"PATH": os.environ["PATH"]}
