"""A teacher in a converted folder, run through CTranslate2: the cheap way to a large one (int8, float16)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from transformers import AutoTokenizer

from offline.oracle.options import CTranslate2Options
from offline.oracle.port import Answer, OracleError, Request
from offline.oracle.pretrained import locate_model
from offline.oracle.transformers_oracle import render_for


class CTranslate2Oracle:
    """Writes with `Translator` (seq2seq) or `Generator` (causal)."""

    def __init__(self, options: CTranslate2Options, base: Path) -> None:
        self.name = options.name or options.model
        self._options = options
        self._source = locate_model(options.model, base)
        if not ctranslate2.contains_model(self._source):
            raise OracleError(f"{self._source} holds no model converted for CTranslate2")
        tokenizer = self._source if options.tokenizer is None else locate_model(options.tokenizer, base)
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(tokenizer)
        except (OSError, ValueError) as error:
            raise OracleError(f"cannot load the tokenizer {tokenizer}: {error}") from error

    def answer(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        """Write candidates; the same for the same batch, count and seed on the same machine."""
        texts = [render_for(self._tokenizer, request.prompt) for request in requests]
        encoded = self._tokenizer(texts, add_special_tokens=not self._tokenizer.chat_template)["input_ids"]
        prompts = [self._tokenizer.convert_ids_to_tokens(ids) for ids in encoded]
        # Its random numbers belong to a thread of the model and are seeded once, when the thread first draws one.
        ctranslate2.set_random_seed(seed)
        written = self._write(prompts, count)
        return [
            Answer(
                tuple(
                    self._tokenizer.batch_decode(
                        candidates, skip_special_tokens=True, clean_up_tokenization_spaces=False
                    )
                ),
                len(prompt),
                sum(map(len, candidates)),
            )
            for prompt, candidates in zip(prompts, written, strict=True)
        ]

    def _write(self, prompts: list[list[str]], count: int) -> list[list[list[int]]]:
        options, sampling = self._options, self._options.sampling
        decoding: dict[str, Any] = {"num_hypotheses": count, "max_batch_size": options.max_batch_tokens}
        decoding["batch_type"] = "tokens"
        if sampling.temperature == 0:
            decoding |= {"beam_size": count}
        else:
            drawn = {"sampling_topk": 0, "sampling_topp": sampling.top_p, "sampling_temperature": sampling.temperature}
            decoding |= {"beam_size": 1, **drawn}
        if options.kind == "seq2seq":
            translator = self._load(ctranslate2.Translator)
            results = translator.translate_batch(prompts, max_decoding_length=sampling.max_tokens, **decoding)
            return [[self._find_ids(tokens) for tokens in result.hypotheses] for result in results]
        generator = self._load(ctranslate2.Generator)
        results = generator.generate_batch(
            prompts, max_length=sampling.max_tokens, include_prompt_in_result=False, **decoding
        )
        return [[list(ids) for ids in result.sequences_ids] for result in results]

    def _load(self, kind: Any) -> Any:
        options = self._options
        try:
            return kind(
                self._source,
                device=options.device,
                compute_type=options.compute_type,
                intra_threads=options.threads,
            )
        except (RuntimeError, ValueError) as error:
            raise OracleError(f"CTranslate2 cannot load {self._source} as {options.kind}: {error}") from error

    def _find_ids(self, tokens: list[str]) -> list[int]:
        return list(self._tokenizer.convert_tokens_to_ids(tokens))
