"""The explanation that needs no model: a sentence built from the facts of the event, the same for the same event.

The closest link is used first: what the item shares with something that the user liked, then with something of their
history, then a word of their preferences, then the item's own facts, and at last its rank. In each case a hash of
event id and item id chooses among several wordings. Wordings that the faithfulness check turns down (a title may
read like a claim) or that come out too long are passed over.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import orjson

from stream_app.core.events import Attributes, HistoryItem, RankingEvent
from stream_app.core.faithfulness import MAX_WORDS, MIN_WORDS, check_faithfulness
from stream_app.core.item_facts import PEOPLE, Fact, list_facts, tell_description
from stream_app.core.per_event import PerEvent
from stream_app.core.phrases import Phrase, Quote, WrittenText, compose, join, name_item, quote_title, render_phrase
from stream_app.core.shared_facts import list_values
from stream_app.core.shared_words import find_shared_words
from stream_app.core.slots import UNNAMED_ITEM, Liking, label_liking
from stream_app.core.wordings import (
    ALONE,
    FOLLOW_UP,
    LIKED_LINKS,
    LIKED_VERBS,
    PREFERENCES,
    RANKED,
    SEEN_LINKS,
    UNKNOWN,
)

MAX_LINKS_TRIED: Final = 3
MAX_WORDS_TRIED: Final = 3
MAX_FACTS_TOLD: Final = 3

_WEAK_ATTRIBUTES: Final = frozenset(("year", "decade", "language", "country", "price", "platform"))
"""What many items share by chance: a link of last resort."""

__all__ = ["MAX_WORDS", "MIN_WORDS", "WrittenText", "write_template"]


def write_template(event: RankingEvent, item_index: int) -> WrittenText:
    """Write the explanation of one item without a model: 8 to 40 words, faithful, a pure function of its arguments."""
    candidates = _Sentences(event, item_index).list_all()
    fitting = (text for text in candidates if MIN_WORDS <= len(text.text.split()) <= MAX_WORDS)
    last = None
    for last in fitting:
        if not check_faithfulness(last.text, event, item_index, last.evidence).violations:
            return last
    assert last is not None, "the rank of an item without a name always makes a sentence"
    return last


@dataclass(frozen=True, slots=True)
class _Link:
    """A fact of the item that an entry of the history has too; its quotes are the item's shared values only."""

    title: Quote
    liking: Liking
    fact: Fact

    @property
    def strength(self) -> tuple[bool, bool, bool, int, bool]:
        attribute = self.fact.attribute
        is_seen, is_loved = self.liking is Liking.UNRATED, self.liking is Liking.LOVED
        return (is_seen, attribute in _WEAK_ATTRIBUTES, attribute not in PEOPLE, -len(self.fact.quotes), not is_loved)


class _Told:
    """What can be told of an entry of the history; in words only once an item shares something with it."""

    def __init__(self, entry: HistoryItem, pointer: str, liking: Liking) -> None:
        self.liking = liking
        self.values = _fold_values(entry.attributes)
        self._entry = entry
        self._pointer = pointer

    @cached_property
    def title(self) -> Quote | None:
        return quote_title(self._entry.title, f"{self._pointer}/title")

    @cached_property
    def facts(self) -> dict[str, Fact]:
        return {fact.attribute: fact for fact in list_facts(self._entry.attributes, self._pointer)}


@PerEvent
def _list_told(event: RankingEvent) -> list[_Told]:
    """List what can be told of the entries of the history, without those that the user did not like."""
    likings = [label_liking(entry.rating, event.user.rating_scale) for entry in event.user.history]
    return [
        _Told(entry, f"/user/history/{index}", liking)
        for index, (entry, liking) in enumerate(zip(event.user.history, likings, strict=True))
        if liking is not Liking.OTHER
    ]


class _Sentences:
    """All sentences that could be said of one item, the best first."""

    def __init__(self, event: RankingEvent, item_index: int) -> None:
        self._event = event
        self._item = event.items[item_index]
        self._pointer = f"/items/{item_index}"
        self._name = name_item(self._item.title, f"{self._pointer}/title")
        in_order = sorted(list_facts(self._item.attributes, self._pointer), key=_place_in_telling)
        self._facts = _put_year_after_kind(in_order) or tell_description(
            self._item.summary, f"{self._pointer}/summary", self._item.title
        )
        key = orjson.dumps([event.event_id, self._item.item_id])
        self._draw = int.from_bytes(hashlib.sha256(key).digest()[:8])

    def list_all(self) -> Iterator[WrittenText]:
        """List the sentences lazily; the last ones can always be said."""
        for name in dict.fromkeys((self._name, (UNNAMED_ITEM,))):
            for phrase in self._list_phrases(name):
                yield render_phrase(phrase)

    def _list_phrases(self, name: Phrase) -> Iterator[Phrase]:
        for link in sorted(self._find_links(), key=lambda link: link.strength)[:MAX_LINKS_TRIED]:
            yield from self._tell_link(name, link)
        yield from self._tell_shared_words(name)
        yield from self._tell_facts(name)
        yield from self._tell_rank(name)

    def _rotate(self, wordings: Sequence[str]) -> Sequence[str]:
        """Begin the list of wordings where the hash points."""
        first = self._draw % len(wordings)
        return (*wordings[first:], *wordings[:first])

    def _find_links(self) -> Iterator[_Link]:
        own = _fold_values(self._item.attributes)
        name = _read(self._name).casefold()
        for entry in _list_told(self._event):
            # Most entries share nothing: they are passed over before anything of theirs is put into words.
            if own.isdisjoint(entry.values) or entry.title is None or entry.title.text.casefold() == name:
                continue
            for fact in self._facts:
                if fact.attribute in entry.facts and (shared := fact.keep_shared(entry.facts[fact.attribute])):
                    yield _Link(entry.title, entry.liking, shared)

    def _tell_link(self, name: Phrase, link: _Link) -> Iterator[Phrase]:
        is_seen = link.liking is Liking.UNRATED
        mild = LIKED_VERBS[self._draw // 7 % len(LIKED_VERBS)]
        for wording in self._rotate(SEEN_LINKS if is_seen else LIKED_LINKS):
            # 'Like X, which you liked' would say the same word twice.
            verb = "loved" if link.liking is Liking.LOVED else LIKED_VERBS[0] if wording.startswith("Like") else mild
            parts: dict[str, Phrase] = {"t": name, "h": (link.title,), "verb": (verb,), "same": link.fact.as_shared}
            sentence = compose(wording, **parts, clause=link.fact.clause)
            if "{t}" in wording.partition("{h}")[2]:
                yield from self._follow_up(
                    sentence, [fact for fact in self._facts if fact.attribute != link.fact.attribute]
                )
            yield sentence

    def _tell_shared_words(self, name: Phrase) -> Iterator[Phrase]:
        for word in find_shared_words(self._event, self._item)[:MAX_WORDS_TRIED]:
            for wording in self._rotate(PREFERENCES):
                sentence = compose(wording, t=name, w=(word.quote,), where=(word.where,))
                yield from self._follow_up(
                    sentence, [fact for fact in self._facts if not fact.has_word(word.quote.text)]
                )
                yield sentence

    def _follow_up(self, sentence: Phrase, facts: Sequence[Fact]) -> Iterator[Phrase]:
        """Add a second sentence on facts that the first one leaves out."""
        facts = [fact for fact in facts if fact.attribute != "description"]
        if facts and self._draw % 3:
            yield (*sentence, *compose(FOLLOW_UP, clause=_join_clauses(facts[: 1 + self._draw % 2])))

    def _tell_facts(self, name: Phrase) -> Iterator[Phrase]:
        for count in range(min(MAX_FACTS_TOLD, len(self._facts)), 0, -1):
            facts = self._facts[:count]
            for wording in self._rotate(ALONE):
                yield compose(wording, t=name, tail=_join_tails(facts), clause=_join_clauses(facts))
        for fact in self._facts[1:]:
            yield from (compose(wording, t=name, tail=fact.tail, clause=fact.clause) for wording in self._rotate(ALONE))

    def _tell_rank(self, name: Phrase) -> Iterator[Phrase]:
        # A summary or an attribute may be there that no sentence can be made of: then nothing is said of details.
        wordings = RANKED if self._item.summary or self._item.attributes else UNKNOWN
        rank = str(self._item.rank)
        quote = Quote(rank, f"{self._pointer}/rank", 0, len(rank))
        yield from (compose(wording, t=name, rank=(quote,)) for wording in self._rotate(wordings))


def _place_in_telling(fact: Fact) -> int:
    """What it is first, then who made it, then the rest."""
    if fact.is_kind:
        return 0
    if fact.attribute in _WEAK_ATTRIBUTES:
        return 3
    return 1 if fact.attribute in PEOPLE else 2


def _put_year_after_kind(facts: list[Fact]) -> list[Fact]:
    """Bring `a thriller` and `from 1995` together where both are known."""
    if not facts or not facts[0].is_kind:
        return facts
    return sorted(facts, key=lambda fact: (not fact.is_kind, fact.attribute != "year"))


def _join_tails(facts: Sequence[Fact]) -> Phrase:
    """Join what follows a name: `a thriller from 1995, directed by Michael Mann`."""
    tail = facts[0].tail
    for before, fact in pairwise(facts):
        tail = (*tail, " " if _is_year_of_kind(before, fact) else ", ", *fact.tail)
    return tail


def _join_clauses(facts: Sequence[Fact]) -> Phrase:
    """Join what an item does: `is a thriller from 1995 and was directed by Michael Mann`."""
    clauses = [facts[0].clause]
    for before, fact in pairwise(facts):
        if _is_year_of_kind(before, fact):
            clauses[-1] = (*clauses[-1], " ", *fact.tail)
        else:
            clauses.append(fact.clause)
    return clauses[0] if len(clauses) == 1 else (*join(clauses[:-1], ", "), " and ", *clauses[-1])


def _is_year_of_kind(before: Fact, fact: Fact) -> bool:
    return before.is_kind and fact.attribute == "year"


def _fold_values(attributes: Attributes) -> set[str]:
    return {value.strip().casefold() for values in attributes.values() for _, value in list_values(values)}


def _read(phrase: Phrase) -> str:
    return "".join(piece.text if isinstance(piece, Quote) else piece for piece in phrase)
