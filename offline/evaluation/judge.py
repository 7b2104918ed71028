"""GPTScore: how probable a text is, for a causal language model that has read the instruction and the facts."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from offline.evaluation.encoders import hide_loading_bars
from offline.evaluation.facts import list_fact_lines
from offline.evaluation.models import Vector
from offline.oracle.pretrained import load_pretrained
from stream_app.core.events import RankingEvent

BATCH_SIZE: Final = 8
MAX_PROMPT_TOKENS: Final = 768
_INSTRUCTION: Final = (
    "In one or two sentences, explain to the user why this item is recommended to them. Use only the facts."
)


def render_judge_prompt(event: RankingEvent) -> str:
    """Render the instruction and what is known of an event's first item and its user."""
    facts = "\n".join(f"{line.label}: {line.text}" for line in list_fact_lines(event))
    return f"{_INSTRUCTION}\n\n{facts}\n\nExplanation:"


class CausalJudge:
    """GPTScore (Fu et al. 2023, arXiv 2302.04166): the mean log-probability of a text's tokens after its prompt.

    Runs on a GPU where there is one; figures of different models or devices must not be compared.

    Args:
        path: a causal language model in the format of transformers (a folder), or a GGUF file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch

        hide_loading_bars()
        is_file = self._path.suffix == ".gguf"
        loaded = load_pretrained(
            str(self._path.parent if is_file else self._path),
            self._path.name if is_file else None,
            device="cuda" if torch.cuda.is_available() else "cpu",
            dtype="float32",
        )
        return loaded.tokenizer, loaded.model

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> Vector:
        """Compute the mean log-probability of each text's tokens; an empty text has none (NaN)."""
        tokenizer, _ = self._loaded
        begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        pairs = [
            # The end of a long prompt is kept: the instruction's last line must stand before the text.
            (begin + _encode(tokenizer, prompt)[-MAX_PROMPT_TOKENS:], _encode(tokenizer, f" {text}" if text else ""))
            for prompt, text in zip(prompts, texts, strict=True)
        ]
        scores = np.full(len(pairs), np.nan)
        in_order = sorted(
            (index for index, pair in enumerate(pairs) if pair[1]), key=lambda index: sum(map(len, pairs[index]))
        )
        for start in range(0, len(in_order), BATCH_SIZE):
            batch = in_order[start : start + BATCH_SIZE]
            scores[batch] = self._score_batch([pairs[index] for index in batch])
        return scores

    def _score_batch(self, pairs: list[tuple[list[int], list[int]]]) -> Vector:
        import torch

        _, model = self._loaded
        length = max(len(prompt) + len(text) for prompt, text in pairs)
        tokens = torch.zeros((len(pairs), length), dtype=torch.long)
        attended, scored = torch.zeros_like(tokens), torch.zeros_like(tokens)
        for row, (prompt, text) in enumerate(pairs):
            end = len(prompt) + len(text)
            tokens[row, :end] = torch.tensor(prompt + text)
            attended[row, :end] = 1
            scored[row, len(prompt) : end] = 1
        with torch.inference_mode():
            logits = model(input_ids=tokens.to(model.device), attention_mask=attended.to(model.device)).logits
            chances = logits[:, :-1].float().log_softmax(-1).cpu().gather(2, tokens[:, 1:, None])[:, :, 0]
        mask = scored[:, 1:]
        means: Vector = ((chances * mask).sum(1) / mask.sum(1)).numpy().astype(np.float64)
        return means


def _encode(tokenizer: Any, text: str) -> list[int]:
    tokens: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return tokens
