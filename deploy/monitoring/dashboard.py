"""Writes dashboard.json, for Grafana 10.4 and newer, from panels.py: `python -m deploy.monitoring.dashboard`.

The builders are Grafana's own, generated from its schema; the JSON is never edited by hand.
"""

import json
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.monitoring.panels import ROWS
from deploy.monitoring.queries import Query
from deploy.monitoring.shapes import Graph, Stat

DASHBOARD: Final = Path(__file__).with_name("dashboard.json")
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS: Final = 24
STAT_HEIGHT: Final = 4
GRAPH_HEIGHT: Final = 8


def build_dashboard() -> str:
    """Build the JSON that Grafana imports."""
    board = (
        dashboard.Dashboard("Prism")
        .uid("prism-workers")
        .description("Explanations of ranking events: how they flow, how long they take, what fails.")
        .tags(["prism"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")])
        .with_variable(_build_choice("job", "label_values(prism_records_received_total, job)"))
        .with_variable(_build_choice("instance", 'label_values(prism_records_received_total{job=~"$job"}, instance)'))
    )
    ids = count(1)
    for row in ROWS:
        board = board.with_row(dashboard.Row(row.title).id(next(ids)))
        for panel in row.panels:
            board = board.with_panel(_build_panel(panel, COLUMNS // len(row.panels)).id(next(ids)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _build_choice(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .query(query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _build_panel(panel: Stat | Graph, width: int) -> stat.Panel | timeseries.Panel:
    return _build_stat(panel, width) if isinstance(panel, Stat) else _build_graph(panel, width)


def _build_stat(panel: Stat, width: int) -> stat.Panel:
    return (
        stat.Panel()
        .title(panel.title)
        .description(panel.what)
        .unit(panel.unit)
        .datasource(SOURCE)
        .span(width)
        .height(STAT_HEIGHT)
        .targets([_build_query(panel.query, "A")])
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(list(_list_steps(panel))))
    )


def _list_steps(panel: Stat) -> Iterable[Threshold]:
    # Grafana asks for a first step without a value: from minus infinity.
    yield Threshold(color="red" if panel.is_better_high else "green", value=None)
    if panel.warn_from is not None:
        yield Threshold(color="green" if panel.is_better_high else "orange", value=panel.warn_from)


def _build_graph(panel: Graph, width: int) -> timeseries.Panel:
    stacking = common.StackingConfig().mode(StackingMode.NORMAL if panel.is_stacked else StackingMode.NONE)
    return (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.what)
        .unit(panel.unit)
        .datasource(SOURCE)
        .span(width)
        .height(GRAPH_HEIGHT)
        .min(0)
        .targets([_build_query(query, chr(ord("A") + number)) for number, query in enumerate(panel.queries)])
        .fill_opacity(40 if panel.is_stacked else 8)
        .stacking(stacking)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )


def _build_query(query: Query, reference: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(reference).range()


if __name__ == "__main__":
    DASHBOARD.write_text(build_dashboard(), encoding="utf-8")
