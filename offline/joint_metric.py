"""The figure that training is stopped by: texts must be both true and close to the Oracle's."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from rouge_score.rouge_scorer import RougeScorer

from offline.recorded_rows import RecordedRow
from stream_app.core.pipeline import judge_text
from stream_app.core.prompt import build_prompt
from stream_app.core.slots import UnknownSlotError, fill_slots

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
        try:
            filled = fill_slots(text, build_prompt(row.event, 0).slots)
        except UnknownSlotError:
            passed.append(False)
            overlaps.append(0.0)
            continue
        passed.append(not judge_text(filled, row.event, 0).violations)
        overlaps.append(scorer.score(row.explanation, filled.text)["rougeL"].fmeasure)
    return JointMetric(fmean(passed), fmean(overlaps)) if rows else JointMetric(0.0, 0.0)
