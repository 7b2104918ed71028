"""Real processes, but small ones: a few lines that answer /readyz stand in for the worker."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from stream_app.replay.faults import Fault, Freeze, Kill, Scale
from stream_app.replay.fleet import DRAIN_SECONDS, Fleet, FleetError, ObservedProcess, supervise

READY = """
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: (print("drained", flush=True), os._exit(0)))
server = socket.create_server((os.environ["PRISM_HTTP_HOST"], int(os.environ["PRISM_HTTP_PORT"])))
print("started with", os.environ["PRISM_TEST"], flush=True)
while True:
    connection, _ = server.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
"""
STUBBORN = READY.replace('lambda *_: (print("drained", flush=True), os._exit(0))', "signal.SIG_IGN")
STUBBORN_AND_LOUD = READY.replace(", os._exit(0)", "")
BROKEN = "import sys; print('the model has another fingerprint', flush=True); sys.exit(78)"


@contextmanager
def start_fleet(folder: Path, count: int = 1, script: str = READY) -> Iterator[Fleet]:
    # Without `site`: a quarter of the time to start.
    fleet = Fleet([sys.executable, "-I", "-S", "-c", script], {"PRISM_TEST": "a setting"}, folder, count)
    try:
        fleet.start(deadline_seconds=60)
        yield fleet
    finally:
        fleet.stop(deadline_seconds=0)


def list_names(fleet: Fleet) -> list[str]:
    return [process.name for process in fleet.list_processes()]


def list_incidents(fleet: Fleet) -> list[tuple[float, str]]:
    return [(incident.second, incident.what) for incident in fleet.incidents]


def is_frozen(process: ObservedProcess) -> bool:
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)


def wait_until(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def watch_until(fleet: Fleet, second: float, what: str) -> None:
    """Watch at one moment of the run until an incident is noted: what processes do takes real time."""

    def is_noted() -> bool:
        fleet.watch(second)
        return (second, what) in list_incidents(fleet)

    wait_until(is_noted)


def test_workers_are_ready_with_their_settings_and_a_port_of_their_own(tmp_path: Path) -> None:
    with start_fleet(tmp_path, count=2) as fleet:
        processes = fleet.list_processes()
        assert [process.name for process in processes] == ["worker-0", "worker-1"]
        assert len({process.metrics_url for process in processes}) == len({process.pid for process in processes}) == 2
        fleet.watch(1.0)
        assert fleet.incidents == []
    assert fleet.list_processes() == []
    assert (tmp_path / "worker-1.log").read_text() == "started with a setting\n"


def test_workers_are_told_to_end_and_do_so_in_order(tmp_path: Path) -> None:
    with start_fleet(tmp_path) as fleet:
        fleet.cause(Freeze(0, 600), 1.0)
        fleet.stop(deadline_seconds=60)
        assert fleet.list_processes() == []
        assert (tmp_path / "worker-0.log").read_text().endswith("drained\n")


def test_a_worker_that_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    with start_fleet(tmp_path, script=STUBBORN) as fleet:
        fleet.stop(deadline_seconds=0.1)
        assert fleet.list_processes() == []


def test_a_worker_that_cannot_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(FleetError, match=r"(?s)worker-0: .*exit code 78.*another fingerprint"),
        start_fleet(tmp_path, script=BROKEN),
    ):
        pass


def test_a_fleet_that_is_stopped_before_it_starts_never_starts(tmp_path: Path) -> None:
    fleet = Fleet([sys.executable, "-c", READY], {}, tmp_path, 1)
    fleet.stop()
    fleet.start()
    fleet.cause(Scale(0, 2), 1.0)
    assert fleet.list_processes() == []
    assert list(tmp_path.iterdir()) == []


def test_a_killed_worker_is_started_again_after_a_second(tmp_path: Path) -> None:
    with start_fleet(tmp_path) as fleet:
        [first] = fleet.list_processes()
        fleet.cause(Kill(30), 30.0)
        watch_until(fleet, 30.2, "worker-0 ended: SIGKILL")
        fleet.watch(31.1)
        assert fleet.list_processes() == []
        fleet.watch(31.2)
        [second] = fleet.list_processes()
        assert (second.name, second.metrics_url) == (first.name, first.metrics_url)
        assert second.pid != first.pid
        watch_until(fleet, 33.0, "worker-0 is ready")
    assert list_incidents(fleet) == [
        (30.0, "worker-0 killed"),
        (30.2, "worker-0 ended: SIGKILL"),
        (31.2, "worker-0 started again"),
        (33.0, "worker-0 is ready"),
    ]


def test_a_worker_that_ends_by_itself_is_an_incident_and_stays_away(tmp_path: Path) -> None:
    with start_fleet(tmp_path, script=READY.replace("while True:", "for _ in range(1):")) as fleet:
        watch_until(fleet, 5.0, "worker-0 ended: exit code 0")
        fleet.watch(99.0)
        assert fleet.list_processes() == []
        fleet.cause(Kill(99), 99.0)
        fleet.cause(Freeze(99, 1), 99.0)
    assert list_incidents(fleet)[1:] == [
        (99.0, "no worker was there to be killed"),
        (99.0, "no worker was there to be frozen"),
    ]


def test_a_frozen_worker_stands_still_until_its_time_is_over(tmp_path: Path) -> None:
    with start_fleet(tmp_path) as fleet:
        [process] = fleet.list_processes()
        fleet.cause(Freeze(60, 10), 60.5)
        wait_until(lambda: is_frozen(process))
        fleet.watch(70.4)
        assert is_frozen(process)
        fleet.watch(70.5)
        wait_until(lambda: not is_frozen(process))
        assert fleet.list_processes() == [process]
    assert list_incidents(fleet) == [(60.5, "worker-0 frozen for 10 s"), (70.5, "worker-0 thawed")]


def test_faults_take_the_workers_in_turn_and_only_those_that_run(tmp_path: Path) -> None:
    with start_fleet(tmp_path, count=2) as fleet:
        fleet.cause(Freeze(0, 100), 0.0)
        fleet.cause(Kill(1), 1.0)
        fleet.cause(Kill(1), 1.0)
        wait_until(lambda: list_names(fleet) == ["worker-0"])
    assert [what for _, what in list_incidents(fleet)] == [
        "worker-0 frozen for 100 s",
        "worker-1 killed",
        "no worker was there to be killed",
    ]


def test_scaling_up_starts_workers_and_scaling_down_ends_the_newest_in_order(tmp_path: Path) -> None:
    with start_fleet(tmp_path) as fleet:
        fleet.cause(Scale(10, 2), 10.0)
        assert list_names(fleet) == ["worker-0", "worker-1"]
        watch_until(fleet, 12.0, "worker-1 is ready")
        fleet.cause(Scale(20, 1), 20.0)
        watch_until(fleet, 21.0, "worker-1 ended: exit code 0")
        fleet.watch(99.0)
        assert list_names(fleet) == ["worker-0"]
    assert list_incidents(fleet) == [
        (10.0, "scaled from 1 to 2 workers"),
        (10.0, "worker-1 started"),
        (12.0, "worker-1 is ready"),
        (20.0, "scaled from 2 to 1 workers"),
        (20.0, "worker-1 told to end"),
        (21.0, "worker-1 ended: exit code 0"),
    ]


def test_a_worker_that_was_killed_is_not_started_again_once_it_is_not_wanted(tmp_path: Path) -> None:
    with start_fleet(tmp_path) as fleet:
        fleet.cause(Kill(1), 1.0)
        watch_until(fleet, 1.5, "worker-0 ended: SIGKILL")
        fleet.cause(Scale(2, 0), 2.0)
        fleet.watch(99.0)
        assert fleet.list_processes() == []


def test_a_worker_that_ignores_the_scaling_down_is_killed_in_the_end(tmp_path: Path) -> None:
    with start_fleet(tmp_path, script=STUBBORN) as fleet:
        fleet.cause(Scale(5, 0), 5.0)
        fleet.watch(5.0 + DRAIN_SECONDS - 0.1)
        assert list_names(fleet) == ["worker-0"]
        # However often it is looked at before it is gone, it is killed once.
        watch_until(fleet, 5.0 + DRAIN_SECONDS, "worker-0 ended: SIGKILL")
    assert [what for _, what in list_incidents(fleet)] == [
        "scaled from 1 to 0 workers",
        "worker-0 told to end",
        "worker-0 did not end in 60 s and was killed",
        "worker-0 ended: SIGKILL",
    ]


def test_a_worker_that_drains_is_not_told_again_to_end(tmp_path: Path) -> None:
    log = tmp_path / "worker-0.log"
    with start_fleet(tmp_path, script=STUBBORN_AND_LOUD) as fleet:
        fleet.cause(Scale(5, 0), 5.0)
        wait_until(lambda: "drained" in log.read_text())
        fleet.stop(deadline_seconds=0.2)
    assert log.read_text().count("drained") == 1


def test_faults_happen_when_they_are_due(tmp_path: Path) -> None:
    """Without workers, so that each fault leaves nothing but a note of when it came."""
    fleet = Fleet([], {}, tmp_path, 0)
    faults: list[Fault] = [Kill(0), Freeze(2.03, 1), Scale(2.03, 0), Kill(2.55)]
    moment = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal moment
        assert 0 <= seconds <= 0.1
        moment += max(seconds, 0.001)
        if moment > 10:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(supervise(fleet, faults, now=lambda: moment, sleep=sleep))
    assert [what for _, what in list_incidents(fleet)] == [
        "no worker was there to be killed",
        "no worker was there to be frozen",
        "scaled from 0 to 0 workers",
        "no worker was there to be killed",
    ]
    assert [second for second, _ in list_incidents(fleet)] == pytest.approx([0, 2.03, 2.03, 2.55], abs=0.0011)
