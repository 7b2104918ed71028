"""The Prism: CTranslate2 and the artifact's own tokenizer behind the core's port `TextGenerator`."""

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import ctranslate2
from tokenizers import Tokenizer

from stream_app.core.errors import GenerationError, ModelUnusableError
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import DOUBT_TOKEN, Draft
from stream_app.core.slots import SLOT, SLOT_TOKENS
from stream_app.runtime.artifact import Artifact

Token = TypeVar("Token", int, str)
TOKENIZER_NAME: Final = "tokenizer.json"
VOCABULARY_MAP_NAME: Final = "vmap.txt"
"""CTranslate2's name for the file that says which tokens are candidates for a prompt; an artifact may have one."""
WARM_UP_PROMPT: Final = "<by-item> <short> <plain> <item> <t> warm up ; genre drama"
LOWEST_PRIORITY: Final = 19
REPEAT_WINDOW_TOKENS: Final = 3
BEAM_SIZE: Final = 4
REPETITION_PENALTY: Final = 1.3
"""Of 200 development rows, texts that pass the gate at the first attempt: greedy 44 %, beam 54 %, both 68 to 74 %."""


class CTranslate2Generator:
    """Writes slotted texts with an int8 encoder-decoder on CPU threads. No sampling: the same prompt, the same text.

    Args:
        artifact: a verified artifact.
        threads: CPU threads; each works on prompts of its own.
        compute_type: what CTranslate2 computes in; measurements compare `int8` with `float32`.
        is_background: whether its threads get the processor only where nothing else wants it (on Linux).
    """

    def __init__(
        self, artifact: Artifact, threads: int = 1, compute_type: str = "int8", is_background: bool = False
    ) -> None:
        self._manifest = artifact.manifest
        self._tokenizer = _load_tokenizer(artifact.folder / TOKENIZER_NAME, artifact.manifest.max_source_tokens)
        try:
            # CTranslate2 starts its threads here, and threads inherit the priority of the one that starts them.
            with ThreadPoolExecutor(1, initializer=_yield_processor if is_background else None) as starter:
                self._translator = starter.submit(_load_translator, artifact.folder, compute_type, threads).result()
        except (RuntimeError, ValueError) as error:
            raise ModelUnusableError(f"CTranslate2 cannot load the model in {artifact.folder}: {error}") from error

    @property
    def identity(self) -> ModelIdentity:
        """Name and version from the manifest."""
        return self._manifest.identity

    def warm_up(self) -> None:
        """Write once, so that the first event does not pay for what the library sets up lazily.

        Raises:
            ModelUnusableError: the model loads but cannot write.
        """
        try:
            self.generate([WARM_UP_PROMPT])
        except GenerationError as error:
            raise ModelUnusableError("the model loads but cannot write") from error

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write one slotted text for each prompt, in order; see `TextGenerator`."""
        if not prompts:
            return []
        sources = [encoding.tokens for encoding in self._tokenizer.encode_batch(list(prompts))]
        try:
            pending = [self._submit(source) for source in sources]
            return [self._read(result.result(), len(source)) for result, source in zip(pending, sources, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise GenerationError(str(error)) from error

    def _submit(self, source: list[str]) -> Any:
        """Hand one prompt to the translator's threads; a slot that the prompt does not show cannot be written.

        One prompt a call: in int8 the rounding of a prompt depends on what shares its batch (29 of 72 texts changed
        between batches of 32 and 1), and a record that is delivered again must get the same bytes.
        """
        shown = set(source)
        (pending,) = self._translator.translate_batch(
            [source],
            asynchronous=True,
            beam_size=BEAM_SIZE,
            max_decoding_length=self._manifest.max_target_tokens,
            no_repeat_ngram_size=REPEAT_WINDOW_TOKENS,
            repetition_penalty=REPETITION_PENALTY,
            return_scores=True,
            use_vmap=VOCABULARY_MAP_NAME in self._manifest.files,
            suppress_sequences=[[token] for token in SLOT_TOKENS if token not in shown],
        )
        return pending

    def _read(self, result: Any, source_tokens: int) -> Draft:
        pieces, is_doubted = split_doubt(result.hypotheses[0], DOUBT_TOKEN)
        ids = (self._tokenizer.token_to_id(piece) for piece in pieces)
        text = join_pieces(self._tokenizer, [index for index in ids if index is not None])
        score, sure_from = result.scores[0], self._manifest.sure_from
        return Draft(
            text,
            score,
            is_sure=sure_from is None or score >= sure_from,
            is_doubted=is_doubted,
            source_tokens=source_tokens,
        )


def _load_translator(folder: Path, compute_type: str, threads: int) -> Any:
    return ctranslate2.Translator(
        str(folder), device="cpu", compute_type=compute_type, inter_threads=threads, intra_threads=1
    )


def _yield_processor() -> None:
    # Elsewhere than on Linux a priority belongs to the whole process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def _load_tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises bare exceptions.
        raise ModelUnusableError(f"{path} is not a tokenizer: {error}") from error
    if tokenizer.decoder is None:
        raise ModelUnusableError(f"{path} has no decoder: nobody knows how its pieces become words")
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def split_doubt(tokens: Sequence[Token], doubt: Token) -> tuple[Sequence[Token], bool]:
    """Take the token of doubt from the end of a text, and say whether it stood there; elsewhere it is a fault."""
    is_doubted = bool(tokens) and tokens[-1] == doubt
    return (tokens[:-1] if is_doubted else tokens), is_doubted


def join_pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """Join pieces to words, separated by single spaces, as the tokenizer's own decoder does."""
    # Byte-level tokenizers write no space around a token of their own.
    return " ".join(SLOT.sub(r" \g<0> ", tokenizer.decode(list(ids), skip_special_tokens=False)).split())
