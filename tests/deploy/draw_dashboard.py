"""Draws the dashboard with real data: `python -m tests.deploy.draw_dashboard FOLDER`.

A Prometheus scrapes a worker with its model, on the embedded broker. This stands in for a screenshot, as no registry of
packages has a Grafana server: panels, places and queries are those of dashboard.json, the lines are drawn here, and
the page says so. Needs the Debian package `prometheus`.
"""

import argparse
import base64
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import altair as alt
import vl_convert

from tests.broker.harness import Broker, Lane
from tests.deploy.monitored import run_embedded_broker, run_real_worker, send_wave
from tests.deploy.monitoring import RULES, Panel, Prometheus, Series, load_panels, run_prometheus

VARIABLES: Final = {"$job": "prism", "$instance": ".*", "$__rate_interval": "20s"}
CELL_WIDTH: Final = 62
LINE_HEIGHT: Final = 30
MARGIN: Final = 12
CAPTION_HEIGHT: Final = 44
STEP_SECONDS: Final = 2.0
WARM_SECONDS: Final = 20.0
"""Left out at the beginning: a rate needs a window before it."""
FORMATS: Final = {
    "percentunit": ".1%",
    "bytes": ".3~s",
    "s": ".2~f",
    "cps": ".3~r",
    "dtdurations": ",.0f",
    "short": ".3~s",
}
SUFFIXES: Final = {"s": " s", "cps": "/s", "dtdurations": " s", "bytes": "B"}
CAPTION: Final = (
    "Drawn by tests/deploy/draw_dashboard.py from the queries of deploy/monitoring/dashboard.json, asked of a "
    "Prometheus that scraped a worker; no screenshot of Grafana."
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel: its name as the legend has it, and points of seconds since the start and value."""

    name: str
    points: tuple[tuple[float, float], ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a worker under load, and write dashboard.html and dashboard.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the page and the picture are written")
    parser.add_argument("--seconds", type=float, default=150.0, help="how long there is load")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    page = observe(options.seconds)
    html = f"<!doctype html><meta charset='utf-8'><title>Prism</title>\n<body style='margin:0'>\n{page}\n</body>\n"
    (options.folder / "dashboard.html").write_text(html, encoding="utf-8")
    (options.folder / "dashboard.png").write_bytes(vl_convert.svg_to_png(page, scale=1.0))


def observe(seconds: float) -> str:
    """Run everything for a time; returns the page as SVG."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with run_embedded_broker(folder) as servers:
            lane = Lane(Broker(servers, forgets=True), "dashboard", folder)
            lane.create_topics()
            with (
                run_real_worker(lane) as address,
                run_prometheus(folder, [address], RULES) as prometheus,
            ):
                start = time.time()
                send_load(lane, seconds)
                return draw_page(prometheus, start + WARM_SECONDS, time.time())


def send_load(lane: Lane, seconds: float) -> None:
    """Send a wave every second; in the middle third, ten at a time."""
    start = time.monotonic()
    for wave in count():
        elapsed = time.monotonic() - start
        if elapsed >= seconds:
            return
        is_burst = seconds / 3 <= elapsed < seconds / 2
        send_wave(lane, wave, events=20 if is_burst else 2)
        time.sleep(max(0.0, start + wave + 1 - time.monotonic()))


def draw_page(prometheus: Prometheus, start: float, end: float) -> str:
    """Draw all panels in their places."""
    panels = load_panels(VARIABLES)
    height = CAPTION_HEIGHT + LINE_HEIGHT * max(panel.place[1] + panel.place[3] for panel in panels)
    drawn = [draw_panel(panel, read_lines(prometheus, panel, start, end)) for panel in panels]
    taken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(end))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * CELL_WIDTH}" height="{height}"'
            ' font-family="Roboto, sans-serif">',
            f'<rect width="100%" height="{height}" fill="#f4f5f5"/>',
            f'<text x="{MARGIN}" y="27" font-size="14" fill="#444">{escape(CAPTION)} {taken}</text>',
            *drawn,
            "</svg>",
        ]
    )


def read_lines(prometheus: Prometheus, panel: Panel, start: float, end: float) -> list[Line]:
    """Ask for what a panel shows."""
    return [
        Line(
            name_series(legend, series),
            tuple((at - start, value) for at, value in series.points if not math.isnan(value)),
        )
        for expr, legend in panel.queries
        for series in prometheus.query_range(expr, start, end, STEP_SECONDS)
    ]


def name_series(legend: str, series: Series) -> str:
    """Name a series as Grafana does; a label that it lacks is empty."""
    labels: Mapping[str, str] = dict(series.labels)
    for part in legend.split("{{")[1:]:
        label = part.partition("}}")[0]
        legend = legend.replace("{{" + label + "}}", labels.get(label, ""))
    return legend.strip()


def draw_panel(panel: Panel, lines: Sequence[Line]) -> str:
    """Draw one panel or the heading of a row."""
    left, top, width, height = panel.place
    x, y = left * CELL_WIDTH, CAPTION_HEIGHT + top * LINE_HEIGHT
    if panel.kind == "row":
        title = escape(panel.title)
        return f'<text x="{x + MARGIN}" y="{y + 21}" font-size="15" font-weight="bold" fill="#222">{title}</text>'
    outer, inner = (
        (width * CELL_WIDTH - 6, height * LINE_HEIGHT - 6),
        (width * CELL_WIDTH - 30, height * LINE_HEIGHT - 40),
    )
    body = draw_number(panel, lines) if panel.kind == "stat" else draw_graph(panel, lines, *inner)
    return (
        f'<g transform="translate({x + 3}, {y + 3})">'
        f'<rect width="{outer[0]}" height="{outer[1]}" rx="3" fill="white" stroke="#ddd"/>'
        f'<text x="{MARGIN}" y="20" font-size="12.5" fill="#333">{escape(panel.title)}</text>{body}</g>'
    )


def draw_number(panel: Panel, lines: Sequence[Line]) -> str:
    """Draw the last value of a stat."""
    values = [value for line in lines for _, value in line.points]
    text = render_value(values[-1], panel.unit) if values else "no data"
    return f'<text x="{MARGIN}" y="70" font-size="34" fill="#1a7f37">{escape(text)}</text>'


def render_value(value: float, unit: str) -> str:
    """Render a number in a unit of the dashboard."""
    return f"{value:.1%}" if unit == "percentunit" else f"{value:.3g}{SUFFIXES.get(unit, '')}"


def draw_graph(panel: Panel, lines: Sequence[Line], width: int, height: int) -> str:
    """Draw lines over time, or areas one upon the other."""
    rows = [{"at": at, "value": value, "name": line.name} for line in lines for at, value in line.points]
    chart = alt.Chart(alt.InlineData(values=rows))
    marked = chart.mark_area(opacity=0.7) if panel.is_stacked else chart.mark_line(strokeWidth=1.6)
    legend = alt.Legend(orient="bottom", title=None, columns=4, labelLimit=170)
    encoded = marked.encode(
        x=alt.X("at:Q", title=None, axis=alt.Axis(labelExpr="datum.label + ' s'", tickCount=5)),
        y=alt.Y("value:Q", title=None, stack=panel.is_stacked or None, axis=build_axis(panel.unit)),
        color=alt.Color("name:N", legend=legend, sort=[line.name for line in lines]),
    )
    size = alt.AutoSizeParams(type="fit", contains="padding")
    image = encoded.properties(width=width, height=height, autosize=size, background="white")
    svg = vl_convert.vegalite_to_svg(image.configure_view(stroke=None).to_dict())
    # As an image of its own, because the names inside would meet those of other panels.
    content = base64.b64encode(svg.encode()).decode()
    return f'<image x="8" y="28" width="{width}" height="{height}" href="data:image/svg+xml;base64,{content}"/>'


def build_axis(unit: str) -> alt.Axis:
    """Build the axis of the values in a unit of the dashboard."""
    suffix = SUFFIXES.get(unit, "")
    return alt.Axis(format=FORMATS[unit], labelExpr=f"datum.label + '{suffix}'", tickCount=4)


if __name__ == "__main__":
    main()
