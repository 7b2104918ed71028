"""Personal data stays in the records: no log line and no metric holds any, whatever becomes of a record."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_app.exit_codes import ExitCode
from tests.broker.canary_worker import INVENTED_TEXT, POISON
from tests.broker.conftest import build_lane
from tests.broker.harness import Broker, Record, WorkerProcess

CANARY = "zyzzyva"
"""A word of no other text; each field adds its own name, so that a find tells which field leaked."""

PERSONAL = (CANARY, POISON, INVENTED_TEXT.split()[0])
EVENTS = 20


def build_event(number: int, title: str = "") -> dict[str, object]:
    """An event that is personal in every field that may be."""
    return {
        "event_id": f"event-{number}",
        "occurred_at": "2026-03-01T12:00:00Z",
        "user": {
            "user_id": f"{CANARY}-user-{number}",
            "history": [
                {
                    "item_id": f"{CANARY}-history",
                    "title": f"{CANARY} history title",
                    "rating": 5.0,
                    "attributes": {"genre": [f"{CANARY} genre"]},
                }
            ],
            "preferences": [f"{CANARY} preference"],
        },
        "items": [
            {
                "item_id": f"{CANARY}-item-{rank}",
                "title": f"{CANARY} title {rank} {title}",
                "rank": rank,
                "description": f"{CANARY} description",
                "attributes": {"genre": [f"{CANARY} genre"], f"{CANARY}-attribute": ["x"]},
            }
            for rank in (1, 2)
        ],
    }


def encode(event: dict[str, object]) -> bytes:
    return json.dumps(event).encode()


def build_records() -> dict[str, bytes]:
    """Good, malformed in each way, and poisonous."""
    user = {"user_id": f"{CANARY}-user", "preferences": [7]}
    malformed = {
        "not-json": f'{{"user": "{CANARY}-cut'.encode(),
        "not-an-event": encode({f"{CANARY}-field": f"{CANARY}-value"}),
        "mistyped": encode({**build_event(1), "event_id": [f"{CANARY}-event"]}),
        "bad-user": encode({**build_event(2), "user": user}),
        "bad-time": encode({**build_event(3), "occurred_at": f"{CANARY}-time"}),
        "bad-scale": encode({**build_event(4), "user": {**user, "preferences": [], "rating_scale": [CANARY, 5]}}),
        "surrogate": b'{"event_id": "%s \\ud800"}' % CANARY.encode(),
        "too-deep": b'{"%s": ' % CANARY.encode() + b"[" * 40 + b"]" * 40 + b"}",
        "too-long": encode({**build_event(5), "event_id": CANARY * 100_000}),
    }
    good = {f"good-{number}": encode(build_event(number)) for number in range(EVENTS)}
    poisonous = {f"poisonous-{number}": encode(build_event(number, POISON)) for number in range(3)}
    return {**good, **malformed, **poisonous}


class CanaryWorker(WorkerProcess):
    """The worker that quotes what it fails on."""

    def __init__(self, environment: dict[str, str], log_path: Path) -> None:
        self._log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.broker.canary_worker"],
                env={**os.environ, **environment},
                cwd=Path(__file__).resolve().parents[2],
                stdout=log,
                stderr=subprocess.STDOUT,
            )


@dataclass(frozen=True)
class Told:
    """What a worker said of records that it settled, and the records themselves."""

    log: str
    probes: str
    outputs: list[Record]
    letters: list[Record]


@pytest.fixture(scope="module", params=["at-least-once", "exactly-once"])
def told(
    kafka_broker: Broker, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    lane = build_lane(kafka_broker, "canaries", tmp_path_factory.mktemp("canaries"))
    lane.create_topics()
    records = build_records()
    lane.send(list(records.items()))
    settings = lane.settings
    worker = CanaryWorker(
        {
            "PRISM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "PRISM_INPUT_TOPIC": settings.input_topic,
            "PRISM_OUTPUT_TOPIC": settings.output_topic,
            "PRISM_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
            "PRISM_CONSUMER_GROUP": settings.consumer_group,
            "PRISM_HTTP_HOST": "127.0.0.1",
            "PRISM_HTTP_PORT": "0",
            "PRISM_LOG_LEVEL": "DEBUG",
            "PRISM_DELIVERY": request.param,
            "PRISM_BREAKER_SHARE": "1",
        },
        lane.folder / "canary.log",
    )
    lane.workers.append(worker)
    try:
        outputs, letters = lane.read_all_of(set(records))
        worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") == 0, "all is settled")
        probes = b"".join(worker.get(path)[1] for path in ("/metrics", "/readyz", "/livez")).decode()
        worker.signal(signal.SIGTERM)
        assert worker.wait() == ExitCode.OK, worker.read_log()
        yield Told(worker.read_log(), probes, outputs, letters)
    finally:
        worker.end()


@pytest.mark.kafka
def test_no_log_line_holds_personal_data_at_the_lowest_level(told: Told) -> None:
    assert '"message": "batch_settled"' in told.log
    leaks = [line for line in told.log.splitlines() if any(word in line.lower() for word in map(str.lower, PERSONAL))]
    assert leaks == []


@pytest.mark.kafka
def test_no_metric_or_probe_holds_personal_data(told: Told) -> None:
    assert "prism_records_settled_total" in told.probes
    assert not [word for word in PERSONAL if word.lower() in told.probes.lower()]


@pytest.mark.kafka
def test_the_canaries_were_there_and_every_way_was_gone(told: Told) -> None:
    """Else the other tests would pass whatever the worker told."""
    malformed = {identity for identity in build_records() if not identity.startswith(("good", "poisonous"))}
    assert malformed <= {letter.id for letter in told.letters}
    assert all(CANARY.encode() in (letter.value or b"") for letter in told.letters)
    sources = {json.loads(output.value or b"")["source"] for output in told.outputs}
    assert sources == {"model", "template"}
    assert "ValueError" in told.log or any(b"ValueError" in dict(one.headers).values() for one in told.letters)
    assert CANARY.encode() in (told.outputs[0].value or b"")


@pytest.mark.kafka
def test_the_reasons_of_dead_letters_quote_no_personal_data(told: Told) -> None:
    for letter in told.letters:
        reasons = {name: value for name, value in letter.headers if name.startswith("prism.")}
        # Failed items are named by id, for whoever mends the record.
        reasons.pop("prism.dlq.failed-item-ids", None)
        assert not [value for value in reasons.values() if CANARY.encode() in (value or b"")], reasons


@pytest.mark.kafka
@pytest.mark.parametrize(("drain_seconds", "code"), [("20", ExitCode.OK), ("1", ExitCode.DRAIN_EXCEEDED)])
def test_draining_tells_nothing_of_the_batch_at_work(
    kafka_broker: Broker, tmp_path: Path, drain_seconds: str, code: ExitCode
) -> None:
    """Faust logs whole messages while it waits for streams to end."""
    lane = build_lane(kafka_broker, "draining-canaries", tmp_path)
    lane.create_topics()
    lane.send([(f"good-{number}", encode(build_event(number))) for number in range(EVENTS)])
    worker = lane.start_worker(delay_seconds=5, PRISM_DRAIN_SECONDS=drain_seconds, PRISM_LOG_LEVEL="DEBUG")
    try:
        worker.wait_until(lambda: worker.read_metric("prism_records_in_flight") > 0, "a batch is at work")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == code
    finally:
        worker.end()
    assert "draining" in worker.read_log()
    assert CANARY not in worker.read_log()
