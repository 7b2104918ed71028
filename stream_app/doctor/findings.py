"""What a check says: how bad it is, one sentence, and what to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but slower, or less safely, than it could."""
    PROBLEM = "problem"
    """It does not work, or loses what it should keep."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing that was checked. It quotes no secret and nothing of a record."""

    check: str
    level: Level
    message: str
    advice: str = ""
    """What to change; empty where nothing is."""


def approve(check: str, message: str) -> Finding:
    """Say that all is well."""
    return Finding(check, Level.OK, message)


def warn(check: str, message: str, advice: str) -> Finding:
    """Say what could be better."""
    return Finding(check, Level.WARNING, message, advice)


def refuse(check: str, message: str, advice: str) -> Finding:
    """Say what does not work."""
    return Finding(check, Level.PROBLEM, message, advice)


class Report(BaseModel):
    """All findings, in the order in which they were made: what `prism doctor --json` prints."""

    model_config = ConfigDict(frozen=True)

    version: str
    """Of Prism."""
    ok: bool
    """Whether there is no problem; warnings do not count."""
    findings: tuple[Finding, ...]


def build_report(version: str, findings: Sequence[Finding]) -> Report:
    """Build the report."""
    is_fine = all(one.level is not Level.PROBLEM for one in findings)
    return Report(version=version, ok=is_fine, findings=tuple(findings))


def render_report(report: Report) -> str:
    """Render the report for people: a line for each finding, and under it what to change."""
    width = max((len(one.check) for one in report.findings), default=0)
    lines = []
    for one in report.findings:
        lines.append(f"{one.level:<8} {one.check:<{width}}  {one.message}")
        if one.advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {one.advice}")
    problems, warnings = (
        sum(one.level is level for one in report.findings) for level in (Level.PROBLEM, Level.WARNING)
    )
    lines.append(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    return "".join(f"{line}\n" for line in lines)


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
