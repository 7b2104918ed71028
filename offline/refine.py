"""The step `refine`: the distilled student learns from drafts of its own that readers judged and mended.

The mended text is learned as any selected one, and preferred over the faulty draft by direct preference optimization.
After texts like the faulty drafts the student learns to say that it doubts them.
Pairs of the selection are met again beside them, so that the student keeps what it knows.
"""

import random
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from offline.corrections import build_correction_pairs, load_judged_events
from offline.distill import TrainingData, distill
from offline.distill_step import load_student, save_student
from offline.recorded_rows import TrainingPair, build_pairs, load_rows, match_pairs
from offline.steps import StepContext, StepError, is_main_process
from offline.trainer import TrainingOptions


class RefineTraining(TrainingOptions):
    """The options of a training, with defaults for a short one that is evaluated once, next to its end."""

    epochs: float = Field(default=2, gt=0)
    decoder_learning_rate: float = 2e-4
    encoder_learning_rate: float = 8e-5
    warmup_steps: int = 60
    dropout: float | None = Field(default=0.1, ge=0, lt=1)
    evaluations: int = Field(default=1, ge=1)
    is_augmented: bool = False
    preference_weight: float = Field(default=2, ge=0)
    doubt_weight: float = Field(default=1, ge=0)
    word_level_weight: float = Field(default=0, ge=0, le=0)
    """There is no teacher here."""


class JudgedSource(BaseModel):
    """A file of judged drafts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """Relative to the recipe; see `offline.corrections`."""
    optional: bool = False
    """Whether to go on without it where it is missing."""
    limit: int | None = Field(default=None, ge=1)
    """Use so many events only, for trials."""


class RefineOptions(BaseModel):
    """The recipe's `[refine]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: Annotated[tuple[JudgedSource, ...], Field(min_length=1)]
    training: RefineTraining = RefineTraining()
    repeated_share: float = Field(default=0.5, ge=0)
    """Pairs of the selection for each judged draft."""


def list_judged_files(options: RefineOptions, base: Path) -> list[Path]:
    """List the files that the step will read, of those that are there."""
    return sorted(path for source in options.sources if (path := base / source.path).is_file())


def refine(options: RefineOptions, context: StepContext) -> None:
    """Write `best/`, `tokenizer.json` and `training.json`, as `distill` does.

    Raises:
        StepError: a file is missing and not optional, or nothing in it can teach.
    """
    # Resolved: a relative folder of a run is relative to where one stands, and not to the recipe.
    distilled = context.inputs["distill"].resolve()
    judged = _load_judged(options, context)
    if not judged:
        raise StepError("no judged draft can teach; the counts of `offline.corrections` say why")
    selected, _ = build_pairs(load_rows(context.inputs["select"] / "train.jsonl"))
    rng = random.Random(context.seed)
    chosen = rng.sample(selected, min(len(selected), round(options.repeated_share * len(judged))))
    repeated = [replace(pair, rejected=None) for pair in chosen]  # Readers' judgements alone say what is preferred.
    dev, _ = match_pairs(load_rows(context.inputs["select"] / "dev.jsonl"))
    rng.shuffle(dev)
    context.counts["repeated"] = len(repeated)
    student = load_student(str(distilled / "best"), context.base)
    data = TrainingData([*judged, *repeated], dev)
    result = distill(student, data, context.folder / "checkpoints", options.training, context.seed)
    if is_main_process():
        shutil.copyfile(distilled / "tokenizer.json", context.folder / "tokenizer.json")
        dropped = context.counts.total() - sum(context.counts[name] for name in ("mended", "faultless", "repeated"))
        save_student(student, result, context, options.training, len(data.train), dropped)


def _load_judged(options: RefineOptions, context: StepContext) -> list[TrainingPair]:
    pairs: list[TrainingPair] = []
    for number, source in enumerate(options.sources, start=1):
        path = context.base / source.path
        if not path.is_file():
            if not source.optional:
                raise StepError(f"{path} does not exist")
            context.counts[f"source {number}: skipped, path is missing"] += 1
            continue
        found, counts = build_correction_pairs(islice(load_judged_events(path), source.limit))
        pairs += found
        context.counts.update(counts)
    return pairs
