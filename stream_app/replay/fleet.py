"""The workers that a run starts itself: ready before it begins, hurt on purpose while it lasts, ended in order."""

import asyncio
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from math import inf
from pathlib import Path
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.local.worker_process import READY_SECONDS, WorkerFailedError, WorkerProcess, find_free_port
from stream_app.replay.faults import Fault, Freeze, Kill, Scale
from stream_app.replay.measurements import Incident

RESTART_SECONDS: Final = 1.0
"""As an orchestrator does: a killed worker is started again so long after its end."""
DRAIN_SECONDS: Final = 60.0
"""For a worker that was told to end: longer than its own budget for draining, which it is to keep by itself."""
POLL_SECONDS: Final = 0.1
HOST: Final = "127.0.0.1"


class FleetError(PrismError):
    """The workers could not be started."""


@dataclass(frozen=True, slots=True)
class ObservedProcess:
    """A process to be measured."""

    name: str
    pid: int
    """Another one after a restart."""
    metrics_url: str | None = None
    """None: it has no metrics."""


@dataclass(slots=True)
class _Member:
    """One worker, through all its restarts. Times are in seconds since the start of the run."""

    name: str
    port: int
    process: WorkerProcess
    is_wanted: bool = True
    is_ready: bool = False
    was_killed: bool = False
    has_ended: bool = False
    restart_at: float | None = None
    thaw_at: float | None = None
    kill_at: float | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether there is somebody to kill or freeze."""
        is_hurt = self.was_killed or self.thaw_at is not None
        return self.is_wanted and not is_hurt and self.process.exit_code is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        # Asking for the exit code first keeps the signal from a stranger: until that is read, the id stays taken.
        if self.process.pid is not None and self.process.exit_code is None:
            with suppress(ProcessLookupError):  # Another thread may have read the code in between.
                os.kill(self.process.pid, number)

    def retire(self, kill_at: float) -> None:
        """Tell it to end; frozen or not."""
        self.is_wanted, self.restart_at, self.thaw_at, self.kill_at = False, None, None, kill_at
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)

    def watch(self, second: float) -> Iterator[str]:
        """Look after it once; says what happened."""
        if self.process.exit_code is not None:
            yield from self._watch_ended(second, self.process.exit_code)
        elif self.thaw_at is not None:
            if second >= self.thaw_at:
                self.thaw_at = None
                self.send(signal.SIGCONT)
                yield f"{self.name} thawed"
        elif self.kill_at is not None:
            if second >= self.kill_at:
                self.kill_at = inf  # Once is enough, even where its end takes a while to be seen.
                self.send(signal.SIGKILL)
                yield f"{self.name} did not end in {DRAIN_SECONDS:.0f} s and was killed"
        elif not self.is_ready and self._ask():
            self.is_ready = True
            yield f"{self.name} is ready"

    def _watch_ended(self, second: float, exit_code: int) -> Iterator[str]:
        if not self.has_ended:
            self.has_ended, self.is_ready, self.thaw_at, self.kill_at = True, False, None, None
            yield f"{self.name} ended: {_describe_exit(exit_code)}"
            self.is_wanted = self.is_wanted and self.was_killed
            self.restart_at = second + RESTART_SECONDS if self.is_wanted else None
        elif self.restart_at is not None and second >= self.restart_at:
            self.process.restart()
            self.restart_at, self.has_ended, self.was_killed = None, False, False
            yield f"{self.name} started again"

    def _ask(self) -> bool:
        try:
            return self.process.is_ready()
        except HTTPException:
            # It died in the middle of its answer.
            return False


@dataclass(slots=True)
class Fleet:
    """Worker processes on this machine. Blocks where it says so; its methods may be called from any thread.

    Args:
        command: what a worker is started with; `worker_process.WORKER_COMMAND` ends with this process, even by kill -9.
        environment: all variables of the processes; host and port of their probes are set here.
        folder: for the logs, `worker-0.log` and so on.
        count: how many to start.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    count: int
    incidents: list[Incident] = field(default_factory=list)
    """What was done to the workers, and what became of them, by time."""
    _members: list[_Member] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False
    _turn: int = 0

    def start(self, deadline_seconds: float = READY_SECONDS) -> None:
        """Start all workers and wait until they are ready.

        Raises:
            FleetError: one was not ready in time, or ended; all others are ended too.
        """
        with self._lock:
            members = [self._add_member() for _ in range(0 if self._is_over else self.count)]
        deadline = time.monotonic() + deadline_seconds
        # Outside the lock, so that `stop` can end the wait.
        for member in members:
            try:
                member.process.wait_until_ready(max(0.0, deadline - time.monotonic()))
            except WorkerFailedError as error:
                self.stop(0)
                raise FleetError(f"{member.name}: {error}") from error
            member.is_ready = True

    def list_processes(self) -> list[ObservedProcess]:
        """List the workers that run now, frozen ones too. Never blocks."""
        # Without the lock, which `watch` may hold for seconds; members are only ever added.
        return [
            ObservedProcess(member.name, member.process.pid, f"http://{HOST}:{member.port}/metrics")
            for member in list(self._members)
            if member.process.pid is not None and member.process.exit_code is None
        ]

    def watch(self, second: float) -> None:
        """Note ends, restart what was killed, thaw, see who is ready. Call it often; may block for two seconds.

        Args:
            second: now, since the start of the run.
        """
        with self._lock:
            if not self._is_over:
                self._watch_members(second)

    def _watch_members(self, second: float) -> None:
        # Whoever is not ready yet comes last: asking it may take long, and a thaw is to be in time.
        for member in sorted(self._members, key=lambda one: one.is_at_work and not one.is_ready):
            for what in member.watch(second):
                self._note(second, what)

    def cause(self, fault: Fault, second: float) -> None:
        """Cause a fault now. Workers to kill or freeze are taken in turn, from those that run.

        Args:
            fault: what to do; its own time is not looked at.
            second: now, since the start of the run.
        """
        with self._lock:
            if self._is_over:
                return
            match fault:
                case Kill():
                    self._kill(second)
                case Freeze(length_seconds=length):
                    self._freeze(second, length)
                case Scale(workers=workers):
                    self._scale(second, workers)

    def _kill(self, second: float) -> None:
        if (member := self._take_turn()) is None:
            self._note(second, "no worker was there to be killed")
            return
        member.was_killed = True
        member.send(signal.SIGKILL)
        self._note(second, f"{member.name} killed")

    def _freeze(self, second: float, length_seconds: float) -> None:
        if (member := self._take_turn()) is None:
            self._note(second, "no worker was there to be frozen")
            return
        member.thaw_at = second + length_seconds
        member.send(signal.SIGSTOP)
        self._note(second, f"{member.name} frozen for {length_seconds:g} s")

    def _scale(self, second: float, workers: int) -> None:
        wanted = [member for member in self._members if member.is_wanted]
        self._note(second, f"scaled from {len(wanted)} to {workers} workers")
        for _ in range(workers - len(wanted)):
            self._note(second, f"{self._add_member().name} started")
        for member in reversed(wanted[workers:]):
            member.retire(second + DRAIN_SECONDS)
            self._note(second, f"{member.name} told to end")

    def stop(self, deadline_seconds: float = DRAIN_SECONDS) -> None:
        """End all workers: SIGTERM, and SIGKILL for those that have not ended in time. Blocks so long; for good."""
        with self._lock:
            self._is_over = True
            try:
                if deadline_seconds > 0:
                    self._drain(deadline_seconds)
            finally:
                # Also when Ctrl-C is pressed again while they drain.
                for member in self._members:
                    member.process.stop(deadline_seconds=0)

    def _drain(self, deadline_seconds: float) -> None:
        for member in self._members:
            # Whoever was told before is not told twice: a second SIGTERM ends a worker at once.
            if member.kill_at is None:
                member.retire(kill_at=0.0)
        deadline = time.monotonic() + deadline_seconds
        while any(member.process.exit_code is None for member in self._members) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 2)

    def _take_turn(self) -> _Member | None:
        if not (members := [member for member in self._members if member.is_at_work]):
            return None
        self._turn += 1
        return members[(self._turn - 1) % len(members)]

    def _add_member(self) -> _Member:
        name = f"worker-{len(self._members)}"
        taken = {member.port for member in self._members}
        # A port counts as free until its worker listens: without this, two workers could be given the same one.
        port = next(port for port in iter(find_free_port, None) if port not in taken)
        environment = {**self.environment, "PRISM_HTTP_HOST": HOST}
        member = _Member(name, port, WorkerProcess(environment, port, self.folder / f"{name}.log", self.command))
        self._members.append(member)
        member.process.start()
        return member

    def _note(self, second: float, what: str) -> None:
        self.incidents.append(Incident(second=second, what=what))


async def supervise(
    fleet: Fleet,
    faults: Sequence[Fault],
    *,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Cause the faults when they are due, and look after the workers, until cancelled.

    Processes are started and asked in a thread: the schedule of the run, in this one, is not to wait for them.

    Args:
        fleet: workers that are ready.
        faults: by time.
        now: seconds since the start of the run.
        sleep: waits for so many seconds.
    """
    left = deque(faults)
    while True:
        while left and left[0].at_seconds <= now():
            await asyncio.to_thread(fleet.cause, left.popleft(), now())
        await asyncio.to_thread(fleet.watch, now())
        next_at = left[0].at_seconds if left else now() + POLL_SECONDS
        await sleep(max(0.0, min(POLL_SECONDS, next_at - now())))


def _describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    names = {int(number): number.name for number in signal.Signals}
    return names.get(-code, f"signal {-code}")
