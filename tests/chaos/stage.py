"""One row at work: a cluster, a proxy where the network is at fault, and a lane for each run of the row.

The runs of a row share the cluster and go on side by side; each has topics, group, load and workers of its own.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal

from confluent_kafka import KafkaException

from tests.chaos.check import Change, Findings, Input, check, measure_recovery
from tests.chaos.cluster import Cluster
from tests.chaos.load import Loader, LoadPlan, find_key
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.supervisor import NotInTimeError, Supervisor, wait_until
from tests.chaos.topics import Progress, make_topic, read_inputs, read_topic

Delivery = Literal["at-least-once", "exactly-once"]
LINGER_SECONDS: Final = 1.0
"""After the last commit: what a worker would still write too much has to be there before the topics are read."""
RIGHT_WORKER: Final = ("-m", "tests.chaos.worker")


@dataclass
class Lane:
    """One run."""

    name: str
    cluster: Cluster
    supervisor: Supervisor
    loader: Loader
    delivery: Delivery
    random: Random
    problems: list[str] = field(default_factory=list)

    @property
    def input_topic(self) -> str:
        """The topic that the load goes to."""
        return f"{self.name}-in"

    @property
    def output_topic(self) -> str:
        """The topic of explanations."""
        return f"{self.name}-out"

    @property
    def dead_letter_topic(self) -> str:
        """The topic of dead letters."""
        return f"{self.name}-dead"

    def make_topics(self, config: Mapping[str, Mapping[str, str]]) -> None:
        """Make all three topics; `config` is by role: in, out, dead."""
        admin = self.cluster.open_admin()
        for role in ("in", "out", "dead"):
            make_topic(admin, f"{self.name}-{role}", self.cluster.size, config.get(role, {}))

    def expect(self, is_met: bool, what: str) -> None:
        """Note a problem unless something holds."""
        if not is_met:
            self.problems.append(what)

    def pause(self, low_seconds: float, high_seconds: float) -> None:
        """Wait for a random time."""
        time.sleep(self.random.uniform(low_seconds, high_seconds))

    def read_committed(self) -> dict[int, int]:
        """Read how far the group has come in each partition."""
        progress = Progress(self.cluster.bootstrap_servers, self.name, self.input_topic)
        try:
            return progress.read_committed()
        finally:
            progress.close()

    def wait_for_progress(self) -> None:
        """Wait until more is committed than now."""
        before = sum(self.read_committed().values())
        wait_until(lambda: sum(self.read_committed().values()) > before, f"{self.name}: anything is committed")

    def wait_until_settled(self, seconds: float) -> None:
        """Wait until every record of the input topic is committed."""
        progress = Progress(self.cluster.bootstrap_servers, self.name, self.input_topic)

        def is_settled() -> bool:
            with suppress(KafkaException):
                return progress.count_left() == 0
            return False

        try:
            wait_until(is_settled, f"{self.name}: everything is committed", seconds)
        except NotInTimeError as error:
            self.problems.append(f"{error}; {progress.count_left()} records left")
        finally:
            progress.close()
        time.sleep(LINGER_SECONDS)

    def stop(self) -> None:
        """End the workers in order."""
        try:
            codes = self.supervisor.stop()
        except NotInTimeError as error:
            self.problems.append(str(error))
        else:
            self.expect(not codes - {0}, f"the last exit codes are {sorted(codes)}")

    def check(self) -> Findings:
        """Read all topics and compare."""
        servers = self.cluster.bootstrap_servers
        self.expect(not self.loader.failures, f"the load failed: {self.loader.failures[:1]}")
        inputs = read_inputs(servers, self.input_topic, self.loader.sent)
        if len(inputs) != len(self.loader.sent):
            self.problems.append(self._describe_difference(inputs))
        is_committed_only = self.delivery == "exactly-once"
        outputs = read_topic(servers, self.output_topic, False, is_committed_only)
        letters = read_topic(servers, self.dead_letter_topic, True, is_committed_only)
        findings = check(inputs, [*outputs, *letters])
        self.expect(not findings.strangers, f"{len(findings.strangers)} strangers: {findings.strangers[:1]}")
        return findings

    def _describe_difference(self, inputs: Sequence[Input]) -> str:
        """Say which records of the load the topic lacks, by number, and how far each partition was read."""
        sent = self.loader.sent
        there = {(one.key, one.value) for one in inputs}
        absent = [number for number, one in enumerate(sent.values()) if (find_key(number), one.value) not in there]
        read = Counter(one.position.partition for one in inputs)
        ends = {one.position.partition: one.position.offset + 1 for one in inputs}
        return f"{len(inputs)} inputs of {len(sent)} sent; absent: {absent[:5]}; read {dict(read)} up to {ends}"


@dataclass
class Stage:
    """All runs of a row."""

    cluster: Cluster
    proxy: Proxy | None
    lanes: list[Lane]
    changes: list[Change] = field(default_factory=list)
    broker_kills: int = 0

    def each(self, act: Callable[[Lane], None]) -> None:
        """Do something in all runs side by side."""
        with ThreadPoolExecutor(len(self.lanes)) as pool:
            list(pool.map(act, self.lanes))

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Mark what happens inside as an outage of brokers or network; it is over when the cluster is ready."""
        self.changes.append(Change(time.time(), "cluster", False))
        yield
        self.changes.append(Change(self.cluster.wait_until_ready(), "cluster", True))

    def disturb_network(self, mode: Mode, seconds: float, delay_seconds: float = 0.0) -> None:
        """Let the network misbehave for a time."""
        assert self.proxy is not None
        with self.outage():
            self.proxy.set_mode(mode, delay_seconds)
            time.sleep(seconds)
            self.proxy.set_mode(Mode.PASS)

    def measure_recovery(self, lane: Lane, findings: Findings) -> float:
        """Measure how long a run took to write again after a fault was over."""
        return measure_recovery([*self.changes, *lane.supervisor.changes], findings.first_seen)


@dataclass(frozen=True)
class Setting:
    """What a stage is built of."""

    name: str
    delivery: Delivery
    runs: int
    plan: LoadPlan
    events: int
    brokers: int = 1
    is_proxied: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = RIGHT_WORKER


@contextmanager
def open_stage(setting: Setting, folder: Path) -> Iterator[Stage]:
    """Start cluster, proxy and lanes; their topics, load and workers are the row's to start."""
    with ExitStack() as stack:
        cluster = Cluster(folder, setting.brokers, setting.properties)
        proxy = None
        if setting.is_proxied:
            proxy = stack.enter_context(Proxy(cluster.brokers[0].worker_port))
            cluster.brokers[0].advertised_port = proxy.port
        stack.enter_context(cluster)
        lanes = [_build_lane(setting, cluster, folder, number) for number in range(1, setting.runs + 1)]
        for lane in lanes:
            stack.callback(lane.supervisor.end)
        yield Stage(cluster, proxy, lanes)


def _build_lane(setting: Setting, cluster: Cluster, folder: Path, number: int) -> Lane:
    name = f"{setting.name}-{number}"
    environment = {
        "PRISM_BOOTSTRAP_SERVERS": cluster.worker_bootstrap_servers,
        "PRISM_INPUT_TOPIC": f"{name}-in",
        "PRISM_OUTPUT_TOPIC": f"{name}-out",
        "PRISM_DEAD_LETTER_TOPIC": f"{name}-dead",
        "PRISM_CONSUMER_GROUP": name,
        "PRISM_DELIVERY": setting.delivery,
        # The shortest that brokers and worker allow, so that a lost member is noticed soon.
        "PRISM_SESSION_TIMEOUT_SECONDS": "6",
        **setting.environment,
    }
    logs = folder / f"run-{number}"
    logs.mkdir()
    return Lane(
        name=name,
        cluster=cluster,
        supervisor=Supervisor([*setting.command], environment, logs),
        loader=Loader(cluster.bootstrap_servers, f"{name}-in", setting.plan.reseed(number), setting.events),
        delivery=setting.delivery,
        random=Random(number),
    )
