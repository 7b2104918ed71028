"""Fine-tune the student on selected texts: sequence-level distillation (Kim & Rush 2016, arXiv 1606.07947).

Terms may be added that learn from a teacher's distributions or from rejected texts; see `offline.trainer`. Runs in one
process or in several: `torchrun --nproc_per_node 2 -m offline.cli -- distill RECIPE` (without the `--`, torchrun takes
`--run` for an option of its own), or likewise with `accelerate launch`.
"""

import copy
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from offline.joint_metric import compute_joint_metric
from offline.pair_dataset import MAX_TARGET_TOKENS, PairDataset, build_collator
from offline.recorded_rows import RecordedRow, TrainingPair
from offline.tokenizer import find_id
from offline.trainer import DistillationTrainer, TrainingOptions
from stream_app.core.generation import DOUBT_TOKEN
from stream_app.runtime.generator import join_pieces, split_doubt

SECONDS_NAME: Final = "seconds"
"""Beside each checkpoint: how long the training had taken until then."""
PATIENCE_EVALUATIONS: Final = 3
_FIGURES: Final = ("eval_loss", "eval_joint", "eval_passes_gate", "eval_rouge_l")
"""Of the trainer's figures those that say how good a state is; the others say how fast it was measured."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What to learn from, and what to measure on: each dev pair with the row that it was made of."""

    train: list[TrainingPair]
    dev: list[tuple[RecordedRow, TrainingPair]]


@dataclass(frozen=True, slots=True)
class Student:
    """A model, its tokenizer, and the ids of the tokens that frame a text."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    begin_id: int
    pad_id: int

    def join(self, ids: Sequence[int]) -> str:
        """Turn written ids into a slotted text; whether the student doubts it is left out, as in the worker."""
        special = {self.begin_id, self.pad_id, self.model.config.eos_token_id}
        kept = [index for index in ids if index not in special and index >= 0]
        text, _ = split_doubt(kept, find_id(self.tokenizer, DOUBT_TOKEN))
        return join_pieces(self.tokenizer, text)


@dataclass(frozen=True, slots=True)
class Distilled:
    """What came of a training."""

    figures: dict[str, float]
    """Of the kept state on the dev pairs, by the trainer's names (`eval_loss`, `eval_joint`, ...)."""
    seconds: float
    """How long it took, interruptions left out."""


class _Stopwatch(TrainerCallback):
    """Measures a training through all its interruptions: beside each checkpoint lies how long it took to get there."""

    def __init__(self, checkpoint: Path | None) -> None:
        path = None if checkpoint is None else checkpoint / SECONDS_NAME
        # A run may be killed between a checkpoint and its time.
        self._earlier = float(path.read_text()) if path is not None and path.exists() else 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return self._earlier + time.monotonic() - self._started

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / SECONDS_NAME).write_text(f"{self.seconds:.1f}")


class _EpochCounter(TrainerCallback):
    def __init__(self, dataset: PairDataset) -> None:
        self._dataset = dataset

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._dataset.epoch = int(state.epoch or 0)


def distill(
    student: Student,
    data: TrainingData,
    folder: Path,
    options: TrainingOptions,
    seed: int,
    teacher: PreTrainedModel | None = None,
) -> Distilled:
    """Train the student in place and keep the best of the evaluated states; go on from the newest checkpoint.

    Args:
        student: what to train.
        data: see `TrainingData`.
        folder: for checkpoints.
        options: how to train.
        seed: of the order of pairs, of their variants and of dropout.
        teacher: for word-level distillation; its vocabulary is the student's.
    """
    if options.dropout is not None:
        _set_dropout(student.model.get_decoder(), options.dropout)
    dataset = PairDataset(
        data.train,
        student.tokenizer,
        augmentation_seed=seed if options.is_augmented else None,
        has_rejected=max(options.unlikelihood_weight, options.preference_weight, options.doubt_weight) > 0,
        is_doubt_taught=options.doubt_weight > 0,
    )
    # Before a checkpoint is loaded: the student as it began, also when a run goes on.
    reference = copy.deepcopy(student.model) if options.preference_weight > 0 else None
    is_joint = options.stop_by == "joint"
    measured = data.dev[: options.metric_rows] if is_joint else data.dev
    steps = round(options.epochs * len(data.train) / options.batch_size / int(os.environ.get("WORLD_SIZE", "1")))
    checkpoint = find_checkpoint(folder)
    stopwatch = _Stopwatch(checkpoint)
    trainer = DistillationTrainer(
        training=options,
        teacher=teacher,
        reference=reference,
        model=student.model,
        args=_build_arguments(folder, options, max(1, steps // options.evaluations), seed),
        train_dataset=dataset,
        eval_dataset=PairDataset([pair for _, pair in measured], student.tokenizer),
        data_collator=build_collator(student.pad_id, student.begin_id),
        compute_metrics=_build_metric(student, [row for row, _ in measured]) if is_joint else None,
        optimizers=(_build_optimizer(student.model, options), None),
        callbacks=[_EpochCounter(dataset), EarlyStoppingCallback(PATIENCE_EVALUATIONS), stopwatch],
    )
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    figures = trainer.evaluate()
    return Distilled({name: float(value) for name, value in figures.items() if name in _FIGURES}, stopwatch.seconds)


def find_checkpoint(folder: Path) -> Path | None:
    """Find the newest whole checkpoint: the trainer writes `trainer_state.json` last, and may be killed before it."""
    found = [path for path in folder.glob("checkpoint-*") if _is_whole(path / "trainer_state.json")]
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def _set_dropout(decoder: Any, dropout: float) -> None:
    for part in (decoder, *decoder.layers):
        part.dropout = dropout


def _build_metric(student: Student, rows: list[RecordedRow]) -> Callable[[Any], dict[str, float]]:
    def compute(prediction: Any) -> dict[str, float]:
        texts = [student.join(ids) for ids in prediction.predictions[: len(rows)]]
        metric = compute_joint_metric(rows, texts)
        return {"joint": metric.joint, "passes_gate": metric.passes_gate, "rouge_l": metric.rouge_l}

    return compute


def _build_arguments(folder: Path, options: TrainingOptions, interval: int, seed: int) -> Seq2SeqTrainingArguments:
    precision = _choose_precision() if options.precision == "auto" else options.precision
    is_joint = options.stop_by == "joint"
    return Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        warmup_steps=options.warmup_steps,
        lr_scheduler_type="linear",
        label_smoothing_factor=options.label_smoothing,
        max_grad_norm=1.0,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="joint" if is_joint else "eval_loss",
        greater_is_better=is_joint,
        predict_with_generate=is_joint,
        generation_max_length=MAX_TARGET_TOKENS,
        generation_num_beams=1,
        logging_steps=50,
        report_to=[],
        dataloader_num_workers=0,
        remove_unused_columns=False,
    )


def _choose_precision() -> str:
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    # Emulated, bfloat16 is slower than float32; with AVX-512's own instructions it is three times as fast.
    return "bf16" if torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported() else "fp32"


def _build_optimizer(model: PreTrainedModel, options: TrainingOptions) -> torch.optim.Optimizer:
    """The decoder's cross-attention is new and learns faster than the encoder, which knows its work already."""
    fast = [parameter for name, parameter in model.named_parameters() if name.startswith("model.decoder.layers")]
    fast_ids = {id(parameter) for parameter in fast}
    slow = [parameter for parameter in model.parameters() if id(parameter) not in fast_ids]
    groups = [
        {"params": fast, "lr": options.decoder_learning_rate},
        {"params": slow, "lr": options.encoder_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
