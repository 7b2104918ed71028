"""The machine: can its processor compute int8 fast, may as many threads run as are asked for, does the model fit."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stream_app.doctor.findings import Finding, approve, refuse, warn

CPU: Final = "cpu"
THREADS: Final = "threads"
MEMORY: Final = "memory"

CGROUP: Final = Path("/sys/fs/cgroup")
CPU_INFO: Final = Path("/proc/cpuinfo")
MEMORY_ROOM: Final = 1.5
"""A limit below so many times what the process needed at its most so far is called tight: batches, and what the Kafka
client holds of each partition, come on top."""
UNLIMITED_BYTES: Final = 2**60
"""Version 1 of cgroups writes a number beyond all memory where there is no limit."""
_VNNI: Final = ("amx_int8", "avx512_vnni", "avx_vnni")
"""Instructions that multiply and add int8 in one step, best first."""


@dataclass(frozen=True, slots=True)
class Processor:
    """What /proc/cpuinfo says of the first core."""

    vendor: str
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the container may use; None: no limit, or none that can be read."""

    cpu_quota: float | None
    """Cores."""
    memory_bytes: int | None


def read_processor(path: Path = CPU_INFO) -> Processor | None:
    """Read the processor's vendor and instruction sets; None where the system does not tell."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    vendor = re.search(r"^(?:vendor_id|CPU implementer)\s*:\s*(.*)$", text, re.MULTILINE)
    return Processor(vendor[1] if vendor else "", frozenset(flags[1].split())) if flags else None


def read_limits(root: Path = CGROUP) -> Limits:
    """Read the limits of the container, from either version of cgroups."""
    return Limits(_read_quota(root), _read_memory_limit(root))


def _read_quota(root: Path) -> float | None:
    # Version 2 has both numbers in one file, version 1 one in each.
    words = _read_words(root / "cpu.max") or [
        *_read_words(root / "cpu" / "cpu.cfs_quota_us"),
        *_read_words(root / "cpu" / "cpu.cfs_period_us"),
    ]
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def _read_memory_limit(root: Path) -> int | None:
    words = _read_words(root / "memory.max") or _read_words(root / "memory" / "memory.limit_in_bytes")
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) > UNLIMITED_BYTES:
        return None
    return int(words[0])


def _read_words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def read_peak_bytes() -> int | None:
    """Read how much memory this process has needed at its most; None where the system does not tell."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def count_cores() -> int:
    """Count the cores that this process may run on, whatever the quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def judge_processor(processor: Processor | None, environment: Mapping[str, str]) -> list[Finding]:
    """Judge the instruction set, and variables that change what CTranslate2 makes of it."""
    return [*_judge_instructions(processor), *_judge_overrides(processor, environment)]


def _judge_instructions(processor: Processor | None) -> Iterator[Finding]:
    if processor is None:
        yield approve(CPU, "this system does not tell its instruction set")
    elif processor.vendor.startswith("0x"):
        yield approve(CPU, "an ARM processor")
    elif found := [flag for flag in _VNNI if flag in processor.flags]:
        yield approve(CPU, f"it computes int8 in single steps ({', '.join(found)})")
    elif "avx2" in processor.flags:
        yield approve(CPU, "it has AVX2, but no VNNI, which is faster for int8")
    else:
        yield warn(
            CPU, "it has no AVX2: the model runs, but slowly", "use a machine, or a type of virtual CPU, with AVX2"
        )


def _judge_overrides(processor: Processor | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    if environment.get("CT2_USE_MKL") == "1" and (processor is None or processor.vendor != "GenuineIntel"):
        yield warn(CPU, "CT2_USE_MKL=1 is many times slower on processors that are not Intel's", "unset CT2_USE_MKL")
    if forced := environment.get("CT2_FORCE_CPU_ISA"):
        yield warn(CPU, f"CT2_FORCE_CPU_ISA={forced} keeps CTranslate2 from the fastest instructions", "unset it")


def judge_threads(threads: int, cores: int, quota: float | None) -> Finding:
    """Judge the threads of the model against the cores and the container's quota."""
    allowed = cores if quota is None else min(float(cores), quota)
    what = f"{cores} cores" if quota is None or quota >= cores else f"a quota of {quota:g} cores"
    if threads > max(1.0, allowed):
        advice = f"set PRISM_INFERENCE_THREADS={max(1, int(allowed))}, or unset it"
        return warn(THREADS, f"{threads} threads share {what}: they wait for each other", advice)
    if allowed < 1:
        return warn(THREADS, f"one thread has {what}: it is stopped again and again", "give the container a whole core")
    return approve(THREADS, f"{threads} for {what}")


def judge_memory(limit_bytes: int | None, peak_bytes: int | None) -> Finding:
    """Judge the memory limit against what this process, with the model loaded, has needed."""
    if peak_bytes is None:
        return approve(MEMORY, "this system does not tell what a process needs")
    needed = f"{_render_bytes(peak_bytes)} needed with the model loaded"
    if limit_bytes is None:
        return approve(MEMORY, f"{needed}; no limit")
    message = f"{needed}; the limit is {_render_bytes(limit_bytes)}"
    advice = f"raise the container's memory to {_render_bytes(int(peak_bytes * MEMORY_ROOM))} or more"
    if limit_bytes < peak_bytes:
        return refuse(MEMORY, message, advice)
    return warn(MEMORY, message, advice) if limit_bytes < peak_bytes * MEMORY_ROOM else approve(MEMORY, message)


def _render_bytes(number: int) -> str:
    return f"{-(-number // 2**20)} MiB"
