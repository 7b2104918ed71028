"""The headline of a run, and why."""

from dataclasses import dataclass
from typing import Literal

from stream_app.replay.figures import render_objective
from stream_app.replay.measurements import Objective, Report


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to; the reasons are whole sentences, without a full stop."""

    name: Literal["PASS", "SLO MISSED", "INVALID", "INTERRUPTED"]
    reasons: tuple[str, ...]


def judge(report: Report) -> Verdict:
    """Judge a report: what keeps it from being a result comes before missed objectives; all reasons are told."""
    missed = [_describe(objective) for objective in report.objectives if not objective.is_met]
    if report.status == "interrupted":
        return Verdict("INTERRUPTED", ("the run was ended before its time", *report.invalid, *missed))
    if report.invalid:
        return Verdict("INVALID", (*report.invalid, *missed))
    if missed:
        return Verdict("SLO MISSED", tuple(missed))
    return Verdict("PASS", (_praise(len(report.objectives)),))


def _describe(objective: Objective) -> str:
    limit = render_objective(objective.name, objective.limit)
    if objective.measured is None:
        return f"{objective.name} could not be measured (limit {limit})"
    return f"{objective.name} was {render_objective(objective.name, objective.measured)} (limit {limit})"


def _praise(objectives: int) -> str:
    if objectives == 0:
        return "no objective was set, so none was missed"
    return "the objective was met" if objectives == 1 else f"all {objectives} objectives were met"
