"""Faults that a run causes among the workers that it started: `kill@30s,freeze@60s:10s,scale=3@90s`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode

UNIT_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}
_TIME: Final = r"(?P<{name}>[0-9]{{1,9}}(?:\.[0-9]{{1,6}})?)(?P<{name}_unit>ms|s|m)"
_AT: Final = _TIME.format(name="at")
_KILL: Final = re.compile(f"kill@{_AT}")
_FREEZE: Final = re.compile(f"freeze@{_AT}:{_TIME.format(name='length')}")
_SCALE: Final = re.compile(f"scale=(?P<workers>[0-9]{{1,3}})@{_AT}")


class FaultError(PrismError):
    """A list of faults that cannot be read, or cannot happen."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to one worker; it is started again a second after its end."""

    at_seconds: float
    """Since the start of the run, as in all faults."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """SIGSTOP to one worker, and SIGCONT later."""

    at_seconds: float
    length_seconds: float


@dataclass(frozen=True, slots=True)
class Scale:
    """More workers are started, or the newest told to end, until there are so many."""

    at_seconds: float
    workers: int


Fault = Kill | Freeze | Scale


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Read a comma-separated list of faults.

    Returns:
        The faults by time; those of one time in the order given.

    Raises:
        FaultError: a part of the list is no fault.
    """
    faults = [_parse_fault(part.strip()) for part in text.split(",")]
    return tuple(sorted(faults, key=lambda fault: fault.at_seconds))


def ensure_within(faults: Sequence[Fault], duration_seconds: float) -> None:
    """Refuse faults that a run of this length would never cause.

    Raises:
        FaultError: one is due at the end of the run or later.
    """
    for fault in faults:
        if fault.at_seconds >= duration_seconds:
            kind = type(fault).__name__.lower()
            raise FaultError(f"{kind}@{fault.at_seconds:g}s is not before the end of the run, {duration_seconds:g} s")


def _parse_fault(text: str) -> Fault:
    if found := _KILL.fullmatch(text):
        return Kill(_read_seconds(found, "at"))
    if found := _FREEZE.fullmatch(text):
        if (length := _read_seconds(found, "length")) <= 0:
            raise FaultError(f"{text!r} freezes for no time")
        return Freeze(_read_seconds(found, "at"), length)
    if found := _SCALE.fullmatch(text):
        return Scale(_read_seconds(found, "at"), int(found["workers"]))
    raise FaultError(f"{text!r} is no fault; there are kill@30s, freeze@60s:10s and scale=3@90s (units: ms, s, m)")


def _read_seconds(found: re.Match[str], name: str) -> float:
    return float(found[name]) * UNIT_SECONDS[found[f"{name}_unit"]]
