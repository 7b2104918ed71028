"""Which words of a text say something, and which of those stand in the event."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from nltk.stem.porter import PorterStemmer

from stream_app.core.events import Attributes, RankedItem, RankingEvent, User
from stream_app.core.lexicon import is_connecting
from stream_app.core.shared_facts import list_all_values

MIN_LETTERS: Final = 4
STEM_LETTERS: Final = 5
"""'romance' and 'romantic' share five letters; Porter's stems of them do not meet."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_STEMMER: Final = PorterStemmer()


def list_content_stems(text: str) -> list[str]:
    """List the stems of the words that state something, in order, repetitions included."""
    words = (match[0].lower() for match in _WORD.finditer(text))
    return [_stem(word) for word in words if len(word) >= MIN_LETTERS and not is_connecting(word)]


@cache
def _stem(word: str) -> str:
    return str(_STEMMER.stem(word))[:STEM_LETTERS]


def stem_event(event: RankingEvent) -> frozenset[str]:
    """Collect the stems of all that an event says of the user and the first item."""
    return stem_all((*list_item_texts(event.items[0]), *list_user_texts(event.user)))


def stem_all(texts: Iterable[str]) -> frozenset[str]:
    """Collect the stems of the content words of some texts."""
    return frozenset(stem for text in texts for stem in list_content_stems(text))


def list_item_texts(item: RankedItem) -> Iterator[str]:
    """List what is said of an item: title, attribute names and values, summary."""
    yield item.title
    yield from _list_attributes(item.attributes)
    yield item.summary or ""


def list_user_texts(user: User) -> Iterator[str]:
    """List what is said of a user: preferences, and each entry of the history with its attributes."""
    yield from user.preferences
    for entry in user.history:
        yield entry.title
        yield from _list_attributes(entry.attributes)


def _list_attributes(attributes: Attributes) -> Iterator[str]:
    yield from attributes
    yield from list_all_values(attributes)
