"""When each event of a run is to leave. Every time is computed from its number, never from the one before: no drift."""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count, takewhile
from typing import Final, Literal

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.recording import RecordedRecord

ProfileKind = Literal["constant", "step", "ramp", "spike", "recorded"]

STEPS: Final = 5
SPIKE_FACTOR: Final = 5
SPIKE_SHARE: Final = 0.2
"""Of the duration, in its middle."""
ROUNDING: Final = 1e-6
"""Of an event: what sums of rates times seconds may be off by without one event more."""


class ScheduleError(PrismError):
    """The times that were asked for cannot be planned."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class Profile:
    """What the load looks like over time.

    - `constant`: `rate` all the time; without a duration until the records end.
    - `step`: five steps of the same length, from a fifth of `rate` up to `rate`.
    - `ramp`: from 0 up to `rate`, evenly.
    - `spike`: `rate`, and five times as much in the middle fifth.
    - `recorded`: the recording's own times, `speed` times as fast; or, with a `rate`, scaled to that mean rate.

    Raises:
        ScheduleError: the parts do not go together.
    """

    kind: ProfileKind
    rate: float | None = None
    """Events per second."""
    duration_seconds: float | None = None
    speed: float = 1.0

    def __post_init__(self) -> None:
        _ensure_positive("rate", self.rate)
        _ensure_positive("duration", self.duration_seconds)
        _ensure_positive("speed", self.speed)
        if self.speed != 1 and (self.kind != "recorded" or self.rate is not None):
            raise ScheduleError("a speed is for the recording's own times: not with another profile, not with a rate")
        if self.kind != "recorded" and self.rate is None:
            raise ScheduleError(f"the profile {self.kind} needs a rate")
        if self.kind in ("step", "ramp", "spike") and self.duration_seconds is None:
            raise ScheduleError(f"the profile {self.kind} needs a duration")


def _ensure_positive(name: str, number: float | None) -> None:
    if number is not None and not 0 < number < math.inf:
        raise ScheduleError(f"the {name} must be a number above 0, not {number:g}")


@dataclass(frozen=True, slots=True)
class _Piece:
    rate: float
    seconds: float


def plan_times(profile: Profile, recorded_seconds: Iterator[float]) -> Iterator[float]:
    """Plan when each event leaves, lazily.

    Args:
        profile: what the load looks like.
        recorded_seconds: see `read_seconds`; only the profile `recorded` takes from it. With a rate it is read as a
            whole before the first time comes out (8 bytes an event), since the mean is known only at its end.

    Returns:
        Seconds from the start, never decreasing, all below the duration. Without a duration they end where the
        recorded ones do; those of `constant` never.

    Raises:
        ScheduleError: all recorded events have one and the same time, which no factor spreads over a mean rate.
    """
    if profile.kind == "recorded":
        return _plan_recorded(profile, recorded_seconds)
    if profile.kind == "ramp":
        return _plan_ramp(profile.rate or 0.0, profile.duration_seconds or 0.0)
    return _plan_pieces(_list_pieces(profile))


def read_seconds(records: Iterable[RecordedRecord]) -> Iterator[float]:
    """Read when records were written, in seconds since the first of them, as their time stamps say."""
    first = None
    for record in records:
        first = record.timestamp_ms if first is None else first
        yield (record.timestamp_ms - first) / 1000


def repeat_records(open_again: Callable[[], Iterator[RecordedRecord]]) -> Iterator[RecordedRecord]:
    """Repeat a recording without end.

    Raises:
        ScheduleError: it has no records.
    """
    while True:
        is_empty = True
        for record in open_again():
            is_empty = False
            yield record
        if is_empty:
            raise ScheduleError("the recording has no records to repeat")


def _list_pieces(profile: Profile) -> list[_Piece]:
    rate = profile.rate or 0.0
    seconds = math.inf if profile.duration_seconds is None else profile.duration_seconds
    if profile.kind == "step":
        return [_Piece(rate * step / STEPS, seconds / STEPS) for step in range(1, STEPS + 1)]
    if profile.kind == "spike":
        calm = _Piece(rate, seconds * (1 - SPIKE_SHARE) / 2)
        return [calm, _Piece(rate * SPIKE_FACTOR, seconds * SPIKE_SHARE), calm]
    return [_Piece(rate, seconds)]


def _plan_pieces(pieces: list[_Piece]) -> Iterator[float]:
    number, planned, start = 0, 0.0, 0.0
    for piece in pieces:
        # `planned` need not be whole: the first event of a piece comes when the last one's interval is over.
        end = planned + piece.rate * piece.seconds
        while number < end - ROUNDING:
            yield start + max(0.0, number - planned) / piece.rate
            number += 1
        planned, start = end, start + piece.seconds


def _plan_ramp(rate: float, seconds: float) -> Iterator[float]:
    # The rate t * rate / seconds makes t**2 * rate / (2 * seconds) events until t: solved for t.
    total = rate * seconds / 2
    numbers = takewhile(lambda number: number < total - ROUNDING, count())
    return (math.sqrt(2 * seconds * number / rate) for number in numbers)


def _plan_recorded(profile: Profile, recorded_seconds: Iterator[float]) -> Iterator[float]:
    # Partitions are recorded side by side, each with its own clock: a record that is dated back leaves with the others.
    rising: Iterable[float] = accumulate(recorded_seconds, max)
    factor = 1 / profile.speed
    if profile.rate is not None:
        rising = array("d", rising)
        factor = _find_factor(rising, profile.rate)
    end = math.inf if profile.duration_seconds is None else profile.duration_seconds
    return takewhile(lambda seconds: seconds < end, _scale(rising, factor))


def _find_factor(rising: "array[float]", rate: float) -> float:
    if len(rising) < 2:
        return 1.0
    span = rising[-1] - rising[0]
    if span <= 0:
        raise ScheduleError("all recorded events have the same time: they cannot be scaled to a mean rate")
    return (len(rising) - 1) / span / rate


def _scale(rising: Iterable[float], factor: float) -> Iterator[float]:
    first = None
    for seconds in rising:
        first = seconds if first is None else first
        yield (seconds - first) * factor
