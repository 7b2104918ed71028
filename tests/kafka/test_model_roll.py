"""Models are replaced by what passes, and by nothing else."""

import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from stream_app.kafka.model_roll import RETRY_REFUSED_SECONDS, Follower, Rolling, RollWatch, Seat, build_watch
from stream_app.kafka.models import Contender, Lineup, Models, Role
from stream_app.kafka.warm_up import warm_up
from stream_app.runtime.model_pointer import Pointer, roll_back_pointer, roll_pointer
from stream_app.settings import Settings
from stream_app.telemetry import Metrics
from tests.fake_models import WEIGHTS_NAME, FakeModels, write_model

DEADLINE_SECONDS = 30.0


class Stage:
    """A worker's models, and a hand-driven clock."""

    def __init__(self, home: Path, source: FakeModels | None = None) -> None:
        self.home = home
        self.now = 0.0
        self.metrics = Metrics()
        for version in ("1.0.0", "2.0.0"):
            write_model(home, version)
        self.roll("1.0.0")
        self.source = source or FakeModels()
        self.edition = self.source.locate(str(home))
        pipeline = self.source.load(self.edition, 1)
        self.models = Models(Lineup(Contender(pipeline, warm_up(pipeline))))
        seat = Seat(Role.SERVING, str(home), 1)
        self.follower = Follower(
            seat, self.source, self.metrics, self.models.install, self.edition, clock=lambda: self.now
        )

    @property
    def version(self) -> str:
        return self.models.lineup.serving.model.version

    def roll(self, version: str, checksum: str | None = None) -> None:
        roll_pointer(self.home, Pointer(f"fake/{version}", checksum))

    def read_reloads(self) -> tuple[int, ...]:
        lines = self.metrics.render().decode().splitlines()
        counts = dict(line.rsplit(" ", 1) for line in lines if line.startswith("prism_model_reloads_total"))
        names = ("loaded", "refused", "rolled_back")
        return tuple(int(float(counts[f'prism_model_reloads_total{{outcome="{name}"}}'])) for name in names)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    logging.getLogger().handlers = []


def test_nothing_is_loaded_while_the_pointer_stays(stage: Stage) -> None:
    before = stage.models.lineup
    stage.follower.check()
    stage.roll("1.0.0")
    stage.follower.check(is_urgent=True)
    assert stage.models.lineup is before
    assert stage.read_reloads() == (0, 0, 0)


def test_a_rolled_model_is_loaded_and_pointing_back_is_a_rollback(stage: Stage) -> None:
    stage.roll("2.0.0")
    stage.follower.check()
    assert (stage.version, stage.read_reloads()) == ("2.0.0", (1, 0, 0))
    roll_back_pointer(stage.home)
    stage.follower.check()
    assert (stage.version, stage.read_reloads()) == ("1.0.0", (1, 0, 1))
    text = stage.metrics.render().decode()
    assert 'prism_model_info{name="fake",role="serving",version="1.0.0"} 1.0' in text
    assert 'version="2.0.0"' not in text


def break_weights(folder: Path) -> None:
    (folder / WEIGHTS_NAME).write_bytes(b"altered")


def break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"{}")


def remove_files(folder: Path) -> None:
    (folder / WEIGHTS_NAME).unlink()


@pytest.mark.parametrize("damage", [break_weights, break_manifest, remove_files])
def test_a_damaged_model_is_refused_and_the_one_at_work_goes_on(stage: Stage, damage: object) -> None:
    assert callable(damage)
    damage(stage.home / "fake" / "2.0.0")
    stage.roll("2.0.0")
    before = stage.models.lineup
    with capture_logs() as entries:
        stage.follower.check()
    assert stage.models.lineup is before
    assert stage.read_reloads() == (0, 1, 0)
    assert [entry["event"] for entry in entries] == ["model_refused"]


@pytest.mark.parametrize(
    ("version", "checksum", "reason"),
    [("9.9.9", None, "no model"), ("2.0.0", "0" * 64, "the pointer means"), ("3.0.0", None, "cannot write")],
)
def test_what_is_not_there_not_meant_or_cannot_write_is_refused(
    stage: Stage, version: str, checksum: str | None, reason: str
) -> None:
    write_model(stage.home, "3.0.0", works=False)
    stage.roll(version, checksum)
    with capture_logs() as entries:
        stage.follower.check()
    assert reason in entries[0]["reason"]
    assert (stage.version, stage.read_reloads()) == ("1.0.0", (0, 1, 0))


def test_a_model_that_is_not_approved_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    approved = frozenset({stage.edition.manifest_sha256})
    seat = Seat(Role.SERVING, str(tmp_path), 1)
    follower = Follower(seat, FakeModels(approved), stage.metrics, stage.models.install, stage.edition)
    stage.roll("2.0.0")
    with capture_logs() as entries:
        follower.check()
    assert "PRISM_MODEL_SHA256" in entries[0]["reason"]
    assert stage.version == "1.0.0"


def fail_with(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("error", [MemoryError("secret"), RuntimeError("secret"), OSError(28, "No space left")])
def test_whatever_goes_wrong_while_loading_the_model_at_work_goes_on(stage: Stage, error: Exception) -> None:
    failing = FakeModels(on_load=lambda: fail_with(error))
    follower = Follower(
        Seat(Role.SERVING, str(stage.home), 1), failing, stage.metrics, stage.models.install, stage.edition
    )
    stage.roll("2.0.0")
    with capture_logs() as entries:
        follower.check()
    assert stage.read_reloads() == (0, 1, 0)
    assert "secret" not in str(entries)


def test_a_refused_model_is_tried_again_after_a_while_or_when_that_is_asked_for(stage: Stage) -> None:
    folder = stage.home / "fake" / "2.0.0"
    weights = (folder / WEIGHTS_NAME).read_bytes()
    break_weights(folder)
    stage.roll("2.0.0")
    for _ in range(3):
        stage.follower.check()
    assert stage.read_reloads() == (0, 1, 0)
    stage.now += RETRY_REFUSED_SECONDS
    stage.follower.check()
    stage.follower.check(is_urgent=True)
    assert stage.read_reloads() == (0, 3, 0)
    (folder / WEIGHTS_NAME).write_bytes(weights)
    stage.now += RETRY_REFUSED_SECONDS
    stage.follower.check()
    assert (stage.version, stage.read_reloads()) == ("2.0.0", (1, 3, 0))


def test_pointing_back_after_a_refusal_loads_nothing(stage: Stage) -> None:
    stage.roll("9.9.9")
    stage.follower.check()
    before = stage.models.lineup
    roll_back_pointer(stage.home)
    stage.follower.check()
    assert stage.models.lineup is before
    assert stage.read_reloads() == (0, 1, 0)


def test_the_model_that_was_replaced_leaves_the_memory(stage: Stage) -> None:
    old = weakref.ref(stage.models.lineup.serving)
    stage.roll("2.0.0")
    stage.follower.check()
    gc.collect()
    assert old() is None


def test_the_watch_loads_a_canary_before_it_begins_and_looks_when_it_is_asked(tmp_path: Path) -> None:
    loaded = threading.Semaphore(0)
    stage = Stage(tmp_path, FakeModels(on_load=loaded.release))
    assert loaded.acquire(timeout=DEADLINE_SECONDS)
    settings = Settings(model=str(tmp_path), canary_model=str(tmp_path / "fake" / "2.0.0"), model_check_seconds=3_600)
    watch = build_watch(settings, Rolling(stage.source, stage.edition), stage.models, stage.metrics)
    watch.start()
    try:
        assert loaded.acquire(blocking=False)
        canary = stage.models.lineup.canary
        assert canary is not None
        assert (canary.role, canary.model.version) == (Role.CANARY, "2.0.0")
        stage.roll("2.0.0")
        watch.ask()
        assert loaded.acquire(timeout=DEADLINE_SECONDS)
    finally:
        watch.stop()


def test_a_worker_whose_canary_is_refused_begins_without_it(stage: Stage) -> None:
    settings = Settings(model=str(stage.home), canary_model="no-such-model/9.9.9")
    watch = build_watch(settings, Rolling(stage.source, stage.edition), stage.models, stage.metrics)
    watch.start()
    watch.stop()
    assert stage.models.lineup.canary is None
    assert stage.read_reloads() == (0, 1, 0)


def test_the_watch_looks_by_itself(stage: Stage) -> None:
    looked = threading.Semaphore(0)
    seat = Seat(Role.SERVING, str(stage.home), 1)
    source = FakeModels(on_load=looked.release)
    follower = Follower(seat, source, stage.metrics, stage.models.install, stage.edition)
    watch = RollWatch([follower], 0.01)
    watch.start()
    try:
        stage.roll("2.0.0")
        assert looked.acquire(timeout=DEADLINE_SECONDS)
    finally:
        watch.stop()
