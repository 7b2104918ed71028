"""A teacher that this process runs through transformers: FLAN-T5 and the like, or a causal model."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from offline.oracle.options import SamplingOptions, TransformersOptions
from offline.oracle.port import Answer, Request
from offline.oracle.pretrained import load_pretrained, locate_model
from offline.oracle.prompt import OraclePrompt


class TransformersOracle:
    """Writes with `generate`; one batch is one call."""

    def __init__(self, options: TransformersOptions, base: Path) -> None:
        self.name = options.name or options.model
        self._sampling = options.sampling
        source = locate_model(options.model, base)
        self._loaded = load_pretrained(source, options.gguf_file, options.device, options.dtype)

    def answer(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        """Write candidates; the same for the same batch, count and seed on the same machine."""
        tokenizer, model = self._loaded.tokenizer, self._loaded.model
        texts = [render_for(tokenizer, request.prompt) for request in requests]
        # A chat form brings its own first token; another would make it a prompt that the model never saw.
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=not tokenizer.chat_template)
        torch.manual_seed(seed)
        with torch.inference_mode():
            written = model.generate(
                input_ids=inputs["input_ids"].to(model.device),
                attention_mask=inputs["attention_mask"].to(model.device),
                num_return_sequences=count,
                max_new_tokens=self._sampling.max_tokens,
                pad_token_id=tokenizer.pad_token_id,
                **_choose_decoding(self._sampling, count),
            )
        if not self._loaded.is_seq2seq:
            written = written[:, inputs["input_ids"].shape[1] :]
        prompt_tokens = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            self._read(written[index * count : (index + 1) * count], tokens)
            for index, tokens in enumerate(prompt_tokens)
        ]

    def _read(self, written: Any, prompt_tokens: int) -> Answer:
        tokenizer = self._loaded.tokenizer
        texts = tokenizer.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        completion_tokens = int((written != tokenizer.pad_token_id).sum())
        return Answer(tuple(texts), prompt_tokens, completion_tokens)


def render_for(tokenizer: Any, prompt: OraclePrompt) -> str:
    """Render a prompt in the chat form of the tokenizer, if it has one."""
    if not tokenizer.chat_template:
        return prompt.render_text()
    messages = [asdict(message) for message in prompt.render_chat()]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _choose_decoding(sampling: SamplingOptions, count: int) -> dict[str, Any]:
    if sampling.temperature == 0:
        return {"do_sample": False, "num_beams": count}
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
