"""How charts look: colours, dashes, axes and themes of Vega-Lite.

One palette serves dark and light, each colour at a contrast of at least 3 with both; only text and grid change.
Altair is imported by each function that needs it, because it takes a second.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from stream_app.replay.series import Line

if TYPE_CHECKING:
    import altair as alt

BLUE: Final = "#3b82f6"
GREEN: Final = "#2da44e"
AMBER: Final = "#cb7a0a"
RED: Final = "#e5534b"
PURPLE: Final = "#9467e8"
GREY: Final = "#7d8590"
TEAL: Final = "#1199a8"
PINK: Final = "#d9569f"

SOLID: Final = (1, 0)
DASHED: Final = (5, 4)
DOTTED: Final = (1.5, 3)
HEIGHT: Final = 210
FONT: Final = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif"

SECONDS_LABEL: Final = (
    "datum.value < 1 ? format(datum.value * 1000, '.3~r') + ' ms' : format(datum.value, '.3~r') + ' s'"
)


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line and how it is drawn."""

    line: Line
    color: str
    dash: tuple[float, float] = SOLID

    @property
    def column(self) -> str:
        """Its name as a field of Vega-Lite, where dots and brackets would mean something."""
        return self.line.name.translate(str.maketrans(".[]\\'\"", "______"))


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a chart points out: an incident at a second, or a limit at a height."""

    at: float
    text: str


def build_theme(*, is_dark: bool) -> str:
    """Build the Vega-Lite configuration, as JSON: text and grid for a dark or a light page."""
    ink, soft, grid = ("#e6edf3", "#9da7b1", "#2b323b") if is_dark else ("#1b1f24", "#57606a", "#e4e8ec")
    axis = {
        "labelColor": soft,
        "gridColor": grid,
        "domainColor": grid,
        "tickColor": grid,
        "domain": False,
        "ticks": False,
    }
    return orjson.dumps(
        {
            "font": FONT,
            "background": "transparent" if is_dark else "white",
            "view": {"stroke": None},
            "axis": axis | {"labelFontSize": 11, "labelPadding": 6, "tickCount": 5, "labelOverlap": True},
            "axisX": {"grid": False, "domain": True},
            "legend": {
                "orient": "top",
                "direction": "horizontal",
                "labelColor": ink,
                "labelFontSize": 12,
                "symbolStrokeWidth": 2.5,
                "symbolSize": 120,
                "columnPadding": 14,
                "offset": 8,
                "columns": 3,
                "labelLimit": 180,
            },
        }
    ).decode()


def build_time_axis() -> "alt.X":
    """Build the axis of seconds since the start, for charts that have the parameters `start` and `end`."""
    import altair as alt

    scale = alt.Scale(nice=False, zero=False, domain=[alt.ExprRef("start"), alt.ExprRef("end")])
    return alt.X("x:Q", title=None, scale=scale, axis=alt.Axis(labelExpr="datum.label + ' s'"))


def build_count_axis(values: Iterable[float | None]) -> "alt.Y":
    """Build an axis from 0 to the largest of the values, and to 1 where there is nothing to see."""
    import altair as alt

    return alt.Y("y:Q", title=None, scale=alt.Scale() if any(values) else alt.Scale(domain=[0, 1]))


def build_latency_axis(values: Iterable[float | None]) -> "alt.Y":
    """Build the axis of latencies, logarithmic, because they run from milliseconds to minutes.

    Vega's own ticks of such an axis stand at every digit, and their labels at some of them.
    """
    import altair as alt

    ticks = list_ticks(values)
    scale = alt.Scale(type="log", domain=[ticks[0], ticks[-1]], nice=False)
    return alt.Y(
        "y:Q", title=None, scale=scale, axis=alt.Axis(values=ticks, tickCount=len(ticks), labelExpr=SECONDS_LABEL)
    )


def list_ticks(values: Iterable[float | None]) -> list[float]:
    """List ticks around values on a logarithmic axis: at 1, 2 and 5, or only 1 of each decade where there are many."""
    known = [value for value in values if value] or [0.1, 1.0]
    decades = range(math.floor(math.log10(min(known))), math.ceil(math.log10(max(known))) + 1)
    digits = (1, 2, 5) if math.log10(max(known) / min(known)) <= 3 else (1,)
    ticks = [digit * 10.0**decade for decade in decades for digit in digits]
    first = max((tick for tick in ticks if tick <= min(known)), default=ticks[0])
    last = min((tick for tick in ticks if tick >= max(known) and tick > first), default=10 * ticks[-1])
    return [tick for tick in (*ticks, last) if first <= tick < last] + [last]


def build_color(strokes: Sequence[Stroke]) -> "alt.Color":
    """Build the colours of the strokes, by name; a single one needs no legend."""
    import altair as alt

    scale = alt.Scale(domain=list_columns(strokes), range=[stroke.color for stroke in strokes])
    return alt.Color("name:N", title=None, scale=scale, legend=_build_legend(strokes))


def build_dash(strokes: Sequence[Stroke]) -> "alt.StrokeDash":
    """Build the dashes of the strokes, by name: one legend shows both."""
    import altair as alt

    scale = alt.Scale(domain=list_columns(strokes), range=[list(stroke.dash) for stroke in strokes])
    return alt.StrokeDash("name:N", title=None, scale=scale, legend=_build_legend(strokes))


def list_columns(strokes: Sequence[Stroke]) -> list[str]:
    """List the strokes' names as fields."""
    return [stroke.column for stroke in strokes]


def _build_legend(strokes: Sequence[Stroke]) -> "alt.Legend | None":
    import altair as alt

    # A stroke even where the lines have dots, which would stand in the legend otherwise.
    columns = 2 if len(strokes) == 4 else 3  # Two measures of two runs: a row for each run.
    return alt.Legend(symbolType="stroke", columns=columns) if len(strokes) > 1 else None
