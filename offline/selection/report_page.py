"""The selection's report as a page of Markdown for people."""

import html
from collections.abc import Iterator

from offline.selection.report import SelectionReport, SplitReport


def render_report(report: SelectionReport) -> str:
    """Render the whole report."""
    parts = ["# What the selection kept\n"]
    for name, split in report.splits.items():
        parts += [f"\n## {name}\n", *_render_kinds(split), *_render_scores(split), *_render_reasons(split)]
    return "\n".join(parts) + "\n"


def _render_kinds(split: SplitReport) -> Iterator[str]:
    yield "| kind | rows | with a chosen text | share | candidates | passed | share |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    totals = [0, 0, 0, 0]
    for kind, part in split.kinds.items():
        figures = [part.rows, part.rows_chosen, part.candidates, part.candidates_passed]
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        yield _render_row(_escape(kind), figures)
    yield _render_row("**all**", totals)


def _render_row(name: str, figures: list[int]) -> str:
    rows, chosen, candidates, passed = figures
    return (
        f"| {name} | {rows:,} | {chosen:,} | {_share(chosen, rows)} "
        f"| {candidates:,} | {passed:,} | {_share(passed, candidates)} |"
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _render_scores(split: SplitReport) -> Iterator[str]:
    if split.mean_scores:
        shown = ", ".join(f"{part} {value:.2f}" for part, value in split.mean_scores.items())
        positions = ", ".join(f"{position + 1}: {count:,}" for position, count in split.chosen_positions.items())
        yield f"\nMean scores of the chosen texts: {shown}.\n\nChosen by position among the candidates: {positions}.\n"


def _render_reasons(split: SplitReport) -> Iterator[str]:
    for reason, part in split.reasons.items():
        yield f"\n**{_escape(reason)}**: {part.count:,} candidates\n"
        for example in part.examples:
            yield f"- {_escape(example.kind)}, {_escape(example.title)}: {_escape(example.text)}"


def _escape(text: str) -> str:
    """Titles and texts come from outside: no markup of theirs may reach the page."""
    escaped = html.escape(" ".join(text.split()), quote=False)
    return "".join(f"\\{character}" if character in "\\`*_[]|#!" else character for character in escaped)
