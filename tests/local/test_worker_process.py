"""The worker as a process: ready, dead, restarted, and never left behind. A small script stands in for the worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_app.local.worker_process import WorkerFailedError, WorkerProcess, find_free_port

READY_SCRIPT = """
import http.server, os
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PRISM_HTTP_PORT"])), Ready).serve_forever()
"""
STUBBORN_SCRIPT = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY_SCRIPT
BROKEN_SCRIPT = "import sys; print('the model has another fingerprint', flush=True); sys.exit(78)"


def make_worker(tmp_path: Path, script: str) -> WorkerProcess:
    return WorkerProcess(dict(os.environ), find_free_port(), tmp_path / "worker.log", [sys.executable, "-c", script])


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[WorkerProcess]:
    worker = make_worker(tmp_path, READY_SCRIPT)
    yield worker
    worker.stop(deadline_seconds=0)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_is_ready_once_it_says_so(worker: WorkerProcess) -> None:
    assert not worker.is_ready()
    worker.start()
    worker.wait_until_ready(deadline_seconds=20)
    assert worker.exit_code is None
    worker.stop()
    assert worker.exit_code == -signal.SIGTERM


def test_a_killed_worker_is_started_again_as_another_process(worker: WorkerProcess) -> None:
    worker.start()
    worker.wait_until_ready(deadline_seconds=20)
    first = worker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    worker.restart()
    worker.wait_until_ready(deadline_seconds=20)
    assert worker.pid not in (None, first)
    assert worker.restarts == 1
    assert not is_running(first)


def test_a_worker_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    worker = make_worker(tmp_path, BROKEN_SCRIPT)
    worker.start()
    with pytest.raises(WorkerFailedError, match=r"(?s)exit code 78.*another fingerprint"):
        worker.wait_until_ready(deadline_seconds=20)
    worker.stop()


def test_a_worker_that_never_becomes_ready_is_given_up(tmp_path: Path) -> None:
    worker = make_worker(tmp_path, "import sys; sys.stdin.read()")
    worker.start()
    try:
        with pytest.raises(WorkerFailedError, match="not ready"):
            worker.wait_until_ready(deadline_seconds=0.3)
    finally:
        worker.stop(deadline_seconds=0)


def test_a_worker_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    worker = make_worker(tmp_path, STUBBORN_SCRIPT)
    worker.start()
    worker.wait_until_ready(deadline_seconds=20)
    worker.stop(deadline_seconds=0.2)
    assert worker.exit_code == -signal.SIGKILL


def test_stopping_what_never_started_does_nothing(tmp_path: Path) -> None:
    make_worker(tmp_path, READY_SCRIPT).stop()


def test_the_tether_ends_the_worker_when_its_parent_is_killed(tmp_path: Path) -> None:
    """A parent starts a tethered process and is killed with -9; the process must not outlive it."""
    tethered = (
        "import time\nfrom stream_app.local.tethered_worker import tie_to_parent\ntie_to_parent()\ntime.sleep(60)\n"
    )
    parent = (
        "import subprocess, sys, time\n"
        f"command = [sys.executable, '-c', {tethered!r}]\n"
        "child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 20
    while is_running(child) and not is_zombie(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child) or is_zombie(child)


def is_zombie(pid: int) -> bool:
    """An ended process that nobody has waited for yet; whether anybody does depends on the machine's first process."""
    status = Path(f"/proc/{pid}/status")
    return status.is_file() and "State:\tZ" in status.read_text(encoding="utf-8")
