"""What a cluster says, judged: what stops a worker is a problem, what could lose or slow something a warning."""

from dataclasses import replace

import pytest

from stream_app.doctor.cluster import judge_cluster, refuse_broker
from stream_app.doctor.findings import Finding, Level
from stream_app.kafka.clients import BrokerUnreachableError, PermissionDeniedError
from stream_app.kafka.inspection import ClusterFacts, TopicFacts, TopicLimits
from stream_app.kafka.permissions import PartitionCopies, Right, TopicAccess
from stream_app.settings import Settings

SAFE = PartitionCopies(replicas=3, in_sync=3, has_leader=True)
LETTER_LIMIT = 1_048_588 + 4_096


def build_topic(
    name: str = "explanations", copies: PartitionCopies = SAFE, partitions: int = 4, minimum: int | None = 2
) -> TopicFacts:
    access = TopicAccess(True, True, operations=1 << 3 | 1 << 4, partitions=(copies,) * partitions)
    return TopicFacts(name, access, TopicLimits(1_048_588, minimum, "delete"))


def limit(topic: TopicFacts, largest: int | None, cleanup: str = "delete") -> TopicFacts:
    return replace(topic, limits=replace(topic.limits, max_message_bytes=largest, cleanup=cleanup))


FACTS = ClusterFacts(
    brokers=3,
    connect_seconds=0.1,
    input=build_topic("ranking-events"),
    output=build_topic(),
    dead_letters=limit(build_topic("letters"), LETTER_LIMIT),
    denied=(),
    newest_ahead_seconds=-3.0,
)
MISSING = TopicFacts("letters", TopicAccess(True, False, None), TopicLimits())
HIDDEN = TopicFacts("letters", TopicAccess(False, False, None), TopicLimits())


def judge(facts: ClusterFacts, replicas: int | None = None) -> list[Finding]:
    return judge_cluster(facts, Settings(), replicas)


def find(findings: list[Finding], check: str) -> list[Finding]:
    return [one for one in findings if one.check == check and one.level is not Level.OK]


def test_a_sound_cluster_has_one_approval_for_each_check() -> None:
    findings = judge(FACTS, 4)
    assert [one.check for one in findings] == [
        "broker", "topics", "rights", "partitions", "replication", "sizes", "clock",
    ]  # fmt: skip
    assert {one.level for one in findings} == {Level.OK}


def test_an_embedded_broker_that_tells_little_has_no_problem() -> None:
    source, output, letters = (
        TopicFacts(name, TopicAccess(True, True, None, (PartitionCopies(1, 1, True),)), TopicLimits()) for name in "abc"
    )
    facts = ClusterFacts(1, 0.0, source, output, letters, (), None)
    assert Level.PROBLEM not in {one.level for one in judge(facts)}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BrokerUnreachableError("no broker answers at b:1"), "PRISM_BOOTSTRAP_SERVERS"),
        (PermissionDeniedError("the broker refuses these credentials"), "credentials"),
    ],
)
def test_a_broker_that_cannot_be_asked_is_a_problem(error: BrokerUnreachableError, told: str) -> None:
    finding = refuse_broker(error)
    assert finding.level is Level.PROBLEM
    assert finding.message == str(error)
    assert told in finding.advice


def test_a_slow_first_answer_is_warned_of() -> None:
    [finding] = find(judge(replace(FACTS, connect_seconds=6.0)), "broker")
    assert finding.level is Level.WARNING


@pytest.mark.parametrize(("topic", "level"), [(MISSING, Level.PROBLEM), (HIDDEN, Level.WARNING)])
def test_a_topic_that_is_missing_or_hidden_is_named(topic: TopicFacts, level: Level) -> None:
    [finding] = find(judge(replace(FACTS, dead_letters=topic)), "topics")
    assert finding.level is level
    assert finding.message.startswith("letters is ")


def test_partitions_without_a_leader_are_a_problem() -> None:
    [finding] = find(judge(replace(FACTS, input=build_topic("in", replace(SAFE, has_leader=False)))), "topics")
    assert finding.level is Level.PROBLEM
    assert "4 partitions without a leader" in finding.message


def test_every_missing_right_is_named_as_kafka_names_it() -> None:
    denied = (Right("topic", "ranking-events", "Read"), Right("topic", "explanations", "DescribeConfigs"))
    vital, other = find(judge(replace(FACTS, denied=denied)), "rights")
    assert (vital.level, other.level) == (Level.PROBLEM, Level.WARNING)
    assert vital.advice == "allow this user: Read on topic ranking-events"


@pytest.mark.parametrize(("replicas", "level"), [(None, Level.OK), (4, Level.OK), (3, Level.OK), (5, Level.WARNING)])
def test_more_workers_than_partitions_are_warned_of(replicas: int | None, level: Level) -> None:
    [finding] = [one for one in judge(FACTS, replicas) if one.check == "partitions"]
    assert finding.level is level
    assert ("1 will have no work" in finding.message) == (level is Level.WARNING)


@pytest.mark.parametrize(
    ("copies", "minimum", "level", "told"),
    [
        (PartitionCopies(1, 1, True), 1, Level.WARNING, "1 replica"),
        (PartitionCopies(1, 1, True), 2, Level.PROBLEM, "takes no record"),
        (PartitionCopies(2, 2, True), 2, Level.PROBLEM, "every restart"),
        (PartitionCopies(3, 3, True), 1, Level.WARNING, "only one broker has"),
        (PartitionCopies(3, 2, True), 2, Level.WARNING, "only 2 in sync"),
        (PartitionCopies(1, 1, True), None, Level.WARNING, "1 replica"),
    ],
)
def test_records_that_depend_on_one_broker_are_told(
    copies: PartitionCopies, minimum: int | None, level: Level, told: str
) -> None:
    [finding] = find(judge(replace(FACTS, output=build_topic("out", copies, minimum=minimum))), "replication")
    assert finding.level is level
    assert told in finding.message
    assert finding.advice


def test_a_dead_letter_topic_that_takes_less_than_the_input_is_warned_of() -> None:
    [finding] = find(judge(replace(FACTS, dead_letters=build_topic("letters"))), "sizes")
    assert finding.level is Level.WARNING
    assert f"max.message.bytes={LETTER_LIMIT}" in finding.advice


def test_a_topic_that_takes_more_than_a_worker_sends_is_warned_of() -> None:
    [finding] = find(judge(replace(FACTS, output=limit(FACTS.output, 17 * 2**20))), "sizes")
    assert finding.level is Level.WARNING


def test_a_compacted_dead_letter_topic_is_a_problem() -> None:
    letters = limit(FACTS.dead_letters, LETTER_LIMIT, "compact,delete")
    [finding] = find(judge(replace(FACTS, dead_letters=letters)), "sizes")
    assert finding.level is Level.PROBLEM
    assert "cleanup.policy=delete" in finding.advice


@pytest.mark.parametrize(
    ("ahead", "levels"), [(None, []), (-3_600.0, [Level.OK]), (4.0, [Level.OK]), (6.0, [Level.WARNING])]
)
def test_a_record_from_the_future_tells_of_clocks_that_differ(ahead: float | None, levels: list[Level]) -> None:
    findings = judge(replace(FACTS, newest_ahead_seconds=ahead))
    assert [one.level for one in findings if one.check == "clock"] == levels
