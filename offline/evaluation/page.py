"""The page of an evaluation: one self-contained HTML file with tables, plots and examples, without any script."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from offline.evaluation.facts import FactLine, list_fact_lines
from offline.evaluation.plots import Plot, draw_plot
from offline.evaluation.report import Evaluation, Figure, GroupReport, Metric, list_metrics
from offline.evaluation.texts import TextRow

PAGE_NAME: Final = "evaluation.html"


@dataclass(frozen=True, slots=True)
class _TableRow:
    metric: Metric
    figures: list[Figure | None]


@dataclass(frozen=True, slots=True)
class _GroupView:
    name: str
    report: GroupReport
    systems: list[str]
    table: list[_TableRow]
    plots: list[Plot]


@dataclass(frozen=True, slots=True)
class _Example:
    row: TextRow
    facts: list[FactLine]


def render_page(evaluation: Evaluation, rows: Sequence[TextRow], examples: int, seed: int) -> str:
    """Render the page.

    Args:
        evaluation: the figures.
        rows: what was measured.
        examples: how many rows are shown, chosen by the seed.
        seed: also that of the evaluation.
    """
    chosen = sorted(random.Random(seed).sample(range(len(rows)), min(examples, len(rows))))
    # Titles and texts come from outside: escaped wherever they are put in, and the page forbids scripts altogether.
    environment = Environment(
        loader=PackageLoader("offline.evaluation", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["figure"] = format_figure
    return environment.get_template("page.html.jinja").render(
        evaluation=evaluation,
        groups=[_view_group(name, report) for name, report in evaluation.groups.items()],
        titles={metric.name: metric.title for metric in list_metrics()},
        examples=[_Example(rows[index], list_fact_lines(rows[index].event)) for index in chosen],
    )


def _view_group(name: str, report: GroupReport) -> _GroupView:
    table: list[_TableRow] = []
    for metric in list_metrics():
        figures: list[Figure | None] = [getattr(figures, metric.name) for figures in report.systems.values()]
        if any(figures):
            table.append(_TableRow(metric, figures))
    systems = list(report.systems)
    plots = [draw_plot(row.metric, systems, row.figures) for row in table]
    return _GroupView(name, report, systems, table, plots)


def format_figure(value: float | None) -> str:
    """Format a figure with as many digits as tell systems apart."""
    if value is None:
        return ""
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
