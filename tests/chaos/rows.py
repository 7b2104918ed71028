"""The rows of the fault matrix: what happens to a worker under load, and what is expected besides 'nothing lost'."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from signal import SIGKILL, SIGTERM
from typing import Final

from tests.chaos import broker_faults, worker_faults
from tests.chaos.broker_faults import BROKEN_MACHINE
from tests.chaos.cluster import Broker
from tests.chaos.load import LoadPlan
from tests.chaos.proxy import Mode
from tests.chaos.stage import RIGHT_WORKER, Delivery, Stage
from tests.chaos.worker_faults import per_lane

BOTH: Final[tuple[Delivery, ...]] = ("at-least-once", "exactly-once")
STATIC: Final = {"PRISM_INSTANCE_ID": "worker-0"}
BROKER_UNREACHABLE: Final = 69
MAY_BREAK: Final = frozenset({BROKEN_MACHINE})
MAY_MISS_THE_BROKER: Final = frozenset({BROKEN_MACHINE, BROKER_UNREACHABLE})
USUAL_LOAD: Final = LoadPlan(150.0)
ACLS: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@dataclass(frozen=True)
class Row:
    """One fault, and how it is caused."""

    name: str
    fault: str
    act: Callable[[Stage], None]
    """Causes the fault, and returns when it is over; the load goes on all the while."""
    deliveries: tuple[Delivery, ...] = BOTH
    runs: int = 3
    plan: LoadPlan = USUAL_LOAD
    delay_seconds: float = 0.03
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = RIGHT_WORKER
    brokers: int = 1
    is_proxied: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, Mapping[str, str]] | None = field(default_factory=dict)
    """Configuration by role (in, out, dead); None: the row makes the topics itself, and starts the load."""
    starts_worker: bool = True
    exits: frozenset[int] = frozenset()
    """Codes with which a worker may end by itself."""
    must_exit: bool = False
    settle_seconds: float = 240.0
    """How long the workers have, after the load, for what is still waiting."""
    may_cut_letters: bool = False
    """Whether a dead letter may be less than its record, and say so."""


def _inject(fault: str, every: int) -> dict[str, str]:
    return {"CHAOS_FAULT": fault, "CHAOS_EVERY": str(every)}


def _refuse(name: str, how: str, stop: Callable[[Stage], None], mend: Callable[[Stage], None]) -> Row:
    return Row(
        name,
        f"dead-letter topic refusing: {how}",
        broker_faults.refuse_dead_letters(stop, mend),
        plan=LoadPlan(150.0, poison_share=0.01),
        environment={**STATIC, "PRISM_RETRY_BUDGET_SECONDS": "5"},
        starts_worker=False,
        exits=MAY_BREAK,
        must_exit=True,
    )


ROWS: Final[tuple[Row, ...]] = (
    Row(
        "kill",
        "worker killed (-9) every few seconds, static id",
        per_lane(worker_faults.signal_repeatedly(SIGKILL, 5)),
        environment=STATIC,
    ),
    Row(
        "kill-dynamic",
        "worker killed (-9) every few seconds, dynamic membership",
        per_lane(worker_faults.signal_repeatedly(SIGKILL, 3)),
    ),
    Row(
        "sigterm",
        "SIGTERM every few seconds",
        per_lane(worker_faults.signal_repeatedly(SIGTERM, 5)),
        environment=STATIC,
    ),
    Row(
        "decode",
        "exception in decode, every 200th call",
        per_lane(worker_faults.run_with_faults),
        environment=_inject("decode", 200),
    ),
    Row(
        "generate",
        "exception in generate, every 10th call, and on 1 % of the records always",
        per_lane(worker_faults.run_with_faults),
        plan=LoadPlan(150.0, cursed_share=0.01),
        environment=_inject("generate", 10),
    ),
    Row(
        "publish",
        "exception in publish, every 700th record",
        per_lane(worker_faults.run_with_faults),
        environment={**STATIC, **_inject("publish", 700)},
        exits=MAY_BREAK,
        must_exit=True,
    ),
    Row(
        "commit",
        "exception in commit, every 20th call",
        per_lane(worker_faults.run_with_faults),
        environment={**STATIC, **_inject("commit", 20)},
        exits=MAY_BREAK,
        must_exit=True,
    ),
    Row(
        "freeze",
        "worker frozen beyond the session timeout, replaced, thawed",
        per_lane(worker_faults.freeze(2)),
        plan=LoadPlan(100.0),
        delay_seconds=0.15,
        exits=MAY_BREAK,
    ),
    Row(
        "scale",
        "1 to 3 workers and back, dynamic membership",
        per_lane(worker_faults.scale(False)),
        plan=LoadPlan(150.0),
    ),
    Row(
        "scale-static",
        "1 to 3 workers and back, static ids",
        per_lane(worker_faults.scale(True)),
        plan=LoadPlan(150.0),
        environment=STATIC,
    ),
    Row(
        "same-id",
        "two live workers with one static id",
        per_lane(worker_faults.share_an_id),
        environment=STATIC,
        exits=MAY_BREAK,
        must_exit=True,
    ),
    Row(
        "topics",
        "topics missing at the start, made later",
        per_lane(worker_faults.make_topics_late),
        topics=None,
        environment={**STATIC, "PRISM_RETRY_BUDGET_SECONDS": "5"},
        exits=MAY_BREAK,
    ),
    Row("restart", "the only broker restarted", broker_faults.restart_broker(Broker.stop, 2)),
    Row("broker-kill", "the only broker killed (-9)", broker_faults.restart_broker(Broker.kill, 2)),
    Row("one-of-three", "each of three brokers killed (-9) in turn", broker_faults.kill_each_broker, brokers=3),
    Row("leader", "every partition's leader moved", broker_faults.move_leaders, brokers=3),
    Row(
        "two-of-three",
        "two of three brokers down for a minute",
        broker_faults.kill_two_of_three,
        brokers=3,
        plan=LoadPlan(70.0),
    ),
    Row("slow", "network slow: 0.1 s more for each chunk", broker_faults.disturb(Mode.SLOW, 8, 0.1), is_proxied=True),
    Row("cut", "network cut", broker_faults.disturb(Mode.CUT, 8), is_proxied=True, exits=MAY_MISS_THE_BROKER),
    Row(
        "half-open",
        "network half-open: bytes vanish, connections stay",
        broker_faults.disturb(Mode.HALF_OPEN, 10),
        is_proxied=True,
        plan=LoadPlan(60.0),
        environment={"PRISM_RETRY_BUDGET_SECONDS": "15"},
        exits=MAY_MISS_THE_BROKER,
    ),
    Row("poison-1", "1 % poison", per_lane(worker_faults.run_with_faults), plan=LoadPlan(150.0, poison_share=0.01)),
    Row("poison-30", "30 % poison", per_lane(worker_faults.run_with_faults), plan=LoadPlan(150.0, poison_share=0.3)),
    Row(
        "poison-100",
        "100 % poison until the breaker opens, then mended",
        per_lane(worker_faults.send_only_poison),
        plan=LoadPlan(60.0, poison_share=1.0),
        environment={"PRISM_BREAKER_PAUSE_SECONDS": "6", "PRISM_BATCH_RECORDS": "128"},
    ),
    Row(
        "large",
        "1 % of the output records too large for the topic",
        per_lane(worker_faults.run_with_faults),
        plan=LoadPlan(150.0, padded_share=0.01, padding_bytes=10_000),
        topics={"out": {"max.message.bytes": "4000"}},
    ),
    replace(
        _refuse("refused-acl", "ACL", broker_faults.deny_dead_letters, broker_faults.allow_dead_letters),
        properties=ACLS,
    ),
    replace(
        _refuse("refused-size", "record size", broker_faults.shrink_dead_letters, broker_faults.widen_dead_letters),
        # A worker that has read the small limit keeps to it for a minute.
        may_cut_letters=True,
    ),
    replace(
        _refuse(
            "refused-replicas", "too few replicas", broker_faults.kill_third_broker, broker_faults.start_third_broker
        ),
        brokers=3,
        topics={"dead": {"min.insync.replicas": "3"}},
    ),
    Row(
        "burst",
        "a burst of 20 times the capacity",
        per_lane(worker_faults.send_burst),
        plan=LoadPlan(100.0),
        delay_seconds=0.2,
    ),
    Row(
        "clock",
        "the host's clock jumps every 3 s",
        per_lane(worker_faults.run_with_faults),
        environment=_inject("clock", 1),
    ),
    Row(
        "model",
        "real model, killed (-9) every few seconds",
        per_lane(worker_faults.signal_repeatedly(SIGKILL, 3)),
        plan=LoadPlan(60.0, max_items=1),
        # Three workers share the machine, each slower than its load.
        settle_seconds=1_200.0,
        environment=STATIC,
        command=(*RIGHT_WORKER, "--model"),
    ),
)
