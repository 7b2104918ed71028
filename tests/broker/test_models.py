"""Models roll, a canary takes its share and a shadow follows, under load and with kills, and nothing is lost."""

import json
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_app.core.events import ModelIdentity
from stream_app.kafka.models import Contender, Lineup, Role
from stream_app.kafka.records import IncomingRecord
from stream_app.runtime.model_pointer import Pointer, roll_back_pointer, roll_pointer
from tests.broker.harness import Lane, Record, WorkerProcess, build_events, collect_ids
from tests.fake_models import WEIGHTS_NAME, FakeModels, write_model

CHUNK = 40
PAUSE_SECONDS = 0.1
"""Between chunks: about 400 records a second, which a worker with pauses of 0.02 s a batch keeps up with."""


class Load:
    """Sends events until it is told to stop."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self.sent: list[str] = []

    @contextmanager
    def run(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._is_stopped.set()
            self._thread.join()

    def _send(self) -> None:
        while not self._is_stopped.wait(PAUSE_SECONDS):
            events = build_events(len(self.sent) + CHUNK)[len(self.sent) :]
            self._lane.send(events)
            self.sent += [identity for identity, _ in events]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        write_model(folder, version, delay_seconds=0.02)
    (folder / "fake" / "3.0.0" / WEIGHTS_NAME).write_bytes(b"altered")
    roll_pointer(folder, Pointer("fake/1.0.0"))
    return folder


def start(lane: Lane, home: Path, **environment: str) -> WorkerProcess:
    return lane.start_worker(0.0, **{"PRISM_MODEL": str(home), "PRISM_MODEL_CHECK_SECONDS": "0.1", **environment})


def wait_for_reload(worker: WorkerProcess, outcome: str, count: int = 1) -> None:
    sample = f'prism_model_reloads_total{{outcome="{outcome}"}}'
    worker.wait_until(lambda: worker.read_metric(sample) >= count, f"a model was {outcome}")


def wait_for_records(worker: WorkerProcess, version: str, role: str = "serving") -> None:
    """Wait until the model has settled some more records than it had."""
    sample = f'prism_records_by_model_total{{name="fake",role="{role}",version="{version}"}}'
    before = worker.read_metric(sample)
    worker.wait_until(lambda: worker.read_metric(sample) > before, f"{version} has settled more")


def read_version(record: Record) -> str:
    return str(json.loads(record.value or b"")["model"]["version"])


def ensure_repeats_are_the_same(outputs: Sequence[Record]) -> None:
    """Ensure that all explanations of one item by one model are the same bytes."""
    values: dict[tuple[bytes | None, str], bytes | None] = {}
    for record in outputs:
        assert values.setdefault((record.key, read_version(record)), record.value) == record.value


def ensure_batches_are_of_one_model(outputs: Sequence[Record]) -> None:
    batches: dict[tuple[bytes | None, ...], set[str]] = defaultdict(set)
    for record in outputs:
        headers = dict(record.headers)
        batches[headers["prism-generated-at"], headers["prism-inference-seconds"]].add(read_version(record))
    assert {len(versions) for versions in batches.values()} == {1}


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_rolls_a_refusal_a_rollback_and_a_kill_under_load_lose_nothing(lane: Lane, home: Path, delivery: str) -> None:
    if delivery == "exactly-once" and lane.broker.forgets:
        pytest.skip("the embedded broker's transactions commit no offsets")
    load = Load(lane)
    with load.run():
        worker = start(lane, home, PRISM_DELIVERY=delivery)
        wait_for_records(worker, "1.0.0")
        roll_pointer(home, Pointer("fake/2.0.0"))
        wait_for_reload(worker, "loaded")
        wait_for_records(worker, "2.0.0")
        roll_pointer(home, Pointer("fake/3.0.0"))
        wait_for_reload(worker, "refused")
        wait_for_records(worker, "2.0.0")
        assert worker.get("/readyz")[0] == 200
        roll_pointer(home, Pointer("fake/2.0.0"))
        roll_pointer(home, Pointer("fake/1.0.0"))
        wait_for_reload(worker, "rolled_back")
        wait_for_records(worker, "1.0.0")
        # While it rolls: what was at work is done again, by the model that the pointer means by then.
        roll_back_pointer(home)
        worker.signal(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL
        wait_for_records(start(lane, home, PRISM_DELIVERY=delivery), "2.0.0")
    outputs, letters = lane.read_all_of(set(load.sent))
    assert not letters
    assert collect_ids(outputs) == set(load.sent)
    assert {read_version(record) for record in outputs} == {"1.0.0", "2.0.0"}
    ensure_repeats_are_the_same(outputs)
    ensure_batches_are_of_one_model(outputs)
    assert len(outputs) <= len(load.sent) + 32  # At most the batch at work when it was killed.


def test_sighup_looks_at_once_and_ends_nothing(lane: Lane, home: Path) -> None:
    worker = start(lane, home, PRISM_MODEL_CHECK_SECONDS="3600")
    lane.send(build_events(40))
    wait_for_records(worker, "1.0.0")
    roll_pointer(home, Pointer("fake/2.0.0"))
    for _ in range(3):
        worker.signal(signal.SIGHUP)
    wait_for_reload(worker, "loaded")
    lane.send(build_events(80)[40:])
    outputs, _ = lane.read_all_of({f"event-{number}" for number in range(80)})
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert {read_version(record) for record in outputs if int(record.id.removeprefix("event-")) >= 40} == {"2.0.0"}


def test_a_canary_has_its_keys_and_keeps_them_when_records_are_delivered_again(lane: Lane, home: Path) -> None:
    percent = 30.0
    canary = {"PRISM_CANARY_MODEL": str(home / "fake" / "2.0.0"), "PRISM_CANARY_PERCENT": str(percent)}
    load = Load(lane)
    with load.run():
        worker = start(lane, home, **canary)
        wait_for_records(worker, "1.0.0")
        wait_for_records(worker, "2.0.0", role="canary")
        worker.signal(signal.SIGKILL)
        assert worker.wait() == -signal.SIGKILL
        wait_for_records(start(lane, home, **canary), "2.0.0", role="canary")
    outputs, letters = lane.read_all_of(set(load.sent))
    assert not letters
    lineup = build_lineup(home, percent)
    keys = {record.id: record.key for record in lane.read_inputs()}
    for record in outputs:
        chosen = lineup.choose(IncomingRecord("in", 0, 0, keys[record.id], None, ()))
        assert read_version(record) == chosen.model.version
    assert {read_version(record) for record in outputs} == {"1.0.0", "2.0.0"}
    ensure_repeats_are_the_same(outputs)


def build_lineup(home: Path, percent: float) -> Lineup:
    pipeline = FakeModels().load(FakeModels().locate(str(home)), 1)
    serving, canary = (
        Contender(pipeline, ModelIdentity(name="fake", version=version), role)
        for version, role in (("1.0.0", Role.SERVING), ("2.0.0", Role.CANARY))
    )
    return Lineup(serving, canary, percent)


def test_a_shadow_explains_to_the_side_topic_and_the_outputs_know_nothing_of_it(lane: Lane, home: Path) -> None:
    side = f"{lane.name}-side"
    worker = start(
        lane, home, PRISM_SHADOW_MODEL=str(home / "fake" / "2.0.0"), PRISM_SHADOW_TOPIC=lane.create_side_topic(side)
    )
    events = build_events(200)
    lane.send(events)
    outputs, letters = lane.read_all_of({identity for identity, _ in events})
    worker.wait_until(
        lambda: worker.read_metric('prism_shadow_records_total{outcome="explained"}') == len(events),
        "the shadow has explained everything",
    )
    assert not letters
    assert {read_version(record) for record in outputs} == {"1.0.0"}
    shadows = lane.read_to_end(side)
    assert {read_version(record) for record in shadows} == {"2.0.0"}
    assert sorted(record.key or b"" for record in shadows) == sorted(record.key or b"" for record in outputs)


def test_a_shadow_that_is_slow_and_has_no_topic_delays_and_loses_nothing(lane: Lane, home: Path) -> None:
    write_model(home, "4.0.0", delay_seconds=3_600)
    worker = start(
        lane, home, PRISM_SHADOW_MODEL=str(home / "fake" / "4.0.0"), PRISM_SHADOW_TOPIC=f"{lane.name}-missing"
    )
    events = build_events(1_500)
    lane.send(events)
    outputs, letters = lane.read_all_of({identity for identity, _ in events})
    assert len(outputs) == len(events)
    assert not letters
    worker.wait_until(
        lambda: worker.read_metric('prism_shadow_records_total{outcome="dropped"}') > 0, "the shadow drops records"
    )
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
