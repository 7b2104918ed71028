"""Fluency by a local language model: the mean log-probability of a text's tokens.

This is GPTScore (Fu et al. 2023, arXiv 2302.04166) without an instruction: how English it reads, not how true it is.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from offline.oracle.port import OracleError
from offline.oracle.pretrained import load_pretrained, locate_model
from offline.selection.options import LanguageModelOptions

_IGNORED: int = -100


class LanguageModel:
    """Judges texts with a causal model of transformers."""

    def __init__(self, options: LanguageModelOptions, base: Path) -> None:
        source = locate_model(options.model, base)
        loaded = load_pretrained(source, options.gguf_file, options.device, options.dtype)
        if loaded.is_seq2seq:
            raise OracleError(f"{options.model} is no causal model: it cannot judge how fluent a text is")
        self._model = loaded.model
        self._tokenizer = loaded.tokenizer
        self._tokenizer.padding_side = "right"

    def measure(self, texts: Sequence[str]) -> list[float]:
        """Measure the mean log-probability (natural logarithm) of each text's tokens, given those before them."""
        tokenizer, model = self._tokenizer, self._model
        start = tokenizer.bos_token or tokenizer.eos_token or ""
        inputs = tokenizer([start + text for text in texts], return_tensors="pt", padding=True)
        ids, mask = inputs["input_ids"].to(model.device), inputs["attention_mask"].to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        targets = ids[:, 1:].masked_fill(mask[:, 1:] == 0, _IGNORED)
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets, ignore_index=_IGNORED, reduction="none"
        )
        means = -losses.sum(dim=1) / mask[:, 1:].sum(dim=1).clamp(min=1)
        return [round(float(mean), 6) for mean in means]
