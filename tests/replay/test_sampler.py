import asyncio
import os
from collections.abc import Callable

import pytest

from stream_app.replay.fleet import ObservedProcess
from stream_app.replay.sampler import TOOL_NAME, Sampler, Usage, read_process_usage, sample_each_second

MIB = 1024 * 1024


class Machine:
    """Processes on a machine with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.processes = [ObservedProcess("worker-0", 7)]
        self.usages = {os.getpid(): Usage(5.0, 50 * MIB), 7: Usage(100.0, 300 * MIB)}

    def build_sampler(self) -> Sampler:
        return Sampler(lambda: self.processes, self.usages.get, lambda: self.now)

    def use(self, pid: int, cpu_seconds: float) -> None:
        before = self.usages.get(pid, Usage(0.0, 300 * MIB))
        self.usages[pid] = Usage(before.cpu_seconds + cpu_seconds, before.resident_bytes)


def list_shares(sampler: Sampler) -> list[tuple[int, str, float]]:
    return [(one.second, one.process, round(one.cpu_share, 6)) for one in sampler.samples]


def test_the_share_is_of_one_core_and_of_the_time_that_has_passed() -> None:
    machine = Machine()
    sampler = machine.build_sampler()
    machine.now += 2.0
    machine.use(7, 3.0)
    machine.use(os.getpid(), 0.5)
    sampler.sample(0)
    machine.now += 1.0
    machine.use(7, 1.0)
    sampler.sample(1)
    assert list_shares(sampler) == [
        (0, TOOL_NAME, 0.25),
        (0, "worker-0", 1.5),
        (1, TOOL_NAME, 0.0),
        (1, "worker-0", 1.0),
    ]
    assert [one.resident_bytes for one in sampler.samples[:2]] == [50 * MIB, 300 * MIB]


def test_a_restarted_process_is_measured_from_its_own_start() -> None:
    machine = Machine()
    sampler = machine.build_sampler()
    machine.now += 1.0
    machine.processes = [ObservedProcess("worker-0", 8)]
    machine.use(8, 0.75)
    sampler.sample(0)
    assert list_shares(sampler)[1] == (0, "worker-0", 0.75)


def test_a_process_that_has_ended_is_left_out() -> None:
    machine = Machine()
    sampler = machine.build_sampler()
    machine.now += 1.0
    del machine.usages[7]
    sampler.sample(0)
    assert list_shares(sampler) == [(0, TOOL_NAME, 0.0)]


def test_two_samples_at_one_moment_give_no_share() -> None:
    machine = Machine()
    sampler = machine.build_sampler()
    sampler.sample(0)
    assert sampler.samples == []


def sample_until(machine: Machine, end: float, wake: Callable[[float], float]) -> list[int]:
    """Sample a run that began at 1,000; `wake` says how long a sleep really takes. Returns the seconds sampled."""
    sampler = machine.build_sampler()

    async def sleep(seconds: float) -> None:
        machine.now += wake(seconds)
        if machine.now >= end:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(sample_each_second(sampler, now=lambda: machine.now - 1_000.0, sleep=sleep))
    return [one.second for one in sampler.samples if one.process == "worker-0"]


def test_there_is_one_sample_at_the_end_of_each_second() -> None:
    assert sample_until(Machine(), 1_004.5, lambda seconds: seconds + 0.004) == [0, 1, 2, 3]


def test_a_timer_that_fires_early_gives_no_second_twice() -> None:
    assert sample_until(Machine(), 1_004.5, lambda seconds: seconds - 0.004 if seconds > 0.5 else seconds) == [
        0,
        1,
        2,
        3,
    ]


def test_seconds_that_were_slept_through_are_left_out() -> None:
    machine = Machine()
    assert sample_until(machine, 1_006.5, lambda seconds: seconds + (2.5 if machine.now == 1_001.0 else 0)) == [
        0,
        3,
        4,
        5,
    ]


def test_this_process_is_read_from_the_operating_system() -> None:
    usage = read_process_usage(os.getpid())
    assert usage is not None
    assert usage.cpu_seconds > 0
    assert usage.resident_bytes > 10 * MIB


def test_there_is_nothing_to_read_of_a_process_that_does_not_exist() -> None:
    assert read_process_usage(2**22 + 1) is None
