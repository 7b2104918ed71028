import io
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_app.replay.charts import Chart, draw_charts, name_vega_lite, write_images
from stream_app.replay.measurements import Percentiles, Report
from tests.replay.reporting import build_report, build_second

NAMES = ["rates", "backlog", "latency", "percentiles", "outcomes", "batches", "cpu", "memory", "search"]
NOTHING = Percentiles(count=0, p50=None, p90=None, p99=None, p999=None, maximum=None)


# A Vega-Lite specification is whatever JSON its library makes of a chart.
def read(charts: list[Chart], name: str) -> dict[str, Any]:
    chart = next(chart for chart in charts if chart.name == name)
    specification: dict[str, Any] = orjson.loads(chart.specification)
    return specification


def list_rows(specification: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of data that a chart carries."""
    named = [row for rows in specification.get("datasets", {}).values() for row in rows]
    layers = [specification, *specification["layer"]]
    return named + [row for layer in layers for row in layer.get("data", {}).get("values", [])]


def strip(report: Report) -> Report:
    """A run in which nothing came back and nothing was sampled."""
    bare = {"latency": NOTHING, "processes": [], "batch_sizes": {}, "search": [], "incidents": [], "objectives": []}
    return report.model_copy(update=bare)


def test_a_report_has_all_charts_and_only_those_that_it_has_figures_for() -> None:
    assert [chart.name for chart in draw_charts(build_report())] == NAMES
    assert [chart.name for chart in draw_charts(strip(build_report()))] == ["rates", "backlog", "outcomes"]


def test_a_run_that_ended_before_its_first_second_can_be_drawn() -> None:
    assert [chart.name for chart in draw_charts(strip(build_report(seconds=[])))] == ["rates", "backlog", "outcomes"]


def test_charts_carry_the_figures_of_the_report() -> None:
    charts = draw_charts(build_report(seconds=[build_second(0, sent_events=17), build_second(1, p99=1.25)]))
    assert {"x": 0, "intended": 20.0, "sent": 17.0, "answered": 13.0} in list_rows(read(charts, "rates"))
    assert {"x": 1, "p50": 0.2, "p99": 1.25} in list_rows(read(charts, "latency"))
    assert {"x": 0, "model": 96.0, "template": 3.0, "dead letter": 1.0} in list_rows(read(charts, "outcomes"))
    assert {"label": "> 16", "name": "A", "y": 2} in list_rows(read(charts, "batches"))


def test_incidents_and_limits_stand_in_the_charts_over_time() -> None:
    rows = list_rows(read(draw_charts(build_report()), "latency"))
    assert {"x": 12.5, "text": "worker-0 killed"} in rows
    assert {"y": 2.0, "text": "p99 limit 2 s"} in rows


def test_two_runs_lie_over_each_other() -> None:
    other = build_report(seconds=[build_second(0, backlog_events=99)], incidents=[])
    charts = draw_charts(build_report(), other)
    assert {"x": 0, "backlog A": 4.0, "backlog B": 99.0} in list_rows(read(charts, "backlog"))
    assert [chart.name for chart in charts if chart.name.startswith("outcomes")] == ["outcomes-a", "outcomes-b"]
    assert {row["name"] for row in list_rows(read(charts, "percentiles")) if "name" in row} == {"A", "B"}


def test_a_long_run_is_thinned_and_its_captions_say_so() -> None:
    charts = draw_charts(build_report(seconds=[build_second(number) for number in range(1800)]))
    assert charts[0].caption.endswith("Each point stands for 4 s.")
    assert len([row for row in list_rows(read(charts, "backlog")) if "backlog" in row]) == 450


def test_names_that_mean_something_to_vega_are_made_harmless() -> None:
    report = build_report()
    odd = [sample.model_copy(update={"process": "it's a[0].b\\c"}) for sample in report.processes[:3]]
    rows = list_rows(read(draw_charts(report.model_copy(update={"processes": odd})), "cpu"))
    assert "it_s a_0__b_c" in rows[0]


def test_charts_load_nothing() -> None:
    for chart in draw_charts(build_report(), build_report()):
        assert '"url"' not in chart.specification


@pytest.mark.parametrize(("version", "name"), [("v6.4.1", "6.4"), ("6.1.0", "6.1"), ("v6", "6")])
def test_vega_lite_is_named_without_its_last_number(version: str, name: str) -> None:
    assert name_vega_lite(version) == name


def test_images_are_png_and_not_blank(tmp_path: Path) -> None:
    image_library = pytest.importorskip("PIL.Image", reason="Pillow reads the images back")
    paths = write_images(build_report(), tmp_path / "images")
    assert [path.name for path in paths] == [f"{name}.png" for name in NAMES]
    for path in paths:
        with image_library.open(io.BytesIO(path.read_bytes())) as image:
            assert image.format == "PNG"
            assert image.width > 1200
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20
