"""A generator that writes nonsense, always the same for the same prompt, and fails on some prompts."""

import hashlib
import math
import random
from collections.abc import Sequence
from typing import Final

from stream_app.core.errors import GenerationError
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft
from stream_app.core.slots import SLOT_TOKENS
from tests.fakes import ACCEPTED_TEXT
from tests.fuzz.mutations import draw_text

FRAMES: Final = (
    ACCEPTED_TEXT,
    "since you loved <h1> , you might want to take a look at <t> one day .",
    "<t> is a crime drama by <n1> , if you have time for it .",
    "<n1> and <n2> may give you a reason to try <t> from <y1> one day .",
    "like <h2> , which you liked , <t> is an <same> by <n1> ' s own company .",
)
PUNCTUATION: Final = (".", ",", "'", "-", "/", "(", ")", ":", ";", "?", "!", "%", "$", "’", "the", "a", "an", "you")
MAX_WORDS: Final = 60


class NonsenseGenerator:
    """Writes texts of slots, words of the prompt and odd texts, and now and then a sentence that holds."""

    identity = ModelIdentity(name="nonsense", version="1")

    def __init__(self, failing_share: float = 0.02) -> None:
        self._failing_share = failing_share

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write for each prompt; fail for all where one of them is among the failing share."""
        return [self._write(prompt) for prompt in prompts]

    def _write(self, prompt: str) -> Draft:
        draw = random.Random(hashlib.sha256(prompt.encode()).digest())
        if draw.random() < self._failing_share:
            raise draw.choice((GenerationError("prompt"), ValueError(prompt), RecursionError(), AssertionError()))
        text = " ".join(draw_words(draw, prompt))
        log_probability = draw.choice((-0.1, -2.0, -math.inf, math.nan, 0.0))
        return Draft(text, log_probability, is_sure=draw.random() < 0.5, is_doubted=draw.random() < 0.5)


def draw_words(draw: random.Random, prompt: str) -> list[str]:
    """Draw the words of a slotted text, none to many."""
    words = draw.choice(FRAMES).split()
    kind = draw.randrange(8)
    if kind <= 2:
        return words
    shown = prompt.split()
    if kind == 3:
        return [draw.choice((*shown, *SLOT_TOKENS, *PUNCTUATION)) for _ in range(draw.randrange(MAX_WORDS))]
    if kind == 4:
        return [draw_text(draw)]
    if kind == 5:
        return [draw.choice((*shown, *PUNCTUATION))] * draw.choice((0, 1, 9, 500, 5_000))
    for _ in range(draw.randint(1, 4)):
        words[draw.randrange(len(words))] = draw.choice((*shown, *SLOT_TOKENS, *PUNCTUATION, draw_text(draw)[:30]))
    return words
