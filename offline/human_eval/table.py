"""Analyses as plain text, for a terminal."""

from collections.abc import Iterator, Sequence

from offline.human_eval.analysis import Estimate, HumanEvaluation, PreferenceResult
from offline.human_eval.documents import QUESTIONS
from offline.human_eval.sheet import SheetEvaluation


def render_evaluation(evaluation: HumanEvaluation) -> str:
    """Render the analysis of a form: a table of systems and questions, agreement, tests, preferences."""
    raters = len(evaluation.raters)
    rows = [
        [system, *(_show(estimates[question]) for question in QUESTIONS)]
        for system, estimates in evaluation.systems.items()
    ]
    alphas = ["agreement (alpha)", *(_show_alpha(evaluation.agreement[question]) for question in QUESTIONS)]
    lines = [
        f"form {evaluation.form_id}: {evaluation.ratings} ratings by {raters} rater{'s' if raters != 1 else ''}",
        "",
    ]
    lines += _align([["mean grade, 1 to 5", *QUESTIONS], *rows, alphas])
    tests = [
        [
            f"{test.left} - {test.right}",
            test.question,
            f"{test.difference:+.2f} ({test.low:+.2f} to {test.high:+.2f})",
            f"p {test.p_value:.3f}",
        ]
        for test in evaluation.comparisons
    ]
    if tests:
        lines += ["", *_align(tests)]
    if evaluation.preferences is not None:
        lines += ["", _render_preferences(evaluation.preferences)]
    return "\n".join(lines) + "\n"


def render_sheet(evaluation: SheetEvaluation) -> str:
    """Render the analysis of a sheet: one line a system."""
    fields = list(next(iter(evaluation.systems.values())))
    header = [f"{evaluation.rows} rows", *fields, *(["all of them"] if evaluation.all_yes else [])]
    rows = [
        [
            system,
            *(_show(estimates[name]) for name in fields),
            *([_show(evaluation.all_yes[system])] if evaluation.all_yes else []),
        ]
        for system, estimates in evaluation.systems.items()
    ]
    return "\n".join(_align([header, *rows])) + "\n"


def _render_preferences(result: PreferenceResult) -> str:
    share = result.preferred_or_same
    return (
        f"{result.system} preferred {result.preferred}, same {result.same}, {result.other} preferred "
        f"{result.other_preferred}: preferred or as good {share.mean:.2f} ({share.low:.2f} to {share.high:.2f}), "
        f"p {result.p_value:.3f}; {result.identical} rows with equal texts not shown"
    )


def _show(estimate: Estimate) -> str:
    return f"{estimate.mean:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _show_alpha(alpha: float | None) -> str:
    return "not known" if alpha is None else f"{alpha:.2f}"


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
