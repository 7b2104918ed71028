"""Which charts a report has, for the page and as images. Each carries its data; nothing is loaded from anywhere.

Within one run each measure has its own colour. Two runs are told apart by colour, and what is measured by the dashes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from stream_app.replay import drawing, plots, series
from stream_app.replay.drawing import DASHED, DOTTED, SOLID, Mark, Stroke
from stream_app.replay.figures import read_percentile, render_seconds
from stream_app.replay.measurements import ProcessSample, Report
from stream_app.replay.plots import Bar, Trial
from stream_app.replay.series import Line, Measure

if TYPE_CHECKING:
    import altair as alt

IMAGE_WIDTH: Final = 720
IMAGE_SCALE: Final = 2.0
RUN_COLORS: Final = (drawing.BLUE, drawing.AMBER)
RUN_NAMES: Final = ("A", "B")
PROCESS_COLORS: Final = (
    drawing.BLUE,
    drawing.AMBER,
    drawing.GREEN,
    drawing.PURPLE,
    drawing.PINK,
    drawing.TEAL,
    drawing.RED,
    drawing.GREY,
)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    name: str
    """Of its image's file, and of its place on the page."""
    title: str
    caption: str
    """What is drawn, and in which unit."""
    specification: str
    """Vega-Lite, as JSON."""


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    measure: Measure
    color: str
    dash: tuple[float, float] = SOLID


_RATES: Final = (
    _Line("intended", series.measure_intended, drawing.GREY, DOTTED),
    _Line("sent", series.measure_sent, drawing.BLUE, DASHED),
    _Line("answered", series.measure_answered, drawing.GREEN),
)
_BACKLOG: Final = (_Line("backlog", series.measure_backlog, drawing.PURPLE),)
_LATENCIES: Final = (
    _Line("p50", series.measure_p50, drawing.BLUE, DASHED),
    _Line("p99", series.measure_p99, drawing.AMBER),
)
_OUTCOMES: Final = (
    _Line("model", series.measure_model, drawing.GREEN),
    _Line("template", series.measure_template, drawing.AMBER),
    _Line("dead letter", series.measure_dead_letters, drawing.RED),
)


def draw_charts(report: Report, other: Report | None = None, width: int | None = None) -> list[Chart]:
    """Draw all charts for which the report has measurements; those of two runs lie over each other.

    Args:
        report: the run, or the first of two.
        other: the second run.
        width: in pixels; None: as wide as what is around it.
    """
    reports = [report] if other is None else [report, other]
    # Incidents of two runs would be taken for each other's: the page's tables have them.
    incidents = [Mark(incident.second, incident.what) for incident in report.incidents] if other is None else []
    runs = _Runs(reports, series.choose_step(reports), incidents)
    makers = (_draw_rates, _draw_latencies, _draw_outcomes, _draw_batches, _draw_processes, _draw_searches)
    return [sketch.finish(width) for make in makers for sketch in make(runs)]


def write_images(report: Report, folder: Path) -> list[Path]:
    """Write each chart as PNG, for a light background, and return the files."""
    import altair as alt
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for chart in draw_charts(report, width=IMAGE_WIDTH):
        image = vl_convert.vegalite_to_png(
            chart.specification,
            vl_version=name_vega_lite(alt.SCHEMA_VERSION),
            scale=IMAGE_SCALE,
            config=orjson.loads(drawing.build_theme(is_dark=False)),
        )
        paths.append(folder / f"{chart.name}.png")
        paths[-1].write_bytes(image)
    return paths


def name_vega_lite(version: str) -> str:
    """Name a version of Vega-Lite as vl-convert wants it: `v6.1.0` is `6.1`."""
    return ".".join(version.removeprefix("v").split(".")[:2])


@dataclass(frozen=True, slots=True)
class _Runs:
    reports: Sequence[Report]
    step: int
    incidents: Sequence[Mark]

    @property
    def each(self) -> str:
        return f" Each point stands for {self.step} s." if self.step > 1 else ""

    def list_runs(self) -> Iterator[tuple[str, str, Report]]:
        """The runs with their names and colours."""
        return zip(RUN_NAMES, RUN_COLORS, self.reports, strict=False)

    def trace(self, lines: Sequence[_Line]) -> list[Stroke]:
        if len(self.reports) == 1:
            return [
                Stroke(series.trace(self.reports[0], line.name, line.measure, self.step), line.color, line.dash)
                for line in lines
            ]
        return [
            Stroke(series.trace(report, f"{line.name} {name}", line.measure, self.step), color, line.dash)
            for name, color, report in self.list_runs()
            for line in lines
        ]


@dataclass(frozen=True, slots=True)
class _Sketch:
    name: str
    title: str
    caption: str
    drawing: "alt.LayerChart"

    def finish(self, width: int | None) -> Chart:
        # Read out to those who do not see the chart.
        chart = self.drawing.properties(width=width or "container", description=f"{self.title}. {self.caption}")
        return Chart(self.name, self.title, self.caption, chart.to_json(indent=None))


def _draw_rates(runs: _Runs) -> Iterator[_Sketch]:
    # Of two runs, what was due adds nothing to what was sent.
    lines = _RATES if len(runs.reports) == 1 else _RATES[1:]
    caption = "Events per second: due, sent, and answered in full."
    chart = plots.draw_over_time(runs.trace(lines), runs.incidents)
    yield _Sketch("rates", "Rate in and out", caption + runs.each, chart)
    chart = plots.draw_over_time(runs.trace(_BACKLOG), runs.incidents)
    yield _Sketch("backlog", "Backlog", f"Events that were sent and are not answered in full.{runs.each}", chart)


def _draw_latencies(runs: _Runs) -> Iterator[_Sketch]:
    if not any(report.latency.count for report in runs.reports):
        return
    caption = "From the moment an event was due to that when an explanation was readable; each second on its own."
    chart = plots.draw_over_time(
        runs.trace(_LATENCIES), runs.incidents, [limit for _, limit in _list_limits(runs)], is_latency=True
    )
    yield _Sketch("latency", "Latency over time", caption + runs.each, chart)
    curves = [
        Stroke(series.trace_curve(report.latency, "latency" if len(runs.reports) == 1 else name), color)
        for name, color, report in runs.list_runs()
    ]
    caption = "Latency by percentile of all explanations; each further nine takes the same room."
    targets = [(1 / (1 - share), limit) for share, limit in _list_limits(runs)]
    yield _Sketch("percentiles", "Latency by percentile", caption, plots.draw_curve(curves, targets))


def _draw_outcomes(runs: _Runs) -> Iterator[_Sketch]:
    for name, _, report in runs.list_runs():
        strokes = [
            Stroke(series.trace(report, line.name, line.measure, runs.step), line.color, line.dash)
            for line in _OUTCOMES
        ]
        title, suffix = ("Outcomes", "") if len(runs.reports) == 1 else (f"Outcomes of {name}", f"-{name.lower()}")
        caption = f"Items per second by what answered for them.{runs.each}"
        yield _Sketch(f"outcomes{suffix}", title, caption, plots.draw_stack(strokes, runs.incidents))


def _draw_batches(runs: _Runs) -> Iterator[_Sketch]:
    bars = [
        Bar(_name_bound(bound, report), name, report.batch_sizes[bound], color)
        for name, color, report in runs.list_runs()
        for bound in sorted(report.batch_sizes, key=float)
    ]
    if any(bar.height for bar in bars):
        caption = "Batches of the workers by how many records they had, at most."
        yield _Sketch("batches", "Batch sizes", caption, plots.draw_bars(bars))


def _draw_processes(runs: _Runs) -> Iterator[_Sketch]:
    if not any(report.processes for report in runs.reports):
        return
    caption = f"Cores that each process used; 1 is one core, fully used.{runs.each}"
    chart = plots.draw_over_time(_trace_processes(runs, lambda sample: sample.cpu_share), runs.incidents)
    yield _Sketch("cpu", "CPU", caption, chart)
    chart = plots.draw_over_time(_trace_processes(runs, lambda sample: sample.resident_bytes / 2**20), runs.incidents)
    yield _Sketch("memory", "Memory", f"Resident memory of each process, in MiB.{runs.each}", chart)


def _draw_searches(runs: _Runs) -> Iterator[_Sketch]:
    for name, _, report in runs.list_runs():
        trials = [Trial(step.rate, step.p99, step.is_sustained) for step in report.search if step.p99]
        title, suffix = ("", "") if len(runs.reports) == 1 else (f" of {name}", f"-{name.lower()}")
        if trials:
            chart = plots.draw_search(trials, report.capacity_events_per_second)
            caption = "99th percentile of the latency at each rate tried; the line is the capacity."
            yield _Sketch(f"search{suffix}", f"Search for the capacity{title}", caption, chart)


def _trace_processes(runs: _Runs, read: Callable[[ProcessSample], float]) -> list[Stroke]:
    strokes = []
    for (name, _, report), dash in zip(runs.list_runs(), (SOLID, DASHED), strict=False):
        lines = series.trace_processes(report, read, runs.step)
        suffix = "" if len(runs.reports) == 1 else f" {name}"
        for line, color in zip(lines, cycle(PROCESS_COLORS), strict=False):
            strokes.append(Stroke(Line(line.name + suffix, line.points), color, dash))
    return strokes


def _list_limits(runs: _Runs) -> list[tuple[float, Mark]]:
    """The objectives on latency: the share that each is about, and what to draw."""
    objectives = [(read_percentile(objective.name), objective) for objective in runs.reports[0].objectives]
    return [
        (share, Mark(objective.limit, f"{objective.name} limit {render_seconds(objective.limit)}"))
        for share, objective in objectives
        if share is not None and share < 1
    ]


def _name_bound(bound: str, report: Report) -> str:
    if float(bound) < float("inf"):
        return f"{float(bound):g}"
    return f"> {max((float(other) for other in report.batch_sizes if float(other) < float('inf')), default=0):g}"
