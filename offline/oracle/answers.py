"""From what a model printed to candidates: the explanation without what models like to put around it."""

import re
from collections.abc import Iterable
from typing import Final

from offline.oracle.prompt import ANSWER_LABEL

_QUOTES: Final = (('"', '"'), ("“", "”"), ("'", "'"))
_LABEL: Final = re.compile(rf"\A\s*{ANSWER_LABEL}\s*", re.IGNORECASE)


def clean_candidates(texts: Iterable[str]) -> tuple[str, ...]:
    """Clean all texts, and drop the empty ones and repetitions; the order stays."""
    return tuple(dict.fromkeys(text for text in map(clean_answer, texts) if text))


def clean_answer(text: str) -> str:
    """Keep the first paragraph of an answer, without label and quotation marks; selection judges the rest.

    An announcement that ends with a colon is skipped where a paragraph follows.
    """
    paragraphs = [" ".join(line.split()) for line in _LABEL.sub("", text).splitlines() if line.strip()]
    if len(paragraphs) > 1 and paragraphs[0].endswith(":"):
        paragraphs = paragraphs[1:]
    return _unquote(_LABEL.sub("", paragraphs[0])) if paragraphs else ""


def _unquote(text: str) -> str:
    for opening, closing in _QUOTES:
        inner = text.removeprefix(opening).removesuffix(closing)
        if len(inner) == len(text) - 2 and opening not in inner and closing not in inner:
            return inner.strip()
    return text
