"""Dots with whiskers: where each system's figure lies, laid out here and drawn as SVG by the page.

A drawing of some hundred lines and dots does not need the five megabytes of a plotting library in each page, and
in this form it takes its colours, dark or light, from the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offline.evaluation.report import Figure, Metric

WIDTH: Final = 360
LEFT: Final = 110
RIGHT: Final = 350
ROW_HEIGHT: Final = 20
_TOP: Final = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """One system's dot, and its whisker where there is an interval; in units of the drawing."""

    system: str
    y: float
    x: float
    low: float | None
    high: float | None
    figure: Figure


@dataclass(frozen=True, slots=True)
class Plot:
    """One metric over all systems that have it."""

    metric: Metric
    height: float
    marks: list[Mark]
    start: float
    end: float


def draw_plot(metric: Metric, systems: Sequence[str], figures: Sequence[Figure | None]) -> Plot:
    """Lay out one metric; `start` and `end` are the figures at the axis' two ends."""
    known = [(system, figure) for system, figure in zip(systems, figures, strict=True) if figure is not None]
    values = [value for _, figure in known for value in (figure.value, figure.low, figure.high) if value is not None]
    # Zero belongs to the axis, so that a small difference does not look large.
    start, end = min(0.0, *values), max(0.0, *values)
    span = end - start or 1.0

    def place(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - start) / span, 1)

    marks = [
        Mark(
            system,
            _TOP + ROW_HEIGHT * index,
            place(figure.value),
            None if figure.low is None else place(figure.low),
            None if figure.high is None else place(figure.high),
            figure,
        )
        for index, (system, figure) in enumerate(known)
    ]
    return Plot(metric, _TOP + ROW_HEIGHT * len(known) + 8, marks, start, end)
