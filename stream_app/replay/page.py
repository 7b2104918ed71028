"""The page of a report: one self-contained HTML file with interactive charts and all figures as tables.

The charts' libraries are part of the file. Its security policy allows the two scripts that it was written with, by
their hashes, and loads nothing: what a report quotes from outside can neither run nor call anywhere.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import orjson

from stream_app.replay.charts import draw_charts, name_vega_lite
from stream_app.replay.compare import Condition, Difference, compare, list_conditions, list_figures, list_setup
from stream_app.replay.drawing import build_theme
from stream_app.replay.figures import render_count, render_objective, render_seconds
from stream_app.replay.measurements import Percentiles, Report
from stream_app.replay.verdict import Verdict, judge

if TYPE_CHECKING:
    from jinja2 import Environment

TILES: Final = (
    "capacity (events/s)",
    "items answered per second",
    "latency p50",
    "latency p99",
    "latency p99.9",
    "largest backlog (events)",
    "missing",
    "duplicates, different",
    "out of order",
    "share of the template",
    "lateness of the generator p99",
)

ALARMS: Final = ("missing", "duplicates, different", "out of order", "unexpected")
"""Of these a system that keeps its promises has none."""


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    """A or B; empty where there is only one."""
    report: Report
    verdict: Verdict
    setup: list[tuple[str, str]]


def render_page(report: Report, other: Report | None = None) -> str:
    """Render the page of one run, or of two that lie over each other."""
    reports = [report] if other is None else [report, other]
    names = [""] if other is None else ["A", "B"]
    charts = draw_charts(report, other)
    library, script = _bundle_library(), _read("page.js")
    return (
        _build_environment()
        .get_template("page.html.jinja")
        .render(
            runs=[_Run(name, run, judge(run), list_setup(run)) for name, run in zip(names, reports, strict=True)],
            tiles=[figure for figure in list_figures(report) if figure.name in TILES and figure.value is not None],
            differences=_list_differences(report, other),
            conditions=_list_conditions(report, other),
            charts=charts,
            specifications=_embed([orjson.Fragment(chart.specification) for chart in charts]),
            themes=_embed([orjson.Fragment(build_theme(is_dark=is_dark)) for is_dark in (False, True)]),
            last_second=max((second.second for run in reports for second in run.seconds), default=0),
            style=_read("page.css"),
            library=library,
            script=script,
            hashes=[_hash(library), _hash(script)],
        )
    )


def _list_differences(report: Report, other: Report | None) -> list[Difference]:
    return [] if other is None else compare(report, other)


def _list_conditions(report: Report, other: Report | None) -> list[Condition]:
    return [] if other is None else list_conditions(report, other)


def _list_percentiles(percentiles: Percentiles) -> list[str]:
    values = (percentiles.p50, percentiles.p90, percentiles.p99, percentiles.p999, percentiles.maximum)
    return [render_count(percentiles.count), *map(render_seconds, values)]


def _build_environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # What a report quotes comes from outside: escaped wherever it is put in.
    environment = Environment(
        loader=PackageLoader("stream_app.replay", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "count": render_count,
        "seconds": render_seconds,
        "percentiles": _list_percentiles,
    }
    environment.globals |= {"render_objective": render_objective, "alarms": ALARMS}
    return environment


@cache
def _bundle_library() -> str:
    import altair as alt
    import vl_convert

    bundle = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;", vl_version=name_vega_lite(alt.SCHEMA_VERSION)
    )
    return bundle.replace("</script", "<\\/script")


def _read(name: str) -> str:
    return files("stream_app.replay").joinpath(name).read_text(encoding="utf-8")


def _embed(documents: Sequence[orjson.Fragment]) -> str:
    # In a script element only `<` can end or confuse it.
    return orjson.dumps(documents).decode().replace("<", "\\u003c")


def _hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
