"""From scores of rows to the report: means with intervals, measures of sets, tests, for each group of rows."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from offline.evaluation import diversity
from offline.evaluation.groups import ALL
from offline.evaluation.intervals import compare_paired, draw_resamples, estimate_mean
from offline.evaluation.models import Matrix, MeasuringModels, Vector
from offline.evaluation.report import Comparison, Figure, GateFigures, GroupReport, SystemFigures
from offline.evaluation.retrieval import RetrievalOptions, encode_rows, encode_texts, find_own_rows
from offline.evaluation.scores import RowFacts, RowScores, score_system
from offline.evaluation.systems import ORACLE, STUDENT, TEMPLATE, System, build_systems
from offline.evaluation.texts import TextRow

_DIGITS: Final = 4
COMPARED_WITH: Final = (TEMPLATE, ORACLE)
_COMPARED: Final = tuple(field.name for field in fields(RowScores) if field.name != "words")
RETRIEVAL: Final = "retrieval"
_NOT_AGAINST_ORACLE: Final = frozenset(("rouge_l", "bert_score", "feature_matching"))
"""The Oracle's text against itself says nothing."""


@dataclass(frozen=True, slots=True)
class FigureOptions:
    """How figures are made of scores."""

    seed: int = 0
    resamples: int = 1_000
    judged_rows: int = 100
    retrieval_rows: int = 140
    retrieval_draws: int = 5


@dataclass(frozen=True, slots=True)
class _Scored:
    """A system with its scores and the vectors of its texts, one a row."""

    system: System
    scores: RowScores
    vectors: Matrix


def report_groups(
    rows: Sequence[TextRow], models: MeasuringModels, options: FigureOptions
) -> Mapping[str, GroupReport]:
    """Report all rows together and each group on its own."""
    facts = [RowFacts(row) for row in rows]
    judged = sorted(random.Random(options.seed).sample(range(len(rows)), min(options.judged_rows, len(rows))))
    scored = [
        _Scored(system, score_system(system, facts, models, judged), encode_texts(system.texts, facts, models.encoder))
        for system in build_systems(rows, models.encoder, options.seed)
    ]
    row_vectors = encode_rows(facts, models.encoder)
    groups = {ALL: list(range(len(rows)))}
    for index, row in enumerate(rows):
        groups.setdefault(row.group, []).append(index)
    return {
        name: _GroupReporter(groups[name], facts, scored, row_vectors, options).report()
        for name in sorted(groups, key=lambda name: (name != ALL, name))
    }


class _GroupReporter:
    def __init__(
        self,
        members: list[int],
        facts: Sequence[RowFacts],
        scored: Sequence[_Scored],
        row_vectors: Matrix,
        options: FigureOptions,
    ) -> None:
        self._members = members
        self._facts = [facts[index] for index in members]
        self._scored = {entry.system.name: entry for entry in scored}
        self._options = options
        self._resamples = draw_resamples(len(members), options.resamples, options.seed)
        retrieval = RetrievalOptions(options.retrieval_rows, options.retrieval_draws, options.seed)
        self._found = {
            entry.system.name: find_own_rows(entry.vectors[members], row_vectors[members], retrieval)
            for entry in scored
        }
        self._found_resamples = draw_resamples(len(self._found[STUDENT]), options.resamples, options.seed)

    def report(self) -> GroupReport:
        return GroupReport(
            rows=len(self._members),
            systems={name: self._measure(name) for name in self._scored},
            comparisons=[comparison for other in COMPARED_WITH for comparison in self._compare(other)],
            gate=self._describe_gate(),
        )

    def _measure(self, name: str) -> SystemFigures:
        means = {field.name: self._estimate(self._pick(name, field.name)) for field in fields(RowScores)}
        return SystemFigures(
            **means,
            retrieval=_to_figure(self._found[name], self._found_resamples, len(self._members)),
            **self._measure_set([self._scored[name].system.texts[index] for index in self._members]),
        )

    def _measure_set(self, texts: list[str]) -> dict[str, Figure]:
        values = {
            "bleu": diversity.measure_bleu(texts, [fact.row.oracle for fact in self._facts]),
            "usr": diversity.measure_unique_sentence_ratio(texts),
            "distinct_skeletons": diversity.measure_distinct_skeletons(texts, self._facts),
            "distinct_1": diversity.measure_distinct_words(texts),
            "distinct_2": diversity.measure_distinct_pairs(texts),
            "feature_coverage": diversity.measure_feature_coverage(texts, self._facts),
            "feature_overlap": diversity.measure_feature_overlap(texts, self._facts),
        }
        return {name: Figure(value=round(value, _DIGITS), rows=len(texts)) for name, value in values.items()}

    def _pick(self, system: str, metric: str) -> Vector:
        scores: Vector = getattr(self._scored[system].scores, metric)
        return scores[self._members]

    def _estimate(self, values: Vector) -> Figure | None:
        return _to_figure(values, self._resamples)

    def _compare(self, other: str) -> list[Comparison]:
        compared = [
            self._compare_one(metric, other, self._pick(STUDENT, metric), self._pick(other, metric), self._resamples)
            for metric in _COMPARED
            if not (other == ORACLE and metric in _NOT_AGAINST_ORACLE)
        ]
        found = self._found[STUDENT], self._found[other]
        compared.append(self._compare_one(RETRIEVAL, other, *found, self._found_resamples))
        return [comparison for comparison in compared if comparison is not None]

    def _compare_one(
        self, metric: str, other: str, left: Vector, right: Vector, resamples: Matrix
    ) -> Comparison | None:
        interval = estimate_mean(left - right, resamples)
        p_value = compare_paired(left, right, self._options.resamples, self._options.seed)
        if interval is None or p_value is None:
            return None
        return Comparison(
            metric=metric,
            other=other,
            difference=round(interval.mean, _DIGITS),
            low=round(interval.low, _DIGITS),
            high=round(interval.high, _DIGITS),
            p_value=round(p_value, _DIGITS),
            rows=interval.rows,
        )

    def _describe_gate(self) -> GateFigures:
        rows = [fact.row for fact in self._facts]
        rules = Counter(rule for row in rows for rule in row.raw_rules)
        reasons = Counter(row.template_reason for row in rows if row.template_reason)
        emitted = self._estimate(np.array([float(row.source == "model") for row in rows]))
        rejected = self._estimate(np.array([float(bool(row.raw_rules)) for row in rows]))
        assert emitted is not None
        assert rejected is not None
        return GateFigures(
            emitted_by_model=emitted,
            rejected_at_first_attempt=rejected,
            rejected_by_rule={rule: round(count / len(rows), _DIGITS) for rule, count in sorted(rules.items())},
            template_reasons=dict(sorted(reasons.items())),
        )


def _to_figure(values: Vector, resamples: Matrix, rows: int | None = None) -> Figure | None:
    interval = estimate_mean(values, resamples)
    if interval is None:
        return None
    return Figure(
        value=round(interval.mean, _DIGITS),
        low=round(interval.low, _DIGITS),
        high=round(interval.high, _DIGITS),
        rows=interval.rows if rows is None else rows,
    )
