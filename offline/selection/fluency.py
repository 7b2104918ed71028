"""Judge all candidates that passed with the local language model of the recipe, resumably."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from offline.oracle.batch_log import BatchLog
from offline.selection.candidates import Candidate
from offline.selection.options import LanguageModelOptions
from offline.steps import StepContext

SCRATCH: Final = "scratch"


class JudgedBatch(BaseModel):
    """Mean log-probabilities of one batch of texts, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    log_probabilities: tuple[float, ...]


def judge_fluency(
    rows: Sequence[Sequence[Candidate]], options: LanguageModelOptions, context: StepContext, split: str
) -> list[list[Candidate]]:
    """Give each candidate that passed its likelihood, and turn down those below the limit as `not_fluent`."""
    texts = [candidate.text for row in rows for candidate in row if not candidate.reasons]
    values = iter(_measure_texts(texts, options, context, context.folder / SCRATCH / f"fluency_{split}.jsonl"))
    return [[_judge(candidate, options, values) for candidate in row] for row in rows]


def _judge(candidate: Candidate, options: LanguageModelOptions, values: Iterator[float]) -> Candidate:
    if candidate.reasons:
        return candidate
    value = next(values)
    judged = candidate.with_likelihood(math.exp(value))
    lowest = options.min_log_probability
    return judged if lowest is None or value >= lowest else judged.with_reason("not_fluent")


def _measure_texts(texts: list[str], options: LanguageModelOptions, context: StepContext, path: Path) -> list[float]:
    from offline.selection.language_model import LanguageModel

    log = BatchLog(path, JudgedBatch)
    values = [value for batch in log.load() for value in batch.log_probabilities]
    if len(values) == len(texts):
        return values
    model = LanguageModel(options, context.base)
    # Batches are cut at the same places whether or not the run was interrupted: padding may move a last digit.
    starts = range(len(values), len(texts), options.batch_size)
    for start in context.track(starts, "fluency", len(starts)):
        measured = model.measure(texts[start : start + options.batch_size])
        log.append(JudgedBatch(number=start // options.batch_size, log_probabilities=tuple(measured)))
        values += measured
    return values
