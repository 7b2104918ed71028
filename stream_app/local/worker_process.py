"""A worker as a process of its own: start, wait until ready, restart after a death, stop."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

READY_SECONDS: Final = 180.0
"""A second or three on a quiet machine; far longer on one that is short of memory or busy with other things."""
STOP_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.1
LOG_TAIL_LINES: Final = 20
WORKER_COMMAND: Final = (sys.executable, "-m", "stream_app.local.tethered_worker")


class WorkerFailedError(Exception):
    """The worker did not become ready, or keeps dying; the message ends with the last lines of its log."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WorkerProcess:
    """One worker process. Its output goes to a log file; it ends when this process does."""

    def __init__(
        self, environment: Mapping[str, str], http_port: int, log_path: Path, command: Sequence[str] = WORKER_COMMAND
    ) -> None:
        """Prepare, without starting.

        Args:
            environment: all variables of the process; `PRISM_HTTP_PORT` is set from `http_port`.
            http_port: the port of its `/readyz`.
            log_path: where its standard output and error are appended.
            command: what to run; tests run something else.
        """
        self._environment = {**environment, "PRISM_HTTP_PORT": str(http_port)}
        self._command = list(command)
        self._log_path = log_path
        self._url = f"http://127.0.0.1:{http_port}/readyz"
        self._process: subprocess.Popen[bytes] | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The process id, or None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start the process; does not wait."""
        with self._log_path.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal reaches the demo alone, which then stops the worker in order.
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def restart(self) -> None:
        """Start again after a death (or end it first); does not wait."""
        self.stop(deadline_seconds=0)
        self.restarts += 1
        self.start()

    def is_ready(self) -> bool:
        """Ask the worker whether it is ready for work."""
        try:
            with urllib.request.urlopen(self._url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_until_ready(self, deadline_seconds: float = READY_SECONDS) -> None:
        """Wait for readiness.

        Raises:
            WorkerFailedError: the process ended, or was not ready in time.
        """
        deadline = time.monotonic() + deadline_seconds
        while not self.is_ready():
            if (code := self.exit_code) is not None:
                raise WorkerFailedError(f"the worker ended with exit code {code}:\n{self.read_log_tail()}", code)
            if time.monotonic() > deadline:
                raise WorkerFailedError(
                    f"the worker was not ready in {deadline_seconds:.0f} s:\n{self.read_log_tail()}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self, deadline_seconds: float = STOP_SECONDS) -> None:
        """End the process: SIGTERM and time to drain, then SIGKILL. Does nothing where none runs."""
        process = self._process
        if process is None:
            return
        try:
            if deadline_seconds > 0:
                process.terminate()
                process.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also when Ctrl-C is pressed again while it drains.
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()

    def read_log_tail(self) -> str:
        """Read the last lines of the log."""
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:])


def find_free_port() -> int:
    """Find a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
