"""What the charts draw: lines of few enough points, taken from a report. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Final

from stream_app.replay.histograms import Histogram
from stream_app.replay.measurements import Percentiles, ProcessSample, Report, Second

POINTS: Final = 450
"""A chart is at most some 1,200 pixels wide, and each point is an element of the page."""

LEVELS_PER_HALVING: Final = 5
"""Points of a percentile curve from one x to twice that."""

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: x and y, in the order of x; None leaves a gap."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring seconds that one point stands for."""

    start: int
    seconds: tuple[Second, ...]
    backlog_before: int


Measure = Callable[[Span], float | None]


def measure_intended(span: Span) -> float:
    """Events due per second, on average."""
    return fmean(second.intended_events for second in span.seconds)


def measure_sent(span: Span) -> float:
    """Events sent per second, on average."""
    return fmean(second.sent_events for second in span.seconds)


def measure_answered(span: Span) -> float:
    """Events per second whose last item got its outcome: what was sent less what the backlog grew by."""
    grown = span.seconds[-1].backlog_events - span.backlog_before
    return measure_sent(span) - grown / len(span.seconds)


def measure_backlog(span: Span) -> float:
    """The largest backlog, in events."""
    return max(second.backlog_events for second in span.seconds)


def measure_outcomes(span: Span) -> float:
    """Items per second that got an outcome, on average."""
    return fmean(second.outcomes for second in span.seconds)


def measure_model(span: Span) -> float:
    """Items per second that got a text of the model, on average."""
    return measure_outcomes(span) - measure_template(span) - measure_dead_letters(span)


def measure_template(span: Span) -> float:
    """Items per second that got a text of the template, on average."""
    return fmean(second.templates for second in span.seconds)


def measure_dead_letters(span: Span) -> float:
    """Items per second that a dead letter answered for, on average."""
    return fmean(second.dead_letters for second in span.seconds)


def measure_p50(span: Span) -> float | None:
    """The largest median latency of a second."""
    return max((second.p50 for second in span.seconds if second.p50 is not None), default=None)


def measure_p99(span: Span) -> float | None:
    """The largest 99th percentile of a second."""
    return max((second.p99 for second in span.seconds if second.p99 is not None), default=None)


def choose_step(reports: Iterable[Report]) -> int:
    """Choose how many seconds one point stands for, so that the longest run has at most POINTS of them."""
    return max(1, *(-(-len(report.seconds) // POINTS) for report in reports))


def trace(report: Report, name: str, measure: Measure, step: int) -> Line:
    """Take one measure over time."""
    return Line(name, tuple((span.start, measure(span)) for span in _span(report.seconds, step)))


def trace_processes(report: Report, read: Callable[[ProcessSample], float], step: int) -> list[Line]:
    """Take one figure of each process over time: the mean of the seconds that a point stands for."""
    samples = sorted(report.processes, key=lambda sample: (sample.process, sample.second))
    return [
        Line(
            process,
            tuple(
                (start, fmean(map(read, some)))
                for start, some in groupby(own, lambda sample: sample.second // step * step)
            ),
        )
        for process, own in groupby(samples, lambda sample: sample.process)
    ]


def trace_curve(percentiles: Percentiles, name: str) -> Line:
    """Take the latency at each percentile; x is 1 / (1 - share), so that each further nine takes the same room.

    Without the whole histogram, the five figures that the report names must do.
    """
    if percentiles.count == 0:
        return Line(name, ())
    total = float(percentiles.count)
    if percentiles.encoded:
        find = Histogram.from_percentiles(percentiles).find
        points = [(x, find(100 - 100 / x)) for x in _list_levels(total)]
    else:
        named = (percentiles.p50, percentiles.p90, percentiles.p99, percentiles.p999)
        points = list(zip((2.0, 10.0, 100.0, 1000.0), named, strict=True))
    return Line(name, (*((x, y) for x, y in points if x < total), (total, percentiles.maximum)))


def _list_levels(total: float) -> Iterable[float]:
    return (2 ** (step / LEVELS_PER_HALVING) for step in range(math.ceil(LEVELS_PER_HALVING * math.log2(total))))


def _span(seconds: Sequence[Second], step: int) -> list[Span]:
    spans: list[Span] = []
    backlog = 0
    for start, some in groupby(seconds, lambda second: second.second // step * step):
        span = Span(start, tuple(some), backlog)
        backlog = span.seconds[-1].backlog_events
        spans.append(span)
    return spans
