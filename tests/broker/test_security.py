"""The link to a real Apache Kafka that asks who one is: what works, what is refused, and that no secret is told."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.exit_codes import ExitCode
from stream_app.kafka.clients import (
    DEFAULT_MAX_MESSAGE_BYTES,
    PermissionDeniedError,
    find_missing_topics,
    read_max_message_bytes,
)
from stream_app.kafka.permissions import Right, list_creator_rights, list_worker_rights
from tests.broker.conftest import build_lane, skip_without_kafka
from tests.broker.harness import Lane, WorkerProcess, build_events
from tests.broker.security import (
    LINKS,
    NOT_IN_CERTIFICATE,
    WRONG_PASSWORD,
    Link,
    SecuredBroker,
    ensure_no_secret,
    load,
    name_resources,
    run_prism,
    run_secured_broker,
)

pytestmark = pytest.mark.kafka

DELIVERIES = ("at-least-once", "exactly-once")
VITAL_RIGHTS = {
    "input topic": ("topic", "Read"),
    "group": ("group", "Read"),
    "output topic": ("topic", "Write"),
    "transactional id": ("transactional id", "Write"),
}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    with skip_without_kafka(), run_secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


@pytest.fixture
def bare_lane(secured: SecuredBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    lane = build_lane(secured.plain, request.node.originalname, tmp_path)
    yield lane
    for worker in lane.workers:
        worker.end()


@pytest.fixture
def lane(bare_lane: Lane) -> Lane:
    bare_lane.create_topics()
    return bare_lane


def start(lane: Lane, **environment: str) -> WorkerProcess:
    return lane.start_worker(0.0, **environment)


def list_rights(lane: Lane, delivery: str = "at-least-once") -> tuple[Right, ...]:
    return list_worker_rights(lane.settings.model_copy(update={"delivery": delivery}))


def find_right(lane: Lane, what: str) -> Right:
    resource, operation = VITAL_RIGHTS[what]
    rights = list_rights(lane, "exactly-once")
    return next(right for right in rights if (right.resource, right.operation) == (resource, operation))


def ensure_denied(worker: WorkerProcess, reason: str) -> None:
    """The worker ends with 77, and one line at warning or above says why."""
    assert worker.wait() == ExitCode.PERMISSION, worker.read_log()
    loud = [entry for entry in worker.read_entries() if entry["level"] not in ("debug", "info")]
    assert [entry["level"] for entry in loud] == ["critical"], worker.read_log()
    assert reason in loud[0]["reason"]


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("link", LINKS)
def test_a_worker_with_the_least_rights_explains_and_commits(
    secured: SecuredBroker, lane: Lane, link: Link, delivery: str
) -> None:
    secured.grant(link, list_rights(lane, delivery))
    events = [*build_events(20), ("malformed", b"{")]
    lane.send(events)
    worker = start(lane, **secured.build_environment(link), PRISM_DELIVERY=delivery)
    worker.wait_until_ready()
    outputs, letters = lane.read_all_of({identity for identity, _ in events})
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "all is committed")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == ExitCode.OK, worker.read_log()
    assert (len(outputs), len(letters)) == (20, 1)
    # Markers of transactions take offsets too.
    assert sum(lane.read_committed().values()) == len(events)
    assert not [entry for entry in worker.read_entries() if entry["level"] not in ("debug", "info")]


@pytest.mark.parametrize("link", LINKS)
def test_topics_are_created_over_every_link_with_the_least_rights(
    secured: SecuredBroker, bare_lane: Lane, link: Link
) -> None:
    secured.grant(link, list_creator_rights(bare_lane.settings))
    environment = {**secured.build_environment(link), **name_resources(bare_lane)}
    done = run_prism(environment, "topics", "create", "--partitions", "2")
    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert done.stdout == "".join(f"created {topic}\n" for topic in bare_lane.settings.topics)
    assert run_prism(environment, "topics", "create").stdout == "all topics exist\n"


@pytest.mark.parametrize("operations", [(), ("Describe",)])
def test_topics_are_not_created_without_the_right_to(
    secured: SecuredBroker, bare_lane: Lane, operations: tuple[str, ...]
) -> None:
    rights = list_creator_rights(bare_lane.settings)
    secured.grant("scram", [right for right in rights if right.operation in operations])
    done = run_prism({**secured.build_environment("scram"), **name_resources(bare_lane)}, "topics", "create")
    assert (done.returncode, done.stdout) == (ExitCode.PERMISSION, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"prism: the broker denies {'Create' if operations else 'Describe'} on topic ")


REFUSALS = ("password", "plain password", "authority", "name", "no certificate", "strange certificate", "mechanism")


def build_refusal(secured: SecuredBroker, what: str) -> tuple[dict[str, str], str]:
    """Build the environment of a worker that one side refuses, and what its one line has to say."""
    scram, mutual = secured.build_environment("scram"), secured.build_environment("mutual-tls")
    credentials, certificate = "refuses these credentials", "refuses this client's certificate"
    if what == "password":
        return {**scram, "PRISM_SASL_PASSWORD": WRONG_PASSWORD}, credentials
    if what == "plain password":
        return {**secured.build_environment("plain"), "PRISM_SASL_PASSWORD": WRONG_PASSWORD}, credentials
    if what == "mechanism":
        return {**scram, "PRISM_SASL_MECHANISM": "SCRAM-SHA-256"}, credentials
    if what == "authority":
        return {**scram, "PRISM_SSL_CAFILE": str(secured.stranger.certificate)}, "certificate is not trusted"
    if what == "name":
        return secured.build_environment("scram", NOT_IN_CERTIFICATE), f"not valid for '{NOT_IN_CERTIFICATE}'"
    if what == "strange certificate":
        pair = secured.stranger.issue("stranger")
        return {**mutual, "PRISM_SSL_CERTFILE": str(pair[0]), "PRISM_SSL_KEYFILE": str(pair[1])}, certificate
    return {
        name: mutual[name] for name in mutual if name not in ("PRISM_SSL_CERTFILE", "PRISM_SSL_KEYFILE")
    }, certificate


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refused_worker_ends_with_77_and_one_line(secured: SecuredBroker, lane: Lane, what: str) -> None:
    environment, reason = build_refusal(secured, what)
    worker = start(lane, **environment)
    ensure_denied(worker, reason)
    ensure_no_secret(secured, worker.read_log())


@pytest.mark.parametrize("what", VITAL_RIGHTS)
def test_a_right_that_is_missing_at_the_start_is_named(secured: SecuredBroker, lane: Lane, what: str) -> None:
    missing = find_right(lane, what)
    secured.grant("scram", [right for right in list_rights(lane, "exactly-once") if right != missing])
    lane.send(build_events(1))
    worker = start(lane, **secured.build_environment("scram"), PRISM_DELIVERY="exactly-once")
    ensure_denied(worker, str(missing))
    assert not any(lane.read_committed().values())


def test_to_see_the_input_topic_is_not_enough(secured: SecuredBroker, lane: Lane) -> None:
    missing = find_right(lane, "input topic")
    rights = [right for right in list_rights(lane) if right != missing]
    secured.grant("scram", [*rights, Right("topic", lane.settings.input_topic, "Describe")])
    ensure_denied(start(lane, **secured.build_environment("scram")), str(missing))


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("what", ["input topic", "group", "output topic"])
def test_a_right_that_is_taken_away_ends_the_worker_with_77_and_nothing_is_lost(
    secured: SecuredBroker, lane: Lane, what: str, delivery: str
) -> None:
    secured.grant("scram", list_rights(lane, delivery))
    environment = {**secured.build_environment("scram"), "PRISM_DELIVERY": delivery}
    lane.send(build_events(10))
    worker = start(lane, **environment)
    lane.read_all_of({f"event-{number}" for number in range(10)})
    secured.revoke("scram", find_right(lane, what))
    lane.send(build_events(30)[10:])
    assert worker.wait() == ExitCode.PERMISSION, worker.read_log()
    ours = [entry for entry in worker.read_entries() if entry["logger"].startswith("stream_app.")]
    [entry] = [entry for entry in ours if entry["level"] == "critical"]  # Faust has one of its own after a crash.
    assert "the broker denies" in entry["reason"]
    secured.grant("scram", [find_right(lane, what)])
    start(lane, **environment)
    lane.read_all_of({f"event-{number}" for number in range(30)})


def test_a_dead_letter_topic_that_may_not_be_written_matters_when_a_dead_letter_comes(
    secured: SecuredBroker, lane: Lane
) -> None:
    dead = lane.settings.dead_letter_topic
    secured.grant("scram", [right for right in list_rights(lane) if right.name != dead])
    worker = start(lane, **secured.build_environment("scram"), PRISM_RETRY_BUDGET_SECONDS="10")
    lane.send(build_events(5))
    lane.read_all_of({f"event-{number}" for number in range(5)})
    [warning] = [entry for entry in worker.read_entries() if entry["message"] == "dead_letters_denied"]
    assert warning["missing"] == [f"Write on topic {dead}"]
    worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "all is committed")
    committed = lane.read_committed()
    lane.send([("malformed", b"{")])
    assert worker.wait() == ExitCode.BROKEN_MACHINE, worker.read_log()
    assert lane.read_committed() == committed


def test_missing_topics_are_told_from_hidden_ones_and_none_is_made(secured: SecuredBroker, bare_lane: Lane) -> None:
    environment = {**secured.build_environment("scram"), **name_resources(bare_lane)}
    settings = load(environment)
    with pytest.raises(PermissionDeniedError, match=f"Read on topic {settings.input_topic}"):
        asyncio.run(find_missing_topics(settings))
    secured.grant("scram", list_rights(bare_lane))
    for _ in range(2):  # The brokers of these tests make a topic for whoever asks carelessly.
        assert asyncio.run(find_missing_topics(bare_lane.settings)) == settings.topics
        assert asyncio.run(find_missing_topics(settings)) == settings.topics


def test_the_largest_record_of_a_topic_is_what_the_broker_says_or_else_its_default(
    secured: SecuredBroker, bare_lane: Lane
) -> None:
    settings = load({**secured.build_environment("scram"), **name_resources(bare_lane)})
    admin = AdminClient({"bootstrap.servers": bare_lane.broker.bootstrap_servers, "log_level": 0})
    topic = NewTopic(settings.output_topic, 1, 1, config={"max.message.bytes": "50000"})
    admin.create_topics([topic])[settings.output_topic].result(10)
    asked = [settings.output_topic, "no-such-topic"]
    expected = {settings.output_topic: 50_000, "no-such-topic": DEFAULT_MAX_MESSAGE_BYTES}
    assert asyncio.run(read_max_message_bytes(bare_lane.settings, asked)) == expected
    assert asyncio.run(read_max_message_bytes(settings, asked)) == dict.fromkeys(asked, DEFAULT_MAX_MESSAGE_BYTES)
    secured.grant("scram", list_rights(bare_lane))
    assert asyncio.run(read_max_message_bytes(settings, asked)) == expected


@pytest.mark.parametrize("link", ["mutual-tls", "scram", "plain"])
def test_no_secret_is_in_logs_metrics_configuration_or_repr(secured: SecuredBroker, lane: Lane, link: Link) -> None:
    secured.grant(link, list_rights(lane))
    environment = {
        **secured.build_environment(link),
        **name_resources(lane),
        "PRISM_SSL_CERTFILE": str(secured.client_certificate),
        "PRISM_SSL_KEYFILE": str(secured.client_key),
        "PRISM_LOG_LEVEL": "DEBUG",
    }
    lane.send([*build_events(5), ("malformed", b"{")])
    worker = start(lane, **environment)
    worker.wait_until_ready()
    lane.read_all_of({"malformed", *(f"event-{number}" for number in range(5))})
    told = [worker.get(path)[1].decode() for path in ("/metrics", "/readyz", "/livez")]
    worker.signal(signal.SIGTERM)
    assert worker.wait() == ExitCode.OK
    config = run_prism(environment, "config")
    assert config.returncode == ExitCode.OK
    # A file that cannot be used is the likeliest to be quoted: here the key stands where the authority should.
    broken = run_prism({**environment, "PRISM_SSL_CAFILE": str(secured.client_key)}, "topics", "create")
    assert broken.returncode == ExitCode.CONFIGURATION
    settings = load(environment)
    told += [worker.read_log(), config.stdout, config.stderr, broken.stdout, broken.stderr]
    told += [repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()]
    ensure_no_secret(secured, "\n".join(told))
