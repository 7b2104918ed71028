"""Training pairs as token ids, and batches of them."""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers.trainer_pt_utils import get_length_grouped_indices

from offline.augment import augment_pair, collect_values
from offline.losses import IGNORED_LABEL
from offline.manifest import MAX_SOURCE_TOKENS
from offline.recorded_rows import TrainingPair
from offline.tokenizer import find_id
from stream_app.core.generation import DOUBT_TOKEN

MAX_TARGET_TOKENS = 96
Row = dict[str, list[int]]
REJECTED_NAMES: Final = ("rejected_ids", "rejected_labels", "doubt_labels")
"""Of a rejected text: what the decoder is fed, what should not be written, and what should stand after it."""


class PairDataset(torch.utils.data.Dataset[Row]):
    """Pairs as token ids; training pairs may be varied anew in every epoch, the same way for the same seed.

    Args:
        pairs: what to learn from.
        tokenizer: frames a text with its begin and end token.
        augmentation_seed: None leaves the pairs as they are.
        has_rejected: whether rows carry the text that should not be written.
        is_doubt_taught: whether rows teach to write `DOUBT_TOKEN` after that text.
    """

    def __init__(
        self,
        pairs: list[TrainingPair],
        tokenizer: Tokenizer,
        *,
        augmentation_seed: int | None = None,
        has_rejected: bool = False,
        is_doubt_taught: bool = False,
    ) -> None:
        self._pairs = pairs
        self._tokenizer = tokenizer
        self._seed = augmentation_seed
        self._has_rejected = has_rejected
        self._doubt_id = find_id(tokenizer, DOUBT_TOKEN) if is_doubt_taught else None
        self._values = collect_values(pairs) if augmentation_seed is not None else {}
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Row:
        pair = self._pairs[index]
        if self._seed is not None:
            pair = augment_pair(pair, random.Random(f"{self._seed}/{self.epoch}/{index}"), self._values)
        source = self._encode(pair.source)
        # The worker cuts prompts so too: the end token stays.
        source = source if len(source) <= MAX_SOURCE_TOKENS else [*source[: MAX_SOURCE_TOKENS - 1], source[-1]]
        # A cut text keeps no end token: nobody should learn to stop in the middle.
        target = self._encode(pair.target)[:MAX_TARGET_TOKENS]
        row = {"input_ids": source, "labels": target[1:]}  # The decoder starts from the begin token by itself.
        if self._has_rejected:
            row |= self._build_rejected(pair.rejected, target)
        return row

    def _build_rejected(self, text: str | None, target: list[int]) -> Row:
        if text is None:
            return {"rejected_ids": target[:1], "rejected_labels": [], "doubt_labels": []}
        ids = self._encode(text)
        if self._doubt_id is None or len(ids) >= MAX_TARGET_TOKENS:
            ids = ids[:MAX_TARGET_TOKENS]
            return {"rejected_ids": ids, "rejected_labels": ids[1:], "doubt_labels": []}
        # What is said of the text is no part of what should be unlearned.
        written, verdict = ids[1:-1], [self._doubt_id, ids[-1]]
        return {
            "rejected_ids": [*ids[:-1], *verdict],
            "rejected_labels": [*written, *_ignore(verdict)],
            "doubt_labels": [*_ignore(written), *verdict],
        }

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)

    def measure_lengths(self) -> list[int]:
        """Source lengths in tokens, for batches of like lengths."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch([p.source for p in self._pairs])]


class LikeLengthSampler(torch.utils.data.Sampler[int]):
    """Orders pairs at random, batches of like lengths; a function of seed and epoch, so that a run can go on."""

    def __init__(self, dataset: PairDataset, batch_size: int, seed: int) -> None:
        self._dataset = dataset
        self._batch_size = batch_size
        self._seed = seed
        self._lengths = dataset.measure_lengths()

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        seed = random.Random(f"{self._seed}/{self._dataset.epoch}").getrandbits(63)
        generator = torch.Generator().manual_seed(seed)
        return iter(get_length_grouped_indices(self._lengths, self._batch_size, generator=generator))


def build_collator(pad_id: int, begin_id: int) -> Callable[[list[Row]], dict[str, torch.Tensor]]:
    """Build what pads a list of rows to one batch: ids with the pad token, labels with -100."""

    def collate(rows: list[Row]) -> dict[str, Any]:
        ids = _pad([row["input_ids"] for row in rows], pad_id)
        labels = _pad([row["labels"] for row in rows], IGNORED_LABEL)
        # Given here, because the trainer takes the labels away from the model when it smooths them.
        begin = torch.full_like(labels[:, :1], begin_id)
        decoder_ids = torch.cat([begin, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED_LABEL, pad_id)], dim=1)
        batch = {
            "input_ids": ids,
            "attention_mask": (ids != pad_id).long(),
            "decoder_input_ids": decoder_ids,
            "labels": labels,
        }
        if "rejected_ids" in rows[0]:
            batch["rejected_ids"] = _pad([row["rejected_ids"][:-1] or [begin_id] for row in rows], pad_id)
            width = batch["rejected_ids"].shape[1]
            for name in REJECTED_NAMES[1:]:
                batch[name] = _pad([row[name] for row in rows], IGNORED_LABEL, width)
        return batch

    return collate


def _ignore(ids: list[int]) -> list[int]:
    return [IGNORED_LABEL] * len(ids)


def _pad(rows: list[list[int]], value: int, width: int | None = None) -> torch.Tensor:
    width = max(map(len, rows)) if width is None else width
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])
