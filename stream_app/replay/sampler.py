"""CPU and memory of processes, once a second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from stream_app.replay.fleet import ObservedProcess
from stream_app.replay.measurements import ProcessSample

TOOL_NAME: Final = "prism replay"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    """Of all its threads, since it was started."""
    resident_bytes: int


def read_process_usage(pid: int) -> Usage | None:
    """Read what a process has used; None where it has ended or is not ours to look at."""
    # Here, because only the replay tool has psutil.
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Usage(times.user + times.system, process.memory_info().rss)
    except psutil.Error:
        return None


class Sampler:
    """Samples the listed processes, and this one. Not for several threads.

    A process that was not there at the sample before was started since: what it has used, it used in between. One
    that has ended is left out, as is one that belongs to somebody else.

    Args:
        list_processes: those that run now; called for each sample.
        read_usage: of a process id; None where it cannot be read.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        list_processes: Callable[[], Iterable[ObservedProcess]],
        read_usage: Callable[[int], Usage | None] = read_process_usage,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._list_processes = list_processes
        self._read_usage = read_usage
        self._clock = clock
        self._last_at = clock()
        self._last_cpu = {process: usage.cpu_seconds for process, usage in self._read_all()}
        self.samples: list[ProcessSample] = []

    def sample(self, second: int) -> None:
        """Add what each process used since the last call, or since this was built, as one second of the run."""
        now = self._clock()
        elapsed_seconds = now - self._last_at
        usages = self._read_all()
        if elapsed_seconds > 0:
            self.samples += [self._measure(second, *one, elapsed_seconds) for one in usages]
        self._last_at, self._last_cpu = now, {process: usage.cpu_seconds for process, usage in usages}

    def _measure(self, second: int, process: ObservedProcess, usage: Usage, elapsed_seconds: float) -> ProcessSample:
        used_seconds = usage.cpu_seconds - self._last_cpu.get(process, 0.0)
        return ProcessSample(
            second=second,
            process=process.name,
            cpu_share=max(0.0, used_seconds / elapsed_seconds),
            resident_bytes=usage.resident_bytes,
        )

    def _read_all(self) -> list[tuple[ObservedProcess, Usage]]:
        processes = [ObservedProcess(TOOL_NAME, os.getpid()), *self._list_processes()]
        usages = [(process, self._read_usage(process.pid)) for process in processes]
        return [(process, usage) for process, usage in usages if usage is not None]


async def sample_each_second(
    sampler: Sampler, *, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Sample at the end of each second of the run, until cancelled; seconds that were slept through are left out.

    Args:
        sampler: keeps the samples.
        now: seconds since the start of the run.
        sleep: waits for so many seconds.
    """
    while True:
        end = int(now()) + 1
        # A timer may fire a little early.
        while (left_seconds := end - now()) > 0:
            await sleep(left_seconds)
        sampler.sample(int(now()) - 1)
