"""Faults of brokers, network and dead-letter topics: each function causes one, and returns when it is over."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import ElectionType, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.chaos.cluster import Broker
from tests.chaos.proxy import Mode
from tests.chaos.stage import Lane, Stage
from tests.chaos.supervisor import wait_until
from tests.chaos.topics import PARTITIONS, change_topic, read_inputs
from tests.chaos.worker_faults import first_worker

BROKEN_MACHINE: Final = 70


def restart_broker(end: Callable[[Broker], None], times: int) -> Callable[[Stage], None]:
    """End the only broker, and start it again after some seconds; and again."""

    def act(stage: Stage) -> None:
        stage.each(lambda lane: first_worker(lane).wait_until_ready())
        [broker] = stage.cluster.brokers
        for _ in range(times):
            time.sleep(4)
            with stage.outage():
                end(broker)
                stage.broker_kills += 1
                time.sleep(5)
                broker.start()

    return act


def kill_each_broker(stage: Stage) -> None:
    """Kill one of three brokers, start it again, and so on with the next."""
    stage.each(lambda lane: first_worker(lane).wait_until_ready())
    for broker in stage.cluster.brokers:
        time.sleep(3)
        with stage.outage():
            broker.kill()
            stage.broker_kills += 1
            # Output goes on without it; the outage that counts ends when the others have taken over.
        time.sleep(4)
        broker.start()
        stage.cluster.wait_until_ready()


def move_leaders(stage: Stage) -> None:
    """Give every partition of every run another leader; three times."""
    stage.each(lambda lane: first_worker(lane).wait_until_ready())
    topics = [name for lane in stage.lanes for name in (lane.input_topic, lane.output_topic, lane.dead_letter_topic)]
    for turn in range(1, 4):
        time.sleep(3)
        _elect_leaders(stage, topics, turn)


def kill_two_of_three(stage: Stage) -> None:
    """Leave one of three brokers, too few for any write, for a minute."""
    stage.each(lambda lane: first_worker(lane).wait_until_ready())
    time.sleep(4)
    with stage.outage():
        for broker in stage.cluster.brokers[:2]:
            broker.kill()
            stage.broker_kills += 1
        time.sleep(60)
        for broker in stage.cluster.brokers[:2]:
            broker.start()


def disturb(mode: Mode, seconds: float, delay_seconds: float = 0.0) -> Callable[[Stage], None]:
    """Let the network between worker and broker misbehave; twice."""

    def act(stage: Stage) -> None:
        for _ in range(2):
            stage.each(lambda lane: first_worker(lane).wait_until_ready())
            time.sleep(3)
            stage.disturb_network(mode, seconds, delay_seconds)
            stage.each(Lane.wait_for_progress)

    return act


def refuse_dead_letters(stop: Callable[[Stage], None], mend: Callable[[Stage], None]) -> Callable[[Stage], None]:
    """Refuse dead letters until each worker has ended twice with nothing committed beyond poison; then mend."""

    def act(stage: Stage) -> None:
        with stage.outage():
            stop(stage)
            for lane in stage.lanes:
                lane.supervisor.add()
            stage.each(_watch_refusal)
            mend(stage)
        stage.each(lambda lane: first_worker(lane).wait_until_ready())

    return act


def _watch_refusal(lane: Lane) -> None:
    slot = first_worker(lane)
    wait_until(lambda: slot.exits.count(BROKEN_MACHINE) >= 2, f"the worker ends with 70\n{slot.read_log()}", 90)
    committed = lane.read_committed()
    first: dict[int, int] = {}
    for one in read_inputs(lane.cluster.bootstrap_servers, lane.input_topic, lane.loader.sent):
        if not one.items:
            first.setdefault(one.position.partition, one.position.offset)
    is_kept = all(committed[partition] <= offset for partition, offset in first.items())
    lane.expect(is_kept, f"a record without an outcome is committed: {committed}, first poison at {first}")


def _elect_leaders(stage: Stage, topics: list[str], turn: int) -> None:
    """Turn the order of all replicas, the first of which is the preferred leader, and elect it."""
    numbers = [(turn + place) % 3 + 1 for place in range(3)]
    moves = [
        {"topic": topic, "partition": partition, "replicas": numbers}
        for topic in topics
        for partition in range(PARTITIONS)
    ]
    file = stage.cluster.folder / "moves.json"
    file.write_text(json.dumps({"version": 1, "partitions": moves}))
    command = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
    stage.cluster.run_tool(command, "--reassignment-json-file", str(file), "--execute")
    partitions = [TopicPartition(one["topic"], one["partition"]) for one in moves]  # type: ignore[arg-type]
    admin = stage.cluster.open_admin()
    elected: Any = admin.elect_leaders(ElectionType.PREFERRED, partitions)
    elected.result(30)
    stage.cluster.wait_until_ready()
    for lane in stage.lanes:
        leader = stage.cluster.find_leader(lane.input_topic, 0).number
        lane.expect(leader == numbers[0], f"broker {leader} leads after the move to {numbers[0]}")


def deny_dead_letters(stage: Stage) -> None:
    """Forbid writing dead letters."""
    admin = stage.cluster.open_admin()
    for lane in stage.lanes:
        # Once a topic has an ACL, everything else about it has to be allowed too.
        for permission, operation in (
            (AclPermissionType.DENY, AclOperation.WRITE),
            (AclPermissionType.ALLOW, AclOperation.READ),
            (AclPermissionType.ALLOW, AclOperation.DESCRIBE),
            (AclPermissionType.ALLOW, AclOperation.DESCRIBE_CONFIGS),
        ):
            binding = AclBinding(
                ResourceType.TOPIC,
                lane.dead_letter_topic,
                ResourcePatternType.LITERAL,
                "User:*",
                "*",
                operation,
                permission,
            )
            for done in admin.create_acls([binding]).values():
                done.result(30)


def allow_dead_letters(stage: Stage) -> None:
    """Forbid nothing any more."""
    anything: Any = None  # Its stub knows no filter that leaves something open.
    every = AclBindingFilter(
        ResourceType.ANY,
        anything,
        ResourcePatternType.ANY,
        anything,
        anything,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    admin = stage.cluster.open_admin()
    for done in admin.delete_acls([every]).values():
        done.result(30)


def shrink_dead_letters(stage: Stage) -> None:
    """Let the dead-letter topics take tiny records only."""
    for lane in stage.lanes:
        change_topic(lane.cluster.open_admin(), lane.dead_letter_topic, max_message_bytes="200")


def widen_dead_letters(stage: Stage) -> None:
    """Let them take records of the usual size again."""
    for lane in stage.lanes:
        change_topic(lane.cluster.open_admin(), lane.dead_letter_topic, max_message_bytes="1048588")


def kill_third_broker(stage: Stage) -> None:
    """Leave two of three brokers."""
    stage.cluster.brokers[2].kill()
    stage.broker_kills += 1
    with suppress(KafkaException):
        stage.cluster.wait_until_ready()


def start_third_broker(stage: Stage) -> None:
    """Make them three again."""
    stage.cluster.brokers[2].start()
    stage.cluster.wait_until_ready()
