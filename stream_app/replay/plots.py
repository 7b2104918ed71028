"""The kinds of charts: lines over time, stacks, percentile curves, bars, the trials of a search.

Altair is imported by each function that needs it, because it takes a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from stream_app.replay.drawing import (
    GREEN,
    GREY,
    HEIGHT,
    RED,
    Mark,
    Stroke,
    build_color,
    build_count_axis,
    build_dash,
    build_latency_axis,
    build_time_axis,
    list_columns,
)

if TYPE_CHECKING:
    import altair as alt

IS_SHOWN: Final = "datum.x >= start && datum.x <= end"
"""The page sets these two, in seconds, for all charts over time together."""
IS_POINTED_AT: Final = "datum.x === at"
"""The page sets this to the second under the pointer, in whichever chart it is."""
CURVE_LABEL: Final = "format(100 - 100 / datum.value, '.8~r') + ' %'"
CURVE_TICKS: Final = (2.0, *(10.0**nines for nines in range(1, 8)))


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a group."""

    label: str
    group: str
    height: float
    color: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A rate that a search tried."""

    rate: float
    p99: float
    is_sustained: bool


def draw_over_time(
    strokes: Sequence[Stroke],
    incidents: Sequence[Mark] = (),
    limits: Sequence[Mark] = (),
    *,
    is_latency: bool = False,
) -> "alt.LayerChart":
    """Draw lines over the seconds of a run; latencies on a logarithmic scale, with their limits."""
    import altair as alt

    values = [y for stroke in strokes for _, y in stroke.line.points] + [limit.at for limit in limits]
    y = build_latency_axis(values) if is_latency else build_count_axis(values)
    # A dot at each value, because a line would leave out one with a gap on either side.
    dots = alt.OverlayMarkDef(size=3, opacity=1) if is_latency else False
    lines = (
        _fold(strokes)
        .mark_line(clip=True, strokeWidth=1.7, point=dots)
        .encode(x=build_time_axis(), y=y, color=build_color(strokes), strokeDash=build_dash(strokes))
    )
    return _over_time([*_draw_limits(limits, y), lines], strokes, incidents, " (s)" if is_latency else "")


def draw_stack(strokes: Sequence[Stroke], incidents: Sequence[Mark] = ()) -> "alt.LayerChart":
    """Draw areas over the seconds of a run, one upon the other."""
    import altair as alt

    order = list_columns(strokes)
    areas = (
        _fold(strokes)
        .mark_area(clip=True, interpolate="step-after", opacity=0.85)
        .transform_calculate(order=f"indexof({orjson.dumps(order).decode()}, datum.name)")
        .encode(
            x=build_time_axis(),
            y=build_count_axis(y for stroke in strokes for _, y in stroke.line.points).stack("zero"),
            order="order:Q",
            color=alt.Color("name:N", title=None, scale=alt.Scale(domain=order, range=[s.color for s in strokes])),
        )
    )
    return _over_time([areas], strokes, incidents, "")


def draw_curve(strokes: Sequence[Stroke], limits: Sequence[tuple[float, Mark]]) -> "alt.LayerChart":
    """Draw latency by percentile, each nine as wide as the one before; a limit stands at its own percentile."""
    import altair as alt

    points = [point for stroke in strokes for point in stroke.line.points]
    x = _build_curve_axis(max((x for x, _ in points), default=1.0))
    y = build_latency_axis([y for _, y in points] + [limit.at for _, limit in limits])
    rows = [{"x": x, "y": y, "name": s.column} for s in strokes for x, y in s.line.points]
    base = alt.Chart(alt.InlineData(values=rows)).transform_calculate(share="1 - 1 / datum.x")
    lines = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=build_color(strokes), strokeDash=build_dash(strokes))
    tooltip = [
        alt.Tooltip("name:N", title="run"),
        alt.Tooltip("share:Q", title="percentile", format=".6~%"),
        alt.Tooltip("y:Q", title="latency (s)", format=".4~r"),
    ]
    near = alt.selection_point(name="near", nearest=True, on="pointermove", clear="pointerout", empty=False)
    dots = base.mark_point(filled=True, size=60).encode(
        x=x, y=y, tooltip=tooltip, color=build_color(strokes), opacity=alt.condition(near, alt.value(1), alt.value(0))
    )
    return _set_up([*_draw_targets(limits, x, y), lines, dots.add_params(near)])


def draw_bars(bars: Sequence[Bar]) -> "alt.LayerChart":
    """Draw bars in the order of their labels, those of different groups side by side."""
    import altair as alt

    labels, groups = (list(dict.fromkeys(names)) for names in ([b.label for b in bars], [b.group for b in bars]))
    colors = list(dict.fromkeys(bar.color for bar in bars))
    rows = [{"label": bar.label, "name": bar.group, "y": bar.height} for bar in bars]
    chart = alt.Chart(alt.InlineData(values=rows)).mark_bar(cornerRadiusEnd=3)
    legend = alt.Legend() if len(groups) > 1 else None
    return _set_up(
        [
            chart.encode(
                x=alt.X("label:N", title=None, sort=labels, axis=alt.Axis(labelAngle=0)),
                xOffset=alt.XOffset("name:N", sort=groups),
                y=alt.Y("y:Q", title=None),
                color=alt.Color("name:N", title=None, legend=legend, scale=alt.Scale(domain=groups, range=colors)),
                tooltip=[alt.Tooltip("label:N", title="records"), alt.Tooltip("y:Q", title="batches", format=",")],
            )
        ]
    )


def draw_search(trials: Sequence[Trial], capacity: float | None) -> "alt.LayerChart":
    """Draw the 99th percentile at each rate that a search tried, and the capacity that it found."""
    import altair as alt

    names = ["sustained", "not sustained"]
    rows = [{"x": t.rate, "y": t.p99, "name": names[not t.is_sustained]} for t in trials]
    points = alt.Chart(alt.InlineData(values=rows)).mark_point(filled=True, size=90, opacity=1)
    encoded = points.encode(
        x=alt.X("x:Q", title=None, axis=alt.Axis(labelExpr="datum.label + '/s'")),
        y=build_latency_axis(trial.p99 for trial in trials),
        color=alt.Color("name:N", title=None, scale=alt.Scale(domain=names, range=[GREEN, RED])),
        shape=alt.Shape("name:N", title=None, scale=alt.Scale(domain=names, range=["circle", "cross"])),
        tooltip=[alt.Tooltip("x:Q", title="events/s"), alt.Tooltip("y:Q", title="p99 (s)", format=".3~r"), "name:N"],
    )
    found = alt.Chart(alt.InlineData(values=[{"x": capacity}] if capacity else []))
    return _set_up([found.mark_rule(color=GREEN, strokeDash=[5, 4], strokeWidth=1.5).encode(x="x:Q"), encoded])


def _fold(strokes: Sequence[Stroke]) -> "alt.Chart":
    import altair as alt

    rows = alt.InlineData(values=_build_rows(strokes))
    return alt.Chart(rows).transform_fold([*list_columns(strokes)], as_=["name", "y"])


def _build_rows(strokes: Sequence[Stroke]) -> list[dict[str, float | None]]:
    # Vega-Lite's own form of a table: a row of named fields for each x.
    rows: dict[float, dict[str, float | None]] = {}
    for stroke in strokes:
        for x, y in stroke.line.points:
            rows.setdefault(x, {"x": x})[stroke.column] = None if y is None else float(f"{y:.5g}")
    return [rows[x] for x in sorted(rows)]


def _over_time(
    layers: Sequence["alt.Chart"], strokes: Sequence[Stroke], incidents: Sequence[Mark], unit: str
) -> "alt.LayerChart":
    import altair as alt

    rows = alt.Chart(alt.InlineData(values=_build_rows(strokes)))
    tooltip = [alt.Tooltip("x:Q", title="second", format=",")]
    tooltip += [alt.Tooltip(f"{stroke.column}:Q", title=stroke.line.name + unit, format=",.3~r") for stroke in strokes]
    shown = rows.transform_filter(IS_SHOWN)
    near = alt.selection_point(
        name="near", nearest=True, on="pointermove", clear="pointerout", fields=["x"], empty=False
    )
    targets = shown.mark_rule(opacity=0).encode(x=build_time_axis(), tooltip=tooltip).add_params(near)
    cursor = rows.transform_filter(IS_POINTED_AT).mark_rule(strokeWidth=1, color=GREY).encode(x="x:Q")
    last = max((x for stroke in strokes for x, _ in stroke.line.points), default=0.0)
    for name, value in (("start", 0.0), ("end", max(last, 1.0)), ("at", -1.0)):
        targets = targets.add_params(alt.param(name=name, value=value))
    return _set_up([*layers, *_draw_incidents(incidents), cursor, targets, *_flag(incidents)]).properties(
        usermeta={"isOverTime": True}
    )


def _set_up(layers: Sequence["alt.Chart"]) -> "alt.LayerChart":
    import altair as alt

    return alt.LayerChart(layer=list(layers)).properties(
        height=HEIGHT, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )


def _build_curve_axis(last: float) -> "alt.X":
    import altair as alt

    ticks = [tick for tick in CURVE_TICKS if tick <= last]
    scale = alt.Scale(type="log", nice=False, domain=[1.0, max(last, 2.0)])
    return alt.X(
        "x:Q", title=None, scale=scale, axis=alt.Axis(values=ticks, tickCount=len(ticks), labelExpr=CURVE_LABEL)
    )


def _draw_incidents(incidents: Sequence[Mark]) -> list["alt.Chart"]:
    rule = _tabulate(incidents, "x").transform_filter(IS_SHOWN).mark_rule(color=RED, strokeDash=[2, 3], opacity=0.8)
    return [rule.encode(x="x:Q")] if incidents else []


def _flag(incidents: Sequence[Mark]) -> list["alt.Chart"]:
    """The handle at the upper end of an incident's line, which tells what happened."""
    import altair as alt

    flag = _tabulate(incidents, "x").transform_filter(IS_SHOWN).mark_point(shape="triangle-down", filled=True, size=90)
    encoded = flag.encode(x="x:Q", y=alt.value(4), color=alt.value(RED), opacity=alt.value(1), tooltip="text:N")
    return [encoded] if incidents else []


def _draw_limits(limits: Sequence[Mark], y: "alt.Y") -> list["alt.Chart"]:
    import altair as alt

    rows = _tabulate(limits, "y")
    rule = rows.mark_rule(strokeDash=[6, 3], strokeWidth=1.2, color=RED)
    text = rows.mark_text(align="right", baseline="bottom", dx=-4, dy=-3, fontSize=11, color=RED)
    return [rule.encode(y=y), text.encode(y=y, x=alt.value("width"), text="text:N")] if limits else []


def _draw_targets(targets: Sequence[tuple[float, Mark]], x: "alt.X", y: "alt.Y") -> list["alt.Chart"]:
    import altair as alt

    rows = alt.Chart(alt.InlineData(values=[{"x": place, "y": mark.at, "text": mark.text} for place, mark in targets]))
    points = rows.mark_point(shape="diamond", filled=True, size=80, opacity=1, color=RED)
    # Beside the point, where the chart has room on a phone too: to the right of the first ones, to the left of others.
    left = rows.transform_filter("datum.x < 50").mark_text(align="left", dx=9, fontSize=11, color=RED)
    right = rows.transform_filter("datum.x >= 50").mark_text(align="right", dx=-9, fontSize=11, color=RED)
    charts = [points.encode(x=x, y=y), *(text.encode(x=x, y=y, text="text:N") for text in (left, right))]
    return charts if targets else []


def _tabulate(marks: Sequence[Mark], direction: str) -> "alt.Chart":
    import altair as alt

    return alt.Chart(alt.InlineData(values=[{direction: mark.at, "text": mark.text} for mark in marks]))
