"""The figure that training is stopped by: texts must be both true and close to the Oracle's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from rouge_score.rouge_scorer import RougeScorer

from offline.recorded_rows import RecordedRow
from stream_app.core.pipeline import judge_slotted
from stream_app.core.prompt import build_prompt

LEAST_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class JointMetric:
    """Figures of one evaluation during training; shares lie between 0 and 1."""

    passes_gate: float
    """Share of texts that pass the worker's gate at the first attempt."""
    rouge_l: float
    """Mean ROUGE-L F1 to the Oracle's texts, between 0 and 1."""

    @property
    def joint(self) -> float:
        """The harmonic mean: neither a true but foreign text nor a fluent but false one is enough.

        Where no text passes, it counts as if one in a hundred did: states of a student that cannot write yet would all
        be worth the same, and the first of them would be kept.
        """
        passes_gate = max(self.passes_gate, LEAST_SHARE)
        return 2 * passes_gate * self.rouge_l / (passes_gate + self.rouge_l)


def compute_joint_metric(rows: Sequence[RecordedRow], slotted: Sequence[str]) -> JointMetric:
    """Compute the metric of slotted texts, one for each row."""
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    passed, overlaps = [], []
    for row, text in zip(rows, slotted, strict=True):
        filled, verdict = judge_slotted(text, build_prompt(row.event, 0), row.event, 0)
        passed.append(not verdict.violations)
        overlaps.append(scorer.score(row.explanation, filled.text)["rougeL"].fmeasure if filled else 0.0)
    return JointMetric(fmean(passed), fmean(overlaps)) if rows else JointMetric(0.0, 0.0)
