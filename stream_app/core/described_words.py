"""Nouns of free text that mean something on their own, found by their form and place: no grammar is at hand."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.phrases import Quote, quote_value

MIN_LETTERS: Final = 4
MAX_CHARACTERS_READ: Final = 1_000
"""Of each text: what a person would read before they decide, and a bound on the work."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SENTENCE: Final = re.compile(r"[^.!?;\n]+")
_PHRASE_END: Final = re.compile(
    r"\b(?:of|with|for|about|like|offers|serves)\s(?:[a-z-]+\s)?([a-z]+)(?=[,.;]|\s(?:and|or)\s)"
)
_NEGATION: Final = re.compile(
    r"n['’]t\b|\b(?:not?|never|nor|none|without|dislik\w*|hat(?:e|es|ed|ing)|avoid\w*|less|rather|instead|except|but|"
    r"unless|although|though|however|despite|tired|bored|allerg\w*|fewer|free|low|against|stop\w*|fear\w*|reject\w*|"
    r"skip\w*|unlike|lack\w*|than|only|over|enough|any|anti)\b",
    re.IGNORECASE,
)
_ADJECTIVE_ENDING: Final = re.compile(
    r"(?:able|ible|ful|ous|ive|less|ish|est|ly|ed|al|ic|ing|ary|ory|ant|ent|iar|ier|y)\Z"
)
_NOUNS_DESPITE_ENDING: Final = frozenset(
    "music family comedy mystery history fantasy poetry biography technology philosophy photography gallery library "
    "pottery jewelry bakery brewery city country valley party monastery fairy magic classic comic topic animal "
    "festival journal hospital musical documentary memory theory factory breakfast forest harvest plant elephant "
    "restaurant talent environment entertainment equipment rice vegetables whiskey honey barley turkey kids "
    "embroidery dining hiking cooking baking shopping writing painting gardening wedding racing swimming fishing "
    "climbing camping cycling sailing skiing dancing drawing knitting sewing puzzle".split()
)
_SAYING_LITTLE: Final = frozenset(
    "young wide stories story offering offerings setting settings diverse outdoor indoor vintage adult adults cuisine "
    "user users reader readers fans people person someone anyone everyone enjoy enjoys enjoyed enjoying like likes "
    "liked love loves loved prefer prefers preference preferences interest interests interested appreciate "
    "appreciates looking look looks want wants need needs find finds seek seeks tend tends likely would could "
    "should also with that this these those from their them they about more most many much some such very well good "
    "great best better nice fine thing things stuff kind kinds type types sort sorts item items option options "
    "choice choices experience experiences element elements aspect aspects feature features especially particularly "
    "including include includes various variety range mix touch sense strong unique different similar small large "
    "long short high quality value world place places lots having being make makes made taste tastes seem seems "
    "work works time times back take takes give gives keep keeps come comes offer offers provide provides while "
    "when where which what there here into over around between among through during other others both each every "
    "same than then ever even still just really always often usually sometimes mostly mainly highly easy fast slow "
    "quick light dark deep rich bright quiet warm cold cool real true main modern simple open free full whole fresh "
    "close local general certain content based review reviews rating ratings something anything everything nothing "
    "fond favor favors favorite favorites favourite favourites engaging interesting exciting compelling captivating "
    "charming entertaining inspiring amazing loving caring moving making going getting trying giving taking using "
    "used within explore explores exploring explored depth level theme themes style styles start lover lovers "
    "enthusiasts enthusiast ones self sure lead leads values name names mention mentions description listing your "
    "yours suit consider speaks have has had will may might must were was are is be been does did done can cannot "
    "not never none without less".split()
)


def find_described_words(summary: str | None, pointer: str) -> list[Quote]:
    """Find nouns of a description that end a phrase which a preposition begins, as in `with live music`."""
    text = (summary or "")[:MAX_CHARACTERS_READ]
    sentences = [part for part in list_sentences(text) if not is_negated(part[0])]
    matches = [match for part in sentences for match in _PHRASE_END.finditer(text, part.start(), part.end())]
    return [Quote(match[1], pointer, *match.span(1)) for match in matches if _is_telling(match[1])]


def list_sentences(text: str, max_characters: int = MAX_CHARACTERS_READ) -> Iterator[re.Match[str]]:
    """List the sentences of the part of a text that is read."""
    return _SENTENCE.finditer(text, 0, max_characters)


def is_negated(sentence: str) -> bool:
    """Say whether a sentence denies, rejects or limits anything: none of its words is then safe to take up."""
    return _NEGATION.search(sentence) is not None


def list_words(texts: Iterable[str]) -> frozenset[str]:
    """List the words of some texts, without case."""
    return frozenset(match[0].casefold() for text in texts for match in _WORD.finditer(text))


def quote_telling_words(text: str, pointer: str) -> Iterator[Quote]:
    """Quote the nouns of the sentences that deny nothing."""
    for sentence in list_sentences(text):
        if is_negated(sentence[0]):
            continue
        for match in _WORD.finditer(text, sentence.start(), sentence.end()):
            if _is_telling(match[0]) and (quote := quote_value("", match[0], pointer)):
                yield Quote(quote.text, pointer, match.start(), match.end())


def _is_telling(word: str) -> bool:
    """Say whether a word is a noun, as far as its form tells, that means something on its own."""
    lowered = word.lower()
    if len(lowered) < MIN_LETTERS or lowered in FUNCTION_WORDS or lowered in _SAYING_LITTLE or word != lowered:
        return False
    return lowered in _NOUNS_DESPITE_ENDING or not _ADJECTIVE_ENDING.search(lowered)
