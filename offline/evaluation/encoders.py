"""MiniLM as sentence encoder, and BERTScore over any local encoder."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from offline.evaluation.models import Matrix, Vector

BATCH_SIZE: Final = 64
MAX_TOKENS: Final = 256


class MeanPoolingEncoder:
    """A sentence encoder: the mean of the last layer's token vectors, brought to length 1 (Reimers & Gurevych 2019).

    Args:
        folder: a BERT-like model in the format of transformers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoModel, AutoTokenizer

        hide_loading_bars()
        return AutoTokenizer.from_pretrained(self._folder), AutoModel.from_pretrained(self._folder).eval()

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Encode texts, the first 256 tokens of each: one row of length 1 each."""
        in_order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: dict[int, Matrix] = {}
        for start in range(0, len(texts), BATCH_SIZE):
            batch = in_order[start : start + BATCH_SIZE]
            vectors.update(zip(batch, self._encode_batch([texts[index] for index in batch]), strict=True))
        return np.stack([vectors[index] for index in range(len(texts))])

    def _encode_batch(self, texts: list[str]) -> Matrix:
        import torch

        tokenizer, model = self._loaded
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        vectors: Matrix = torch.nn.functional.normalize(pooled).numpy().astype(np.float64)
        return vectors


class BertScore:
    """BERTScore F1 (Zhang et al. 2020, arXiv 1904.09675) by the package `bert-score`, not rescaled.

    Args:
        folder: a BERT-like model in the format of transformers.
        layers: whose vectors are compared; None for the last layer.
    """

    def __init__(self, folder: Path, layers: int | None = None) -> None:
        self._folder = folder
        self._layers = layers

    @cached_property
    def _scorer(self) -> Any:
        from bert_score import BERTScorer

        hide_loading_bars()
        layers = self._layers or orjson.loads((self._folder / "config.json").read_bytes())["num_hidden_layers"]
        return BERTScorer(model_type=str(self._folder), num_layers=layers, batch_size=BATCH_SIZE)

    def compare(self, texts: Sequence[str], references: Sequence[str]) -> Vector:
        """Compute F1 for each pair; a pair with an empty text has 0."""
        # The package asks transformers 5 for a method that is gone, but only for an empty text.
        pairs = [
            pair for pair in enumerate(zip(texts, references, strict=True)) if all(part.strip() for part in pair[1])
        ]
        scores = np.zeros(len(texts))
        if pairs:
            _, _, f1 = self._scorer.score([text for _, (text, _) in pairs], [reference for _, (_, reference) in pairs])
            scores[[index for index, _ in pairs]] = f1.numpy()
        return scores


def hide_loading_bars() -> None:
    """Keep the bars of loading weights off the terminal; the step has its own."""
    from transformers.utils import logging

    logging.disable_progress_bar()
