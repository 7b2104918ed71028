"""The trainer: transformers' own, with terms that may be added to its cross-entropy.

Word-level distillation from a teacher with the same vocabulary; unlikelihood of texts that were turned down; direct
preference optimization, of the selected text over the one that was turned down; and doubt, written after texts like the
latter.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from transformers import PreTrainedModel, Seq2SeqTrainer

from offline.losses import (
    IGNORED_LABEL,
    compute_preference_loss,
    compute_unlikelihood,
    compute_verdict_loss,
    compute_word_level_divergence,
    mark_rejected_tokens,
    sum_log_probabilities,
)
from offline.pair_dataset import REJECTED_NAMES, LikeLengthSampler, PairDataset


class TrainingOptions(BaseModel):
    """How to train; the defaults are those of the default recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: float = Field(default=20, gt=0)
    batch_size: int = Field(default=24, ge=1)
    """Pairs per step and process."""
    decoder_learning_rate: float = 5e-4
    encoder_learning_rate: float = 2e-4
    """Of the encoder and the embeddings, which know their work already."""
    warmup_steps: int = 150
    label_smoothing: float = 0.1
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Of the decoder, where overfitting shows; None leaves it as the start has it."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """`auto`: bfloat16 where the GPU or the CPU has instructions for it, float16 on older GPUs."""
    evaluations: int = Field(default=8, ge=1)
    stop_by: Literal["joint", "loss"] = "joint"
    """What the best checkpoint is best at: the joint metric on texts that it writes, or the loss."""
    metric_rows: int = Field(default=128, ge=1)
    """Rows that the joint metric writes for; each costs a generation."""
    is_augmented: bool = True
    unlikelihood_weight: float = Field(default=0, ge=0)
    preference_weight: float = Field(default=0, ge=0)
    preference_beta: float = Field(default=0.1, gt=0)
    """How far the student may go from where it began to prefer the selected texts; smaller is farther."""
    doubt_weight: float = Field(default=0, ge=0)
    """Of teaching the student to write `DOUBT_TOKEN` after a text like the rejected ones, and none after the others."""
    word_level_weight: float = Field(default=0, ge=0, le=1)
    word_level_temperature: float = Field(default=2, gt=0)


class DistillationTrainer(Seq2SeqTrainer):
    """The trainer with the added terms, and with batches of like lengths measured once instead of per variant."""

    def __init__(
        self,
        *,
        training: TrainingOptions,
        teacher: PreTrainedModel | None,
        reference: PreTrainedModel | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._training = training
        self._end_id: int = kwargs["model"].config.eos_token_id
        self._teacher = teacher
        self._reference = reference
        for model in (teacher, reference):
            if model is not None:
                torch.nn.Module.to(model, self.args.device)
                model.eval()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        assert isinstance(dataset, PairDataset)
        return LikeLengthSampler(dataset, self.args.train_batch_size, self.args.seed)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Add the terms that the options weigh to the trainer's cross-entropy; measurements stay as they are."""
        rejected: dict[str, torch.Tensor] = {name: inputs.pop(name) for name in REJECTED_NAMES if name in inputs}
        given = dict(inputs)
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        if model.training and rejected:
            loss = loss + self._compute_against_rejected(model, given, outputs["logits"], rejected)
        if model.training and self._teacher is not None:
            weight = self._training.word_level_weight
            loss = (1 - weight) * loss + weight * self._compute_divergence(outputs["logits"], given)
        return (loss, outputs) if return_outputs else loss

    def _compute_against_rejected(
        self, model: Any, given: Mapping[str, Any], logits: torch.Tensor, rejected: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Compute the terms that need a rejected text, on the rows that have one."""
        rows = (rejected["rejected_labels"] != IGNORED_LABEL).any(-1).nonzero().squeeze(-1)
        if not len(rows):
            rows = rows.new_zeros(1)  # Of several processes, all must do the same; this row counts in no term.
        ids, labels, doubt_labels = (rejected[name][rows] for name in REJECTED_NAMES)
        fed = {name: given[name][rows] for name in ("input_ids", "attention_mask", "decoder_input_ids", "labels")}
        rejected_logits = _feed(model, fed, ids)
        marked = mark_rejected_tokens(labels, fed["labels"])
        loss = self._training.unlikelihood_weight * compute_unlikelihood(rejected_logits, marked)
        if self._training.doubt_weight:
            verdict = compute_verdict_loss(logits, given["labels"], rejected_logits, doubt_labels, self._end_id)
            loss = loss + self._training.doubt_weight * verdict
        if self._reference is None:
            return loss
        with torch.no_grad(), self.accelerator.autocast():
            selected_before = _feed(self._reference, fed, fed["decoder_input_ids"])
            rejected_before = _feed(self._reference, fed, ids)
        margins = sum_log_probabilities(logits[rows], fed["labels"]) - sum_log_probabilities(rejected_logits, labels)
        before = sum_log_probabilities(selected_before, fed["labels"]) - sum_log_probabilities(rejected_before, labels)
        has_rejected = (labels != IGNORED_LABEL).any(-1)
        preference = compute_preference_loss(
            margins[has_rejected], before[has_rejected], self._training.preference_beta
        )
        return loss + self._training.preference_weight * preference

    def _compute_divergence(self, logits: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
        assert self._teacher is not None
        with torch.no_grad():
            taught = _feed(self._teacher, given, given["decoder_input_ids"])
        return compute_word_level_divergence(logits, taught, given["labels"], self._training.word_level_temperature)


def _feed(model: Any, given: Mapping[str, Any], decoder_ids: torch.Tensor) -> torch.Tensor:
    fed = {name: given[name] for name in ("input_ids", "attention_mask")}
    return cast(torch.Tensor, model(**fed, decoder_input_ids=decoder_ids).logits)
