"""The words that a user's preferences and an item have in common, for a link that claims nothing else."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from stream_app.core.events import RankedItem, User
from stream_app.core.item_facts import is_private
from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.phrases import Quote, quote_value
from stream_app.core.prompt import list_values

MIN_LETTERS: Final = 4

_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SENTENCE: Final = re.compile(r"[^.!?;\n]+")
_NEGATION: Final = re.compile(
    r"n['’]t\b|\b(?:not?|never|nor|none|without|dislik\w*|hat(?:e|es|ed|ing)|avoid\w*|less|rather|instead|except|but|"
    r"unless|although|though|however|despite|tired|bored|allerg\w*|fewer|free|low|against|stop\w*|fear\w*|reject\w*|"
    r"skip\w*|unlike|lack\w*|than|only|over|enough|any|anti)\b",
    re.IGNORECASE,
)
_ADJECTIVE_ENDING: Final = re.compile(r"(?:able|ible|ful|ous|ive|less|ish|est|ly|ed|al|ic|ing|ary|ory|ant|ent|iar|ier|y)\Z")
_NOUNS_DESPITE_ENDING: Final = frozenset(
    "music family comedy mystery history fantasy poetry biography technology philosophy photography gallery library "
    "pottery jewelry bakery brewery city country valley party monastery fairy magic classic comic topic animal "
    "festival journal hospital musical documentary memory theory factory breakfast forest harvest plant elephant "
    "restaurant talent environment entertainment equipment rice vegetables whiskey honey barley turkey kids "
    "embroidery dining hiking cooking baking shopping writing painting gardening wedding racing swimming fishing "
    "climbing camping cycling sailing skiing dancing drawing knitting sewing puzzle".split()
)
_SAYING_LITTLE: Final = frozenset(
    "stories story offering offerings setting settings plates diverse outdoor indoor vintage adult adults cuisine "
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


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word of the preferences that the item has too, and where the item has it: `description` or `listing`."""

    quote: Quote
    where: str


def find_shared_words(user: User, item: RankedItem) -> list[SharedWord]:
    """Find words that the preferences and the item share, in the order of the preferences; a rejected word is none."""
    described = _list_words(part[0] for part in _list_sentences(item.summary or "") if not _is_negated(part[0]))
    listed = _list_words(
        value for name, values in item.attributes.items() if not is_private(name) for _, value in list_values(values)
    )
    rejected = _list_words(
        part[0] for text in user.preferences for part in _list_sentences(text) if _is_negated(part[0])
    )
    found: dict[str, SharedWord] = {}
    for index, text in enumerate(user.preferences):
        for quote in _list_quotes(text, f"/user/preferences/{index}"):
            word = quote.text.casefold()
            if word not in rejected and word not in found and (word in described or word in listed):
                found[word] = SharedWord(quote, "listing" if word in listed else "description")
    return list(found.values())


def _list_sentences(text: str) -> Iterator[re.Match[str]]:
    return _SENTENCE.finditer(text)


def _is_negated(sentence: str) -> bool:
    return _NEGATION.search(sentence) is not None


def _list_words(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(match[0].casefold() for text in texts for match in _WORD.finditer(text))


def _list_quotes(text: str, pointer: str) -> Iterator[Quote]:
    for sentence in _list_sentences(text):
        if _is_negated(sentence[0]):
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
