"""What the machine can do, read from files as Linux writes them, and judged."""

import sys
from pathlib import Path

import pytest

from stream_app.doctor.findings import Level
from stream_app.doctor.machine import (
    Limits,
    Processor,
    judge_memory,
    judge_processor,
    judge_threads,
    read_limits,
    read_peak_bytes,
    read_processor,
)

MIB = 2**20


def build_processor(*flags: str, vendor: str = "GenuineIntel") -> Processor:
    return Processor(vendor, frozenset(flags))


def test_the_processor_is_read_from_cpuinfo(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    core = "processor\t: {}\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu sse4_2 avx2 avx512_vnni\nbugs\t\t: x\n\n"
    path.write_text(core.format(0) + core.format(1))
    assert read_processor(path) == build_processor("fpu", "sse4_2", "avx2", "avx512_vnni", vendor="AuthenticAMD")
    path.write_text("processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n")
    assert read_processor(path) == build_processor("fp", "asimd", vendor="0x41")
    assert read_processor(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("processor", "level"),
    [
        (build_processor("avx2", "avx512_vnni"), Level.OK),
        (build_processor("avx2"), Level.OK),
        (build_processor("sse4_2", "avx"), Level.WARNING),
        (build_processor("asimd", vendor="0x41"), Level.OK),
        (None, Level.OK),
    ],
)
def test_a_processor_without_avx2_is_warned_of(processor: Processor | None, level: Level) -> None:
    assert [one.level for one in judge_processor(processor, {})] == [level]


def test_variables_that_slow_ctranslate2_down_are_warned_of() -> None:
    amd, intel = build_processor("avx2", vendor="AuthenticAMD"), build_processor("avx2")
    assert [one.level for one in judge_processor(amd, {"CT2_USE_MKL": "1"})] == [Level.OK, Level.WARNING]
    assert [one.level for one in judge_processor(intel, {"CT2_USE_MKL": "1"})] == [Level.OK]
    [_, forced] = judge_processor(intel, {"CT2_FORCE_CPU_ISA": "GENERIC"})
    assert forced.level is Level.WARNING
    assert "GENERIC" in forced.message


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "536870912\n"}, Limits(1.5, 512 * MIB)),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, Limits(None, None)),
        (
            {
                "cpu/cpu.cfs_quota_us": "200000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "536870912\n",
            },
            Limits(2.0, 512 * MIB),
        ),
        (
            {
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            Limits(None, None),
        ),
        ({"cpu.max": "odd\n", "memory.max": ""}, Limits(None, None)),
        ({}, Limits(None, None)),
    ],
)
def test_limits_are_read_from_either_version_of_cgroups(
    tmp_path: Path, files: dict[str, str], expected: Limits
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert read_limits(tmp_path) == expected


@pytest.mark.parametrize(
    ("threads", "cores", "quota", "level", "told"),
    [
        (2, 2, None, Level.OK, "2 for 2 cores"),
        (2, 8, 2.0, Level.OK, "a quota of 2 cores"),
        (1, 8, 1.5, Level.OK, "a quota of 1.5 cores"),
        (4, 2, None, Level.WARNING, "PRISM_INFERENCE_THREADS=2"),
        (4, 8, 2.5, Level.WARNING, "PRISM_INFERENCE_THREADS=2"),
        (1, 8, 0.5, Level.WARNING, "a whole core"),
    ],
)
def test_threads_beyond_the_cores_or_the_quota_are_warned_of(
    threads: int, cores: int, quota: float | None, level: Level, told: str
) -> None:
    finding = judge_threads(threads, cores, quota)
    assert finding.level is level
    assert told in f"{finding.message} {finding.advice}"


@pytest.mark.parametrize(
    ("limit", "level"),
    [(None, Level.OK), (199 * MIB, Level.PROBLEM), (299 * MIB, Level.WARNING), (300 * MIB, Level.OK)],
)
def test_a_memory_limit_must_hold_what_was_needed_and_some_room(limit: int | None, level: Level) -> None:
    finding = judge_memory(limit, 200 * MIB)
    assert finding.level is level
    assert ("300 MiB" in finding.advice) == (level is not Level.OK)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell")
def test_the_memory_of_a_python_process_is_counted_in_bytes() -> None:
    peak = read_peak_bytes()
    assert peak is not None
    assert 5 * MIB < peak < 100_000 * MIB
