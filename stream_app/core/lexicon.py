"""Words that English writes in lower case, so that a capital at the start of a sentence is not taken for a name."""

from functools import cache
from importlib import resources
from typing import Final

FUNCTION_WORDS: Final = frozenset(
    "a an the this that these those it its if in on at by for from with without of to and or but as after before when "
    "while where who what which how why there here you your they their he she his her we our some any every each all "
    "both either no not one two three four five six seven eight nine ten fans users readers people lovers those anyone "
    "enjoys likes prefers loves is are was were be has have had do does did can could will would may might "
    "should".split()
)
"""Words that never begin a name of several words on their own ('The Scottish ...' names Scotland, not 'The')."""

NAME_CONNECTORS: Final = frozenset(
    "of de la le du des del della di da van von der den the and y e & for in a to".split()
)
"""Lower-case words that may stand inside a name: 'Lord of the Rings'."""

CATEGORY_ATTRIBUTES: Final = frozenset(
    "genre genres category categories tag tags style styles mood moods theme themes topic topics type types keyword "
    "keywords feature features amenities colour color material level format length tone setting price".split()
)
"""Attributes whose values are common nouns even where a catalogue writes them with capitals ('Science Fiction')."""


@cache
def load_common_words() -> frozenset[str]:
    """Load the words that the training texts write in lower case, read once from the package."""
    return load_words("common_words.txt")


@cache
def load_connecting_words() -> frozenset[str]:
    """Load words that join facts without stating one, from what recorded explanations say beyond their events."""
    return FUNCTION_WORDS | load_words("connecting_words.txt")


def load_words(name: str) -> frozenset[str]:
    """Load a list of words of the package."""
    text = resources.files("stream_app.core").joinpath(name).read_text(encoding="utf-8")
    return frozenset(text.split())


def is_connecting(word: str) -> bool:
    """Say whether a word in lower case states nothing: 'another', 'which', 'offers'."""
    return word in load_connecting_words()


def is_common(word: str) -> bool:
    """Say whether a word, whatever its case, is an ordinary English word rather than a name."""
    lowered = word.lower()
    return lowered in FUNCTION_WORDS or lowered in load_common_words()
