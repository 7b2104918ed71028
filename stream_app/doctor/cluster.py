"""The cluster: is it there, are the topics, may this user do what a worker does, and will what it is given be kept."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from stream_app.doctor.findings import Finding, approve, refuse, warn
from stream_app.kafka.clients import MAX_REQUEST_BYTES, BrokerUnreachableError, PermissionDeniedError
from stream_app.kafka.inspection import ClusterFacts, TopicFacts
from stream_app.settings import Settings

BROKER: Final = "broker"
TOPICS: Final = "topics"
RIGHTS: Final = "rights"
PARTITIONS: Final = "partitions"
REPLICATION: Final = "replication"
SIZES: Final = "sizes"
CLOCK: Final = "clock"
SAFE_REPLICAS: Final = 3
SLOW_CONNECT_SECONDS: Final = 5.0
LETTER_ROOM_BYTES: Final = 4_096
"""What a dead letter's own headers need beside the record, about."""
CLOCK_SECONDS: Final = 5.0
"""How far clocks may differ; the overload policy calls as much a jump."""


def refuse_broker(error: BrokerUnreachableError) -> Finding:
    """Say why no broker can be asked."""
    if isinstance(error, PermissionDeniedError):
        return refuse(BROKER, str(error), "mend the credentials or certificates; nothing else could be asked")
    advice = "check PRISM_BOOTSTRAP_SERVERS, PRISM_SECURITY_PROTOCOL and network policies"
    return refuse(BROKER, str(error), advice)


def judge_cluster(facts: ClusterFacts, settings: Settings, replicas: int | None) -> list[Finding]:
    """Judge all that the cluster has said.

    Args:
        facts: what it has said.
        settings: of the worker.
        replicas: how many workers are to run at most; None: not known.
    """
    there = [topic for topic in facts.topics if topic.access.exists]
    return [
        _judge_connection(facts),
        *_judge_topics(facts.topics),
        *_judge_rights(facts, settings),
        *_judge_partitions(facts.input, replicas),
        *_judge_copies(there),
        *_judge_sizes(facts),
        *_judge_clock(facts.newest_ahead_seconds),
    ]


def _judge_connection(facts: ClusterFacts) -> Finding:
    brokers = "1 broker" if facts.brokers == 1 else f"{facts.brokers} brokers"
    message = f"{brokers}; the first answer after {facts.connect_seconds:.2f} s"
    if facts.connect_seconds > SLOW_CONNECT_SECONDS:
        return warn(BROKER, message, "list brokers that are near and up first in PRISM_BOOTSTRAP_SERVERS")
    return approve(BROKER, message)


def _judge_topics(topics: Sequence[TopicFacts]) -> Iterator[Finding]:
    missing = [topic.name for topic in topics if topic.access.is_visible and not topic.access.exists]
    hidden = [topic.name for topic in topics if not topic.access.is_visible]
    if missing:
        yield refuse(TOPICS, f"{_join(missing)} missing", "prism topics create, or have them created")
    if hidden:
        yield warn(TOPICS, f"{_join(hidden)} not visible to this user", "see the rights below")
    for topic in topics:
        if leaderless := sum(not one.has_leader for one in topic.access.partitions):
            advice = "bring the brokers back that hold them"
            yield refuse(TOPICS, f"{topic.name}: {_count(leaderless, 'partition')} without a leader", advice)
    if not missing and not hidden:
        yield approve(TOPICS, f"{', '.join(topic.name for topic in topics)} exist")


def _judge_rights(facts: ClusterFacts, settings: Settings) -> Iterator[Finding]:
    user = settings.sasl_username or "this user"
    for right in facts.denied:
        advice = f"allow {user}: {right}"
        if right.operation == "DescribeConfigs":
            yield warn(RIGHTS, f"no {right}: Kafka's default limit of a record is assumed", advice)
        else:
            yield refuse(RIGHTS, f"no {right}", advice)
    if facts.denied:
        return
    untold = [topic.name for topic in facts.topics if topic.access.operations is None]
    said = f"; the broker does not tell about {', '.join(untold)}" if untold else ""
    yield approve(RIGHTS, f"none that the broker tells of is missing{said}")


def _judge_partitions(topic: TopicFacts, replicas: int | None) -> Iterator[Finding]:
    if not topic.access.exists:
        return
    number = len(topic.access.partitions)
    shared = f"{topic.name} has {_count(number, 'partition')}"
    if replicas is None:
        yield approve(PARTITIONS, f"{shared}: at most as many workers have work at a time")
    elif replicas > number:
        message = f"{shared} for {replicas} workers: {replicas - number} will have no work"
        yield warn(PARTITIONS, message, f"give it {replicas} partitions or more, or run at most {number} workers")
    elif replicas > 1 and number % replicas:
        message = f"{shared} for {replicas} workers: some have one more than others"
        yield approve(PARTITIONS, message)
    else:
        yield approve(PARTITIONS, f"{shared} for {_count(replicas, 'worker')}")


def _judge_copies(topics: Iterable[TopicFacts]) -> Iterator[Finding]:
    fine = []
    for topic in topics:
        findings = list(_judge_topic_copies(topic))
        yield from findings
        fine += [] if findings else [topic.name]
    if fine:
        yield approve(REPLICATION, f"{', '.join(fine)}: no record depends on one broker")


def _judge_topic_copies(topic: TopicFacts) -> Iterator[Finding]:
    name, minimum = topic.name, topic.limits.min_in_sync
    replicas = min((one.replicas for one in topic.access.partitions), default=0)
    in_sync = min((one.in_sync for one in topic.access.partitions), default=0)
    more = f"give it {SAFE_REPLICAS} replicas and min.insync.replicas={SAFE_REPLICAS - 1}"
    if minimum is not None and minimum > replicas:
        message = f"{name}: min.insync.replicas={minimum} with {_count(replicas, 'replica')} takes no record"
        yield refuse(REPLICATION, message, more)
    elif replicas < 2:
        yield warn(REPLICATION, f"{name}: 1 replica; its broker's disk is the only place of every record", more)
    elif minimum is not None and minimum == replicas:
        message = f"{name}: min.insync.replicas={minimum} with {replicas} replicas stops at every restart of a broker"
        yield refuse(REPLICATION, message, more)
    elif minimum == 1:
        message = f"{name}: min.insync.replicas=1 confirms records that only one broker has"
        yield warn(REPLICATION, message, more)
    if 0 < in_sync < replicas:
        message = f"{name}: of {replicas} replicas only {in_sync} in sync for some partition"
        yield warn(REPLICATION, message, "see which broker is down or behind")


def _judge_sizes(facts: ClusterFacts) -> Iterator[Finding]:
    findings = [*_judge_limits(facts), *_judge_cleanup(facts.dead_letters)]
    known = [topic for topic in facts.topics if topic.limits.max_message_bytes is not None]
    yield from findings
    if known and not findings:
        limits = ", ".join(f"{topic.name} {topic.limits.max_message_bytes}" for topic in known)
        yield approve(SIZES, f"largest records in bytes: {limits}")
    elif not known and any(topic.access.exists for topic in facts.topics):
        yield approve(SIZES, "the broker does not tell how large records may be")


def _judge_limits(facts: ClusterFacts) -> Iterator[Finding]:
    source, letters = facts.input.limits.max_message_bytes, facts.dead_letters.limits.max_message_bytes
    if source is not None and letters is not None and letters < source + LETTER_ROOM_BYTES:
        name = facts.dead_letters.name
        message = f"{name} takes {letters} bytes, {facts.input.name} {source}: dead letters of the largest are cut"
        yield warn(SIZES, message, f"set max.message.bytes={source + LETTER_ROOM_BYTES} or more on {name}")
    for topic in (facts.output, facts.dead_letters):
        if (topic.limits.max_message_bytes or 0) > MAX_REQUEST_BYTES:
            message = f"{topic.name} takes more than the {MAX_REQUEST_BYTES} bytes that a worker sends at a time"
            yield warn(SIZES, message, f"set max.message.bytes={MAX_REQUEST_BYTES} or less")


def _judge_cleanup(letters: TopicFacts) -> Iterator[Finding]:
    if "compact" in (letters.limits.cleanup or ""):
        message = f"{letters.name} is compacted: it refuses letters without a key, and keeps one of each key"
        yield refuse(SIZES, message, f"set cleanup.policy=delete on {letters.name}")


def _judge_clock(ahead_seconds: float | None) -> Iterator[Finding]:
    if ahead_seconds is None:
        return
    if ahead_seconds > CLOCK_SECONDS:
        message = f"the newest record is {ahead_seconds:.0f} s in the future, by this machine's clock"
        yield warn(
            CLOCK, message, "set the clocks of producers, brokers and workers by NTP; PRISM_OVERLOAD goes by age"
        )
    else:
        yield approve(CLOCK, "no record is from the future")


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
