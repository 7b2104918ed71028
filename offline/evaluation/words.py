"""Content words of texts and events, and texts without their names."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from stream_app.core.events import RankingEvent
from stream_app.core.facts import EventFacts
from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.names import Mention, find_mentions, find_value_mentions
from stream_app.core.outline import Outline
from stream_app.core.slots import SLOT

_WORD: Final = re.compile(r"([^\W\d_]{3,})(?:['’]\w+)?")
_MASK: Final = "_"

STOP_WORDS: Final = FUNCTION_WORDS | frozenset(
    "about above again against almost along already also although always among another because been before being below "
    "between beyond during even ever everything few further having here into itself just kind least less let made make "
    "makes many more most much must never next nothing now off often once only onto other otherwise ours out over own "
    "part perhaps put puts quite rather really same set sets several shall since some something somewhere sort still "
    "such sure take takes than them then thing things though through thus time together too toward towards under until "
    "upon very via way well were whatever whether whole whom whose within yet your yours yourself again them don doesn "
    "didn isn aren wasn weren won hasn haven couldn wouldn shouldn ain come comes get gets give gives given giving go "
    "goes going got keep keeps seem seems use used using look looks looking find finds found bring brings add adds mix "
    "like likes liked love loved loving enjoy enjoyed enjoying prefer preferred appreciate favourite favorite "
    "recommend recommended recommendation suggest suggested suggestion try pick picked choice choose option match fit "
    "fits fitting suit suits suited appeal appeals appealing interest interested interests taste tastes want wants "
    "worth good great right new similar share shares shared item rated rate seen watched know known".split()
)
"""Words that say nothing of the item or the user: the core's function words, adverbs and light verbs, and the words in
which people recommend. What is left is what a text claims."""


def list_content_stems(text: str) -> list[str]:
    """List the stems of a text's content words, in order.

    A content word has three letters or more and is not in `STOP_WORDS`; stems are Snowball's for English ('Porter2').
    """
    words = (match[1].lower() for match in _WORD.finditer(text))
    return [_stem(word) for word in words if word not in STOP_WORDS]


@cache
def _load_stemmer() -> Any:
    from nltk.stem.snowball import SnowballStemmer  # Takes seconds: it brings all of NLTK.

    return SnowballStemmer("english")


@cache
def _stem(word: str) -> str:
    stem: str = _load_stemmer().stem(word)
    return stem


def list_event_stems(event: RankingEvent) -> frozenset[str]:
    """List the stems of all content words of an event: what a text may claim."""
    facts = EventFacts(event, 0)
    names = [*event.items[0].attributes, *(name for entry in event.user.history for name in entry.attributes)]
    return frozenset(list_content_stems(facts.words + "\n" + "\n".join(names)))


def mask_names(text: str, event: RankingEvent) -> str:
    """Put `_` for each title, name and number of a text, and lower its case: its skeleton."""
    outline = Outline(text, EventFacts(event, 0), ())
    spans = [(mark.start, mark.end) for mark in outline.marks]
    # In the text without the names that are known: 'Like Heat' at the start of a sentence would pass for one name.
    spans += [(mention.start, mention.end) for mention in find_mentions(outline.masked)]
    spans += [match.span() for match in SLOT.finditer(text)]
    return _replace(text, spans).lower()


def remove_names(text: str, event: RankingEvent) -> str:
    """Remove each title, name and number from a text, and lower its case."""
    return " ".join(mask_names(text, event).replace(_MASK, " ").split())


def _replace(text: str, spans: list[tuple[int, int]]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start >= position:
            pieces += [text[position:start], _MASK]
        position = max(position, end)
    return "".join([*pieces, text[position:]])


def describe_without_names(event: RankingEvent) -> str:
    """Describe an event's first item and its user without titles, names and numbers: what retrieval looks for."""
    return " . ".join(part for part in _list_parts(event) if part)


def _list_parts(event: RankingEvent) -> Iterator[str]:
    facts = EventFacts(event, 0)
    for name, value, _ in facts.item.values:
        yield _remove(value, find_value_mentions(name, value))
    for text in (event.items[0].summary or "", *event.user.preferences):
        yield _remove(text, find_mentions(text))
    shown = {
        value for entry in facts.history for name, value, _ in entry.values if not find_value_mentions(name, value)
    }
    yield " , ".join(sorted(shown)).lower()


def _remove(text: str, mentions: list[Mention]) -> str:
    masked = _replace(text, [(mention.start, mention.end) for mention in mentions])
    return " ".join(masked.replace(_MASK, " ").split()).lower()
