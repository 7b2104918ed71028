"""What the broker tests share: topics of their own, a worker process, traffic, and waiting with a deadline."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream_app.kafka.clients import create_topics
from stream_app.settings import Settings
from tests.broker.fake_worker import DELAY_VARIABLE

DEADLINE_SECONDS = 120.0
ID_HEADER = "test-id"


@dataclass(frozen=True)
class Broker:
    """A broker under test. `forgets`: static membership is unknown to it, so a killed member times out instead."""

    bootstrap_servers: str
    forgets: bool


@dataclass(frozen=True)
class Record:
    """One record as the broker has it."""

    offset: tuple[int, int]
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def id(self) -> str:
        """The id that the input record was given, carried over by the worker."""
        return str(dict(self.headers)[ID_HEADER] or b"", "ascii")


@dataclass
class Lane:
    """The topics and the group of one test, and the workers that it started."""

    broker: Broker
    name: str
    folder: Path
    workers: "list[WorkerProcess]" = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings of the worker."""
        return Settings(
            bootstrap_servers=self.broker.bootstrap_servers,
            input_topic=f"{self.name}-in",
            output_topic=f"{self.name}-out",
            dead_letter_topic=f"{self.name}-dead",
            consumer_group=self.name,
        )

    def create_topics(self) -> list[str]:
        """Do what `prism topics create` does."""
        return create_topics(self.settings, partitions=4, replication=1)

    def create_side_topic(self, name: str) -> str:
        """Create one more topic; returns its name."""
        changes = {"shadow_model": "any", "shadow_topic": name}
        create_topics(self.settings.model_copy(update=changes), partitions=4, replication=1)
        return name

    def start_worker(self, delay_seconds: float = 0.0, **environment: str) -> "WorkerProcess":
        """Start a worker process."""
        settings = self.settings
        variables = {
            "PRISM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "PRISM_INPUT_TOPIC": settings.input_topic,
            "PRISM_OUTPUT_TOPIC": settings.output_topic,
            "PRISM_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
            "PRISM_CONSUMER_GROUP": settings.consumer_group,
            "PRISM_SESSION_TIMEOUT_SECONDS": "6",
            "PRISM_HTTP_HOST": "127.0.0.1",
            "PRISM_HTTP_PORT": "0",
            DELAY_VARIABLE: str(delay_seconds),
        }
        if not self.broker.forgets:
            variables["PRISM_INSTANCE_ID"] = "worker-0"
        worker = WorkerProcess({**variables, **environment}, self.folder / f"worker-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def send(self, records: Sequence[tuple[str, bytes | None]], **arguments: Any) -> None:
        """Send records, each with its id in a header, and wait until the broker has them."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap_servers, "log_level": 0, **arguments})
        failures: list[Any] = []
        topic = self.settings.input_topic
        for number, (identity, value) in enumerate(records):
            producer.produce(
                topic,
                value,
                key=f"key-{number % 17}".encode(),
                headers=[(ID_HEADER, identity.encode()), ("trace", b"\x00\xff"), ("trace", None)],
                on_delivery=lambda error, _message: failures.append(error) if error else None,
            )
            producer.poll(0)
        assert producer.flush(DEADLINE_SECONDS) == 0
        assert not failures

    def read_until(self, is_enough: Callable[[list[Record], list[Record]], bool]) -> tuple[list[Record], list[Record]]:
        """Read outputs and dead letters from the beginning until there are enough; fails after the deadline."""
        settings = self.settings
        with open_reader(self.broker) as reader:
            names = (settings.output_topic, settings.dead_letter_topic)
            reader.assign([partition for name in names for partition in list_partitions(reader, name)])
            outputs: list[Record] = []
            letters: list[Record] = []
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not is_enough(outputs, letters):
                assert time.monotonic() < deadline, (
                    f"{len(outputs)} outputs, {len(letters)} letters\n{self.read_logs()}"
                )
                for message in reader.consume(500, timeout=0.5):
                    assert message.error() is None
                    (outputs if message.topic() == settings.output_topic else letters).append(_read(message))
            return outputs, letters

    def read_all_of(self, identities: set[str]) -> tuple[list[Record], list[Record]]:
        """Read until every id has an outcome."""
        return self.read_until(lambda outputs, letters: collect_ids(outputs) | collect_ids(letters) >= identities)

    def read_settled(self) -> tuple[list[Record], list[Record]]:
        """Read outputs and dead letters to their ends: for workers that have nothing in flight."""
        return self.read_to_end(self.settings.output_topic), self.read_to_end(self.settings.dead_letter_topic)

    def read_inputs(self) -> list[Record]:
        """Read the input topic to its end."""
        return self.read_to_end(self.settings.input_topic)

    def read_to_end(self, topic: str) -> list[Record]:
        """Read a topic without transactions to its end; fails after the deadline."""
        with open_reader(self.broker) as reader:
            partitions = list_partitions(reader, topic)
            count = sum(find_end(reader, one) for one in partitions)
            reader.assign(partitions)
            records: list[Record] = []
            deadline = time.monotonic() + DEADLINE_SECONDS
            while len(records) < count:
                assert time.monotonic() < deadline, f"{len(records)} of {count} records of {topic}"
                records += [_read(message) for message in reader.consume(500, timeout=0.5)]
            return records

    def read_committed(self) -> dict[int, int]:
        """Read the offsets that the worker's group has committed, by partition."""
        with open_reader(self.broker, self.settings.consumer_group) as reader:
            partitions = reader.committed(list_partitions(reader, self.settings.input_topic), timeout=10)
            return {one.partition: max(0, one.offset) for one in partitions}

    def read_logs(self) -> str:
        """Read the end of what the workers logged."""
        return "\n".join(worker.read_log()[-3_000:] for worker in self.workers)


def find_end(reader: Consumer, partition: TopicPartition) -> int:
    """Ask for the offset behind the last record; a topic that is seconds old may not have found its leader yet."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return int(reader.get_watermark_offsets(partition, timeout=10)[1])
        except KafkaException as error:
            is_leaderless = error.args[0].code() in (
                KafkaError.NOT_LEADER_FOR_PARTITION,
                KafkaError.LEADER_NOT_AVAILABLE,
            )
            if not is_leaderless or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class WorkerProcess:
    """One worker as a process of its own."""

    def __init__(
        self, environment: dict[str, str], log_path: Path, module: Sequence[str] = ("tests.broker.fake_worker",)
    ) -> None:
        self._log_path = log_path
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRISM_")}
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module],
                env={**inherited, **environment},
                cwd=Path(__file__).resolve().parents[2],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for the end; returns the exit code."""
        return self._process.wait(seconds)

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.is_running:
            self._process.kill()
        self._process.wait()

    def read_log(self) -> str:
        """Read everything that the process wrote."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def read_entries(self) -> list[dict[str, Any]]:
        """Read the log entries; every line has to be JSON."""
        return [json.loads(line) for line in self.read_log().splitlines(keepends=True) if line.endswith("\n")]

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask the probe server; status 0 while it does not answer."""
        ports = [entry["port"] for entry in self.read_entries() if entry["message"] == "probes_listening"]
        if not ports:
            return 0, b""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}{path}", timeout=5) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def wait_until(self, is_met: Callable[[], bool], what: str) -> None:
        """Poll until a condition is met; fails when the process ends or after the deadline."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_met():
            assert self.is_running, f"ended while waiting until {what}\n{self.read_log()[-3_000:]}"
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.read_log()[-3_000:]}"
            time.sleep(0.05)

    def wait_until_ready(self) -> None:
        """Wait for /readyz to say 200."""
        self.wait_until(lambda: self.get("/readyz")[0] == 200, "ready")

    def read_memory(self) -> int:
        """Read the resident memory, in bytes."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def read_metric(self, sample: str) -> float:
        """Read one sample of /metrics, such as `prism_commits_total`."""
        for line in self.get("/metrics")[1].decode().splitlines():
            name, _, number = line.rpartition(" ")
            if name == sample:
                return float(number)
        return 0.0


@contextmanager
def open_reader(broker: Broker, group: str | None = None) -> Iterator[Consumer]:
    """Open a consumer that joins no group."""
    reader = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": group or f"reader-{uuid4().hex}",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        yield reader
    finally:
        reader.close()


def list_partitions(reader: Consumer, topic: str) -> list[TopicPartition]:
    """List all partitions of a topic, to be read from the beginning."""
    partitions = reader.list_topics(topic, timeout=10).topics[topic].partitions
    return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]


def _read(message: Message) -> Record:
    offset = (message.partition() or 0, message.offset() or 0)
    headers: Any = message.headers() or []
    return Record(offset, message.key(), message.value(), list(headers))


def collect_ids(records: Sequence[Record]) -> set[str]:
    """Collect the test ids of records."""
    return {record.id for record in records}


def build_event(number: int, items: int = 1, **changes: Any) -> bytes:
    """Build the value of a valid ranking event."""
    event = {
        "event_id": f"event-{number}",
        "occurred_at": "2026-03-01T12:00:00Z",
        "user": {
            "user_id": f"user/{number % 17}",
            "history": [
                {"item_id": "h", "title": "The Quiet Harbour", "rating": 5.0, "attributes": {"genre": ["drama"]}}
            ],
        },
        "items": [
            {
                "item_id": f"item:{number}-{rank}",
                "title": f"A Lamp at Sea {rank}",
                "rank": rank,
                "attributes": {"genre": ["mystery"]},
            }
            for rank in range(1, items + 1)
        ],
    }
    return json.dumps({**event, **changes}).encode()


def build_events(count: int, items: int = 1) -> list[tuple[str, bytes | None]]:
    """Build events with their ids."""
    return [(f"event-{number}", build_event(number, items)) for number in range(count)]
