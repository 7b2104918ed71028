"""`prism doctor` against a real Apache Kafka: what it tells, what it denies, and that no secret is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.exit_codes import DoctorCode
from stream_app.kafka.permissions import list_worker_rights
from tests.broker.conftest import build_lane, skip_without_kafka
from tests.broker.harness import Broker, Lane, build_events
from tests.broker.security import (
    WRONG_PASSWORD,
    SecuredBroker,
    ensure_no_secret,
    name_resources,
    run_prism,
    run_secured_broker,
)

pytestmark = pytest.mark.kafka

CHECKS = ["broker", "topics", "rights", "partitions", "replication", "sizes", "clock"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with skip_without_kafka(), run_secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


@pytest.fixture
def lane(secured: SecuredBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Lane:
    return build_lane(secured.plain, request.node.originalname, tmp_path)


def create(broker: Broker, name: str, settings: dict[str, str], partitions: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    for done in admin.create_topics([NewTopic(name, partitions, 1, config=settings)]).values():
        done.result(10)


def ask(secured: SecuredBroker, lane: Lane, *arguments: str, **changes: str) -> tuple[int, dict[str, list[Any]]]:
    """Ask the doctor over SCRAM; returns the exit code and the findings that are not ok, by check."""
    environment = {**secured.build_environment("scram"), **name_resources(lane), "PRISM_INFERENCE_THREADS": "1"}
    done = run_prism({**environment, **changes}, "doctor", "--json", *arguments)
    ensure_no_secret(secured, done.stdout + done.stderr)
    findings: dict[str, list[Any]] = {}
    for one in json.loads(done.stdout)["findings"]:
        findings.setdefault(one["check"], []).extend([] if one["level"] == "ok" else [one])
    return done.returncode, findings


def test_the_least_rights_of_a_worker_are_enough_for_the_doctor(secured: SecuredBroker, lane: Lane) -> None:
    lane.create_topics()
    secured.grant("scram", list_worker_rights(lane.settings))
    lane.send(build_events(3))
    code, findings = ask(secured, lane, "--replicas", "4")
    assert code == DoctorCode.FINE
    assert [check for check in findings if check in CHECKS] == CHECKS
    # One broker: nothing else is odd.
    assert {check for check, odd in findings.items() if odd} - {"speed"} == {"replication"}
    assert all("1 replica" in one["message"] for one in findings["replication"])


def test_each_right_that_is_missing_is_a_problem_that_names_it(secured: SecuredBroker, lane: Lane) -> None:
    lane.create_topics()
    for topic in lane.settings.topics:
        secured.grant("scram", [right for right in list_worker_rights(lane.settings) if right.name == topic][-1:])
    code, findings = ask(secured, lane, PRISM_DELIVERY="exactly-once")
    assert code == DoctorCode.PROBLEMS
    told = [f"{one['level']} {one['message']}" for one in findings["rights"]]
    assert f"problem no Read on group {lane.name}" in told
    assert f"problem no Write on transactional id {lane.name}-{lane.name}-in-*" in told
    assert f"problem no Write on topic {lane.name}-out" in told


def test_what_is_odd_about_topics_is_told(secured: SecuredBroker, lane: Lane) -> None:
    settings = lane.settings
    create(lane.broker, settings.input_topic, {}, partitions=2)
    create(lane.broker, settings.output_topic, {"min.insync.replicas": "2"})
    create(lane.broker, settings.dead_letter_topic, {"cleanup.policy": "compact"})
    secured.grant("scram", list_worker_rights(settings))
    code, findings = ask(secured, lane, "--replicas", "3")
    assert code == DoctorCode.PROBLEMS
    assert "1 will have no work" in findings["partitions"][0]["message"]
    assert [one["message"] for one in findings["replication"] if one["level"] == "problem"] == [
        f"{settings.output_topic}: min.insync.replicas=2 with 1 replica takes no record"
    ]
    advice = [one["advice"] for one in findings["sizes"] if one["level"] == "problem"]
    assert advice == [f"set cleanup.policy=delete on {settings.dead_letter_topic}"]


def test_missing_topics_are_told_and_not_made(secured: SecuredBroker, lane: Lane) -> None:
    secured.grant("scram", list_worker_rights(lane.settings))
    for _ in range(2):
        code, findings = ask(secured, lane)
        assert code == DoctorCode.PROBLEMS
        assert all(topic in findings["topics"][0]["message"] for topic in lane.settings.topics)


def test_a_wrong_password_is_a_problem_of_the_broker_check(secured: SecuredBroker, lane: Lane) -> None:
    code, findings = ask(secured, lane, PRISM_SASL_PASSWORD=WRONG_PASSWORD)
    assert code == DoctorCode.PROBLEMS
    assert "refuses these credentials" in findings["broker"][0]["message"]
    assert "topics" not in findings
