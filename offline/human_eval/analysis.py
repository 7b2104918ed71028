"""What raters said of each system: means with intervals, agreement, and paired tests."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offline.evaluation.intervals import compare_paired, draw_resamples, estimate_mean
from offline.evaluation.models import Vector
from offline.human_eval.documents import QUESTIONS, Export, Key

RESAMPLES: Final = 2_000
_DIGITS: Final = 4


class ExportError(ValueError):
    """An export cannot be analysed; the message says which and why."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Document):
    """A mean over rows, each row's raters averaged first, and its 95 % percentile bootstrap interval."""

    mean: float
    low: float
    high: float
    rows: int


class GradeComparison(_Document):
    """Two systems on the rows that both were graded on, by a paired permutation test, two-sided, not corrected."""

    question: str
    left: str
    right: str
    difference: float = Field(description="Left minus right.")
    low: float
    high: float
    p_value: float
    rows: int


class PreferenceResult(_Document):
    """Side by side: how often one system was preferred to the other, counted over raters and rows."""

    system: str
    other: str
    preferred: int
    same: int
    other_preferred: int
    preferred_or_same: Estimate = Field(description="Share; rows with two equal texts were never shown.")
    p_value: float = Field(description="Sign test of preferred against other preferred, two-sided.")
    identical: int = Field(description="Rows passed over when the form was made, because both texts were equal.")


class HumanEvaluation(_Document):
    """The analysis of all exports of one form."""

    form_id: str
    raters: list[str]
    ratings: int
    systems: dict[str, dict[str, Estimate]] = Field(description="By system and question; grades from 1 to 5.")
    agreement: dict[str, float | None] = Field(
        description="Krippendorff's alpha (ordinal) by question, over texts with two raters or more; null without."
    )
    comparisons: list[GradeComparison]
    preferences: PreferenceResult | None


@dataclass(frozen=True, slots=True)
class _Grade:
    rater: str
    code: str
    event_id: str
    system: str
    question: str
    grade: int


def analyse(exports: Sequence[Path], key: Path, seed: int = 0) -> HumanEvaluation:
    """Analyse what raters exported.

    Args:
        exports: files from the form's download button, one a rater.
        key: the `key.json` that was made with the form.
        seed: of resamples.

    Raises:
        ExportError: a file is no export, belongs to another form, has a code twice or one that the key lacks.
    """
    keyed = Key.model_validate_json(key.read_bytes())
    loaded = [_load_export(path, keyed) for path in exports]
    names = Counter(export.rater for export in loaded)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise ExportError(f"two exports of rater {repeated[0]!r}: keep the newer one")
    grades = [grade for export in loaded for grade in _list_grades(export, keyed)]
    systems = sorted({grade.system for grade in grades})
    return HumanEvaluation(
        form_id=keyed.form_id,
        raters=sorted(names),
        ratings=sum(len(export.ratings) for export in loaded),
        systems={
            system: {question: _estimate(_average(grades, system, question), seed) for question in QUESTIONS}
            for system in systems
        },
        agreement={question: _measure_agreement(grades, question) for question in QUESTIONS},
        comparisons=[
            _compare(grades, left, right, question, seed)
            for left, right in combinations(systems, 2)
            for question in QUESTIONS
            if _average(grades, left, question).keys() & _average(grades, right, question).keys()
        ],
        preferences=_count_preferences(loaded, keyed, seed),
    )


def _load_export(path: Path, key: Key) -> Export:
    try:
        export = Export.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ExportError(f"{path} is not an export of the form: {error}") from error
    if export.form_id != key.form_id:
        raise ExportError(f"{path} belongs to form {export.form_id}, the key to form {key.form_id}")
    codes = [rating.id for rating in export.ratings] + [preference.id for preference in export.preferences]
    unknown = [rating.id for rating in export.ratings if rating.id not in key.texts]
    unknown += [preference.id for preference in export.preferences if preference.id not in key.pairs]
    if unknown:
        raise ExportError(f"{path} has codes that the key lacks, {unknown[0]} among them")
    if len(set(codes)) < len(codes):
        raise ExportError(f"{path} has a code twice")
    return export


def _list_grades(export: Export, key: Key) -> Iterator[_Grade]:
    for rating in export.ratings:
        keyed = key.texts[rating.id]
        for system in keyed.systems:
            for question in QUESTIONS:
                grade: int = getattr(rating, question)
                yield _Grade(export.rater, rating.id, keyed.event_id, system, question, grade)


def _average(grades: Sequence[_Grade], system: str, question: str) -> dict[str, float]:
    """Average the raters of each row."""
    rows: dict[str, list[int]] = {}
    for grade in grades:
        if (grade.system, grade.question) == (system, question):
            rows.setdefault(grade.event_id, []).append(grade.grade)
    return {event_id: float(np.mean(values)) for event_id, values in rows.items()}


def _estimate(means: dict[str, float], seed: int) -> Estimate:
    return estimate(np.array([means[event_id] for event_id in sorted(means)]), seed)


def estimate(values: Vector, seed: int) -> Estimate:
    """Estimate the mean of values, one a row; there must be at least one."""
    interval = estimate_mean(values, draw_resamples(len(values), RESAMPLES, seed))
    assert interval is not None
    low, high = round(interval.low, _DIGITS), round(interval.high, _DIGITS)
    return Estimate(mean=round(interval.mean, _DIGITS), low=low, high=high, rows=interval.rows)


def _measure_agreement(grades: Sequence[_Grade], question: str) -> float | None:
    """Measure Krippendorff's alpha (2011), ordinal, by the package `krippendorff`."""
    import krippendorff

    by_code: dict[str, dict[str, int]] = {}
    for grade in grades:
        if grade.question == question:
            by_code.setdefault(grade.code, {})[grade.rater] = grade.grade
    raters = sorted({grade.rater for grade in grades})
    shared = [by_rater for _, by_rater in sorted(by_code.items()) if len(by_rater) > 1]
    # Where all grades are equal there is nothing that chance could have mixed up, and alpha is not defined.
    if len({grade for by_rater in shared for grade in by_rater.values()}) < 2:
        return None
    matrix = [[by_rater.get(rater, np.nan) for by_rater in shared] for rater in raters]
    return round(float(krippendorff.alpha(reliability_data=matrix, level_of_measurement="ordinal")), _DIGITS)


def _compare(grades: Sequence[_Grade], left: str, right: str, question: str, seed: int) -> GradeComparison:
    first, second = _average(grades, left, question), _average(grades, right, question)
    rows = sorted(first.keys() & second.keys())
    values = np.array([first[row] for row in rows]), np.array([second[row] for row in rows])
    difference = estimate(values[0] - values[1], seed)
    p_value = compare_paired(*values, RESAMPLES, seed)
    assert p_value is not None
    return GradeComparison(
        question=question,
        left=left,
        right=right,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        p_value=round(p_value, _DIGITS),
        rows=difference.rows,
    )


def _count_preferences(exports: Sequence[Export], key: Key, seed: int) -> PreferenceResult | None:
    from scipy.stats import binomtest

    answers = [answer for export in exports for answer in export.preferences]
    if not answers:
        return None
    # Named in the order of the alphabet, but the student first where it is one of the two.
    pair = key.pairs[answers[0].id]
    system, other = sorted((pair.left, pair.right), key=lambda name: (name != "student", name))
    outcomes: Counter[str] = Counter()
    rows: dict[str, list[float]] = {}
    for answer in answers:
        keyed = key.pairs[answer.id]
        winner = {"left": keyed.left, "right": keyed.right, "same": "same"}[answer.choice]
        outcomes[winner] += 1
        rows.setdefault(keyed.event_id, []).append(float(winner != other))
    decided = outcomes[system] + outcomes[other]
    return PreferenceResult(
        system=system,
        other=other,
        preferred=outcomes[system],
        same=outcomes["same"],
        other_preferred=outcomes[other],
        preferred_or_same=_estimate({row: float(np.mean(values)) for row, values in rows.items()}, seed),
        p_value=round(float(binomtest(outcomes[system], decided).pvalue), _DIGITS) if decided else 1.0,
        identical=key.identical_pairs,
    )
