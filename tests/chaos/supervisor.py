"""Keeps worker processes alive as an orchestrator does: one that has exited is started again after a second."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final

from tests.chaos.check import Change
from tests.chaos.cluster import find_free_ports

ROOT: Final = Path(__file__).resolve().parents[2]
RESTART_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.2
DEADLINE_SECONDS: Final = 120.0
CODES: Final = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
"""Exit codes of a worker that is told to end, or killed."""


class NotInTimeError(Exception):
    """Something that was waited for did not happen."""


def wait_until(is_met: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until a condition is met.

    Raises:
        NotInTimeError: it never was.
    """
    deadline = time.monotonic() + seconds
    while not is_met():
        if time.monotonic() > deadline:
            raise NotInTimeError(f"not in time: {what}")
        time.sleep(0.05)


class Slot:
    """One worker: its settings, and the process that runs it now."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.exits: list[int] = []
        self.kills = 0
        self.told: Counter[int] = Counter()
        """How often it was told to end, by the exit code that this leaves."""
        self.is_ready = False
        self.is_wanted = False
        self.last_answer = ""
        [self._port] = find_free_ports(1)
        self._command = command
        self._environment = environment
        self._log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._restart_at = 0.0
        self._starts = 0

    @property
    def is_running(self) -> bool:
        """Whether there is a process that has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process, and keep it running from now on."""
        self.is_wanted = True
        self._starts += 1
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "CHAOS_"))}
        local = {"PRISM_HTTP_HOST": "127.0.0.1", "PRISM_HTTP_PORT": str(self._port)}
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env={**inherited, **local, **self._environment}, cwd=ROOT, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal; those that take the worker from its work count as kills."""
        if self.is_running and self._process is not None:
            self.kills += number is not signal.SIGCONT
            if number in CODES:
                self.told[CODES[number]] += 1
            self._process.send_signal(number)

    def retire(self) -> None:
        """End it in order, and do not start it again; returns when it has ended."""
        self.is_wanted = False
        self.send(signal.SIGTERM)
        wait_until(lambda: len(self.exits) == self._starts, f"{self.name} ends after SIGTERM", 60)

    def end_in_order(self) -> None:
        """Tell it to end now that all is over: no part of the fault."""
        assert self._process is not None
        self.told[0] += 1
        self._process.send_signal(signal.SIGTERM)

    @property
    def exit_code(self) -> int:
        """How the last process ended."""
        assert self._process is not None
        return self._process.wait(0)

    def end(self) -> None:
        """End it at once, whatever it does."""
        self.is_wanted = False
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()

    def wait_until_ready(self) -> None:
        """Wait for /readyz to say 200."""
        wait_until(lambda: self.is_ready, f"{self.name} is ready; it said {self.last_answer!r}\n{self.read_log()}")

    def read_log(self) -> str:
        """Read the end of what all its processes logged."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")[-3_000:] if self._log_path.exists() else ""

    def watch(self) -> None:
        """Note an exit, start it again when it is time, ask whether it is ready."""
        self.is_ready = self.is_running and self._ask() == 200
        if self._process is None or self.is_running:
            return
        if not self._restart_at:
            self.exits.append(self._process.returncode)
            self._restart_at = time.monotonic() + RESTART_SECONDS
        if self.is_wanted and time.monotonic() >= self._restart_at:
            self._restart_at = 0.0
            self.start()

    def _ask(self) -> int:
        try:
            # A frozen worker takes the connection and never answers.
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=0.5) as response:
                self.last_answer = response.read().decode()
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                self.last_answer = error.read().decode()
                return error.code
        except (OSError, HTTPException):
            # It died, perhaps in the middle of its answer.
            return 0


class Supervisor:
    """All workers of one run."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.slots: list[Slot] = []
        self.changes: list[Change] = []
        self._command = [sys.executable, *command]
        self._environment = environment
        self._folder = folder
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._thread.start()

    @property
    def kills(self) -> int:
        """How often a worker was killed, told to end, or frozen."""
        return sum(slot.kills for slot in self.slots)

    @property
    def exits(self) -> Counter[int]:
        """Codes with which workers ended by themselves: neither killed nor told to end."""
        return sum((Counter(slot.exits) - slot.told for slot in self.slots), Counter[int]())

    def add(self, **environment: str) -> Slot:
        """Start one more worker."""
        name = f"worker-{len(self.slots)}"
        slot = Slot(name, self._command, {**self._environment, **environment}, self._folder)
        slot.start()
        self.slots.append(slot)
        return slot

    def stop(self) -> set[int]:
        """End all workers in order; returns their exit codes.

        Raises:
            NotInTimeError: not all did.
        """
        self._is_over.set()
        self._thread.join()
        running = [slot for slot in self.slots if slot.is_running]
        for slot in running:
            slot.end_in_order()
        wait_until(lambda: not any(slot.is_running for slot in running), "all workers end after SIGTERM", 60)
        return {slot.exit_code for slot in running}

    def end(self) -> None:
        """End all workers at once, whatever they do."""
        self._is_over.set()
        self._thread.join()
        for slot in self.slots:
            slot.end()

    def _watch(self) -> None:
        while not self._is_over.wait(POLL_SECONDS):
            for slot in list(self.slots):
                was_ready = slot.is_ready
                slot.watch()
                if slot.is_ready != was_ready:
                    self.changes.append(Change(time.time(), slot.name, slot.is_ready))
