"""Which words of a text say something, and which of those stand in the event."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from nltk.stem.porter import PorterStemmer

from stream_app.core.events import Attributes, RankedItem, RankingEvent, User
from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.shared_facts import list_values

MIN_LETTERS: Final = 4
STEM_LETTERS: Final = 5
"""'romance' and 'romantic' share five letters; Porter's stems of them do not meet."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_STEMMER: Final = PorterStemmer()

CONNECTING_WORDS: Final = FUNCTION_WORDS | frozenset(
    "about above added adds after again ages alike along alongside already also although always among another answers "
    "apart appeal appeals appears around aside asks away back been before being belongs beside besides best better "
    "between beyond blend blends both break bring brings brought came care carries change choice choices choose "
    "clearly close combine combined combines come comes common companion consider continues count course covers deals "
    "different does done down draw drawn draws drew each earlier earned easy else enjoy enjoyed enjoying enough even "
    "ever every exactly expect fair favor favorite favorites favour favourite favourites feel feeling fill fills film "
    "films find finds fine first fits fitting follow followed follows form found full further game games gave gets "
    "getting give given gives goes going gone good great half handy hands have having hear high higher highest highly "
    "hold holds idea instead interest interests into items join joined joins just keep keeping keeps kept kind know "
    "lead leads least leave leaves less lets lies like liked likely likes likewise liking line link links list listed "
    "little long look looking looks love loved loves made make makes making many mark marks match matches matter "
    "matters meal meals mean meant meet meets mention mentioned mentions mind mixed mixes more most move moves much "
    "near need needs neither next nothing offer offers often once ones only open other others outing over pair pairs "
    "part perhaps pick picked piece pieces place places plain plays please pleased pleases pleasure plenty plus point "
    "prefer present promise proved puts quick quite range rate rated rates rather rating ratings reach read reader "
    "readers reading ready reason reasons recommended rest return returns right runs same score seek seem seems sense "
    "series serve served serves sets setting several share shared shares show showed shows side similar since single "
    "sits someone something sort space speak spot star stars start starts stay stays step still stop stories story "
    "subject such suggest suggests suit suited suits take taken takes taste tastes tell tells than their them then "
    "there thing things think though through time together told took touch toward towards turn turned turns under "
    "unlike unusual used uses usual usually value varied very want wants watch watched well went were what when where "
    "which while whole whom whose will wish with within word words work worked works worth would written wrote your "
    "yours yourself".split()
)
"""Words that join facts without stating one, from what recorded explanations say beyond their events."""


def list_content_stems(text: str) -> list[str]:
    """List the stems of the words that state something, in order, repetitions included."""
    words = (match[0].lower() for match in _WORD.finditer(text))
    return [_stem(word) for word in words if len(word) >= MIN_LETTERS and word not in CONNECTING_WORDS]


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


def list_all_values(attributes: Attributes) -> list[str]:
    """List all values of all attributes."""
    return [value for values in attributes.values() for _, value in list_values(values) if value]


def _list_attributes(attributes: Attributes) -> Iterator[str]:
    yield from attributes
    yield from list_all_values(attributes)
