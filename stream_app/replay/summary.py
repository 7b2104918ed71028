"""What the terminal says at the end of a run: the verdict, why, and the figures."""

from typing import Final

from stream_app.exit_codes import LoadTestCode
from stream_app.replay.compare import list_figures
from stream_app.replay.measurements import Report
from stream_app.replay.verdict import judge

CODES: Final = {
    "PASS": LoadTestCode.PASS,
    "SLO MISSED": LoadTestCode.SLO_MISSED,
    "INVALID": LoadTestCode.NO_RESULT,
    "INTERRUPTED": LoadTestCode.NO_RESULT,
}


def find_code(report: Report) -> LoadTestCode:
    """Find what the process is to end with."""
    return CODES[judge(report).name]


def render_summary(report: Report) -> str:
    """Render the verdict and the figures as lines."""
    verdict = judge(report)
    figures = [figure for figure in list_figures(report) if figure.value is not None]
    width = max(len(figure.name) for figure in figures)
    rows = [f"  {figure.name:<{width}}  {figure.render():>12}" for figure in figures]
    reasons = [f"  - {reason}" for reason in verdict.reasons]
    return "\n".join((f"{report.run_id}: {verdict.name}", *reasons, *rows))
