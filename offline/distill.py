"""Fine-tune the student on training pairs: sequence-level distillation (Kim & Rush 2016, arXiv 1606.07947)."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    BartForConditionalGeneration,
    EarlyStoppingCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from offline.augment import augment_pair
from offline.recorded_rows import TrainingPair
from offline.tokenizer import BEGIN, PAD, find_id

MAX_SOURCE_TOKENS = 320
MAX_TARGET_TOKENS = 96
IGNORED_LABEL = -100


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train; the defaults are those of the recipe that shipped first."""

    epochs: float = 15
    batch_size: int = 24
    decoder_learning_rate: float = 5e-4
    encoder_learning_rate: float = 2e-4
    warmup_steps: int = 150
    label_smoothing: float = 0.1
    seed: int = 1
    bf16: bool = True
    evaluations: int = 8


class PairDataset(torch.utils.data.Dataset[dict[str, list[int]]]):
    """Pairs as token ids; training pairs are varied anew in every epoch, the same way for the same seed."""

    def __init__(self, pairs: list[TrainingPair], tokenizer: Tokenizer, augmentation_seed: int | None = None) -> None:
        self._pairs = pairs
        self._tokenizer = tokenizer
        self._seed = augmentation_seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        pair = self._pairs[index]
        if self._seed is not None:
            pair = augment_pair(pair, random.Random(f"{self._seed}/{self.epoch}/{index}"))
        source = self._tokenizer.encode(pair.source).ids
        target = self._tokenizer.encode(pair.target).ids[1:]  # The decoder starts from [CLS] by itself.
        return {"input_ids": source[:MAX_SOURCE_TOKENS], "labels": target[:MAX_TARGET_TOKENS]}

    def measure_lengths(self) -> list[int]:
        """Source lengths in tokens, for batches of like lengths."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch([p.source for p in self._pairs])]


class _EpochCounter(TrainerCallback):
    def __init__(self, dataset: PairDataset) -> None:
        self._dataset = dataset

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._dataset.epoch = int(state.epoch or 0)


class _DistillationTrainer(Seq2SeqTrainer):
    """Batches of like lengths, from lengths measured once instead of by augmenting every row."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        from transformers.trainer_pt_utils import LengthGroupedSampler

        dataset = self.train_dataset if train_dataset is None else train_dataset
        assert isinstance(dataset, PairDataset)
        generator = torch.Generator().manual_seed(self.args.seed)
        return LengthGroupedSampler(
            self.args.train_batch_size, dataset=dataset, lengths=dataset.measure_lengths(), generator=generator
        )


def distill(
    student: BartForConditionalGeneration,
    tokenizer: Tokenizer,
    train: list[TrainingPair],
    dev: list[TrainingPair],
    folder: Path,
    options: TrainingOptions,
    *,
    resume: bool = False,
) -> float:
    """Train the student in place; checkpoints go to `folder`, the one with the lowest dev loss is kept.

    Returns:
        The dev loss (label-smoothed cross-entropy per token) of the kept weights.
    """
    dataset = PairDataset(train, tokenizer, augmentation_seed=options.seed)
    steps = round(options.epochs * len(train) / options.batch_size)
    trainer = _DistillationTrainer(
        model=student,
        args=_build_arguments(folder, options, steps),
        train_dataset=dataset,
        eval_dataset=PairDataset(dev, tokenizer),
        data_collator=build_collator(find_id(tokenizer, PAD), find_id(tokenizer, BEGIN)),
        optimizers=(_build_optimizer(student, options), None),
        callbacks=[_EpochCounter(dataset), EarlyStoppingCallback(early_stopping_patience=3)],
    )
    trainer.train(resume_from_checkpoint=resume)
    return float(trainer.evaluate()["eval_loss"])


def _build_arguments(folder: Path, options: TrainingOptions, steps: int) -> Seq2SeqTrainingArguments:
    interval = max(1, steps // options.evaluations)
    return Seq2SeqTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        warmup_steps=options.warmup_steps,
        lr_scheduler_type="linear",
        label_smoothing_factor=options.label_smoothing,
        max_grad_norm=1.0,
        bf16=options.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=options.seed,
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=3,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        logging_steps=50,
        report_to=[],
        dataloader_num_workers=0,
        remove_unused_columns=False,
    )


def _build_optimizer(student: BartForConditionalGeneration, options: TrainingOptions) -> torch.optim.Optimizer:
    """The decoder's cross-attention is new and learns faster than the encoder, which knows its work already."""
    fast = [p for name, p in student.named_parameters() if name.startswith("model.decoder.layers")]
    fast_ids = {id(parameter) for parameter in fast}
    slow = [p for p in student.parameters() if id(p) not in fast_ids]
    groups = [
        {"params": fast, "lr": options.decoder_learning_rate},
        {"params": slow, "lr": options.encoder_learning_rate},
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)


def build_collator(pad_id: int, begin_id: int) -> Callable[[list[dict[str, list[int]]]], dict[str, torch.Tensor]]:
    """Build what pads a list of rows to one batch: ids with [PAD], labels with -100."""

    def pad(rows: list[list[int]], value: int) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [value] * (width - len(row)) for row in rows])

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        ids = pad([row["input_ids"] for row in rows], pad_id)
        labels = pad([row["labels"] for row in rows], IGNORED_LABEL)
        # Given here, because the trainer takes the labels away from the model when it smooths them.
        begin = torch.full_like(labels[:, :1], begin_id)
        decoder_ids = torch.cat([begin, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED_LABEL, pad_id)], dim=1)
        attention_mask = (ids != pad_id).long()
        return {"input_ids": ids, "attention_mask": attention_mask, "decoder_input_ids": decoder_ids, "labels": labels}

    return collate
