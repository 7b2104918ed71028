"""The search for the highest rate that a system sustains: doubling until it does not, then bisection. Pure."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from stream_app.replay.measurements import SearchStep, Second

FLOOR_SHARE: Final = 1 / 64
"""Of the first rate: a system that does not sustain even that was started with the wrong order of magnitude."""

MAX_LATENESS_SECONDS: Final = 0.05

Limit = Literal["system", "generator", "ceiling", "floor"]
"""What ended a search: the system's capacity was found, the generator was late, or a bound was reached."""


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What a rate must keep to be sustained."""

    max_p99_seconds: float | None = None
    """Of the latency; None: any."""
    max_slope_share: float = 0.01
    """Of the rate: what the backlog may grow by. Less than one event in the window is no growth: at low rates a single
    one that happens to be at work makes that difference."""
    max_lateness_seconds: float = MAX_LATENESS_SECONDS
    """Of the generator, p99: above it the step says nothing about the system."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How a search ended."""

    capacity_events_per_second: float | None
    """The highest rate that was sustained; a lower bound unless `limit` is "system". None: no rate was."""
    limit: Limit
    explanation: str
    """One sentence."""
    steps: tuple[SearchStep, ...]


def measure_slope(seconds: Sequence[Second]) -> float:
    """Measure by how many events a second the backlog grew: least squares over the ends of the seconds.

    Raises:
        ValueError: fewer than two seconds.
    """
    if len(seconds) < 2:
        raise ValueError("a slope needs at least two seconds")
    mean_second = sum(one.second for one in seconds) / len(seconds)
    # The mean of the backlog cancels out: distances from the mean second sum to 0.
    covariance = sum((one.second - mean_second) * one.backlog_events for one in seconds)
    return covariance / sum((one.second - mean_second) ** 2 for one in seconds)


def judge_step(
    rate: float, seconds: Sequence[Second], *, p99: float | None, lateness_p99: float, limits: StepLimits
) -> SearchStep:
    """Judge one rate by what was measured after the warm-up.

    Args:
        rate: events per second that were intended.
        seconds: the measured window.
        p99: latency of what arrived in the window, in seconds; None: nothing did.
        lateness_p99: of the generator, in seconds.
        limits: what must hold.
    """
    slope = measure_slope(seconds)
    allowed = max(limits.max_slope_share * rate, 1 / len(seconds))
    failure = _find_failure(slope, allowed, p99, lateness_p99, limits)
    return SearchStep(
        rate=rate,
        outcomes_per_second=sum(one.outcomes for one in seconds) / len(seconds),
        backlog_slope=slope,
        p99=p99,
        max_lateness_p99=lateness_p99,
        is_sustained=failure is None,
        reason=failure or "sustained",
    )


def _find_failure(
    slope: float, allowed: float, p99: float | None, lateness_p99: float, limits: StepLimits
) -> str | None:
    # Lateness first: whatever else is wrong, a generator that was late may be why.
    if lateness_p99 > limits.max_lateness_seconds:
        return f"invalid: the generator was late, p99 {lateness_p99:.3f} s, above {limits.max_lateness_seconds:g} s"
    if p99 is None:
        return "nothing came out"
    if slope > allowed:
        return f"the backlog grew by {slope:.2f} events/s, above {allowed:.2g}"
    if limits.max_p99_seconds is not None and p99 > limits.max_p99_seconds:
        return f"p99 was {p99:.3f} s, above {limits.max_p99_seconds:g} s"
    return None


async def find_capacity(
    measure: Callable[[float], Awaitable[SearchStep]],
    *,
    start: float,
    ceiling: float,
    tolerance: float = 0.05,
    max_lateness_seconds: float = MAX_LATENESS_SECONDS,
    report_step: Callable[[SearchStep], None] = lambda step: None,
) -> SearchResult:
    """Search for the highest rate that is sustained.

    Args:
        measure: runs one step at a rate in events per second, and lets the backlog drain before it returns.
        start: the first rate.
        ceiling: the highest rate to try.
        tolerance: the search ends once the highest sustained and the lowest unsustained rate differ by at most this
            share of the latter.
        max_lateness_seconds: a step whose generator was later (p99) is invalid: the search ends with it.
        report_step: called after each step.

    Raises:
        ValueError: a rate or the tolerance is not above 0, or the start is above the ceiling.
    """
    if not (0 < start <= ceiling < inf and tolerance > 0):
        raise ValueError("start, ceiling and tolerance must be above 0, and the start not above the ceiling")
    steps: list[SearchStep] = []
    low, high = 0.0, inf
    rate: float | None = start
    while rate is not None:
        step = await measure(rate)
        steps.append(step)
        report_step(step)
        if step.max_lateness_p99 > max_lateness_seconds:
            return _end_search("generator", low, steps)
        low, high = (rate, high) if step.is_sustained else (low, rate)
        rate = _choose_rate(low, high, start, ceiling, tolerance)
    limit: Limit = "ceiling" if high == inf else "system" if low else "floor"
    return _end_search(limit, low, steps)


def _choose_rate(low: float, high: float, start: float, ceiling: float, tolerance: float) -> float | None:
    """Choose what to try next between the highest sustained and the lowest unsustained rate; None: it is found."""
    if high == inf:
        return min(2 * low, ceiling) if low < ceiling else None
    if high - low <= tolerance * high or high <= start * FLOOR_SHARE:
        return None
    return (low + high) / 2


def _end_search(limit: Limit, low: float, steps: list[SearchStep]) -> SearchResult:
    last = steps[-1]
    sustained = f"{low:.4g} events/s are sustained" if low else "no rate was sustained"
    explanations: dict[Limit, str] = {
        "system": f"{sustained}, which is what the system can do",
        "generator": f"the generator was late at {last.rate:.4g} events/s (p99 {last.max_lateness_p99:.3f} s): "
        f"it is the limit here, not the system; {f'at least {sustained}' if low else sustained}",
        "ceiling": f"{sustained}, the highest rate that was allowed; the system may do more",
        "floor": f"{sustained}, not even {last.rate:.3g} events/s: {last.reason}",
    }
    return SearchResult(low or None, limit, explanations[limit], tuple(steps))
