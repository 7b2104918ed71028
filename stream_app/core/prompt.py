"""From an event and one of its items to the student's prompt and the slots that belong to it.

The prompt is one line of marked fields, about 100 tokens:

    <by-item> <long> <item> <t> Heat ; genre crime , <same> thriller ; director <n1> Michael Mann ; year <y1> 1995
    <about> ... <pref> ... <love> <h1> Fargo ; genre <same> thriller , comedy <like> <h2> ... <meh> <h3> ...

`<same>` marks a value that the item shares with something in the history, so that the student need not find shared
facts on its own. Changing anything here changes `compute_prompt_fingerprint()`, and with it the models that fit.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import orjson

from stream_app.core.events import HistoryItem, RankingEvent
from stream_app.core.names import Mention, clean_text, find_mentions, find_shown_title, find_value_mentions
from stream_app.core.slots import (
    HISTORY_SLOTS,
    ITEM_SLOT,
    NAME_SLOTS,
    NUMBER_SLOTS,
    SLOT_TOKENS,
    UNNAMED_ITEM,
    Liking,
    Slot,
    SlotTable,
    label_liking,
)
from stream_app.core.styles import Length, Opening, Style, order_styles

PROMPT_VERSION: Final = 1
MAX_LIKED_SHOWN: Final = 5
MAX_OTHER_SHOWN: Final = 1
MAX_HISTORY_SHOWN: Final = MAX_LIKED_SHOWN + MAX_OTHER_SHOWN
MAX_ATTRIBUTES_SHOWN: Final = 12
MAX_VALUES_SHOWN: Final = 8
MAX_HISTORY_VALUES_SHOWN: Final = 6
MAX_SUMMARY_WORDS: Final = 70
MAX_PREFERENCE_WORDS: Final = 70
MAX_TITLE_WORDS: Final = 16


FIELD_TOKENS: Final = ("<item>", "<about>", "<pref>", "<same>", *Liking)
PROMPT_TOKENS: Final = (*Opening, *Length, *FIELD_TOKENS, *SLOT_TOKENS)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the student reads about one (event, item), without the style, and the slots that it may write."""

    body: str
    slots: SlotTable
    styles: tuple[Style, ...]
    """Styles that suit what is known, in the order in which they are tried: a function of event id and item id."""

    def render(self, style: Style) -> str:
        """Render the whole prompt for one style."""
        return f"{style.opening} {style.length} {self.body}"


@dataclass(slots=True)
class _SlotBook:
    """Gives each distinct name one slot, however often the event repeats it."""

    slots: dict[str, Slot] = field(default_factory=dict)
    _names: Iterator[str] = field(default_factory=lambda: iter(NAME_SLOTS))
    _numbers: Iterator[str] = field(default_factory=lambda: iter(NUMBER_SLOTS))

    def assign(self, value: str, mention: Mention, pointer: str) -> str | None:
        surface = value[mention.start : mention.end]
        if surface not in self.slots:
            token = next(self._names if mention.kind == "name" else self._numbers, None)
            if token is None:
                return None
            self.slots[surface] = Slot(token, surface, pointer, mention.start, mention.end)
        return self.slots[surface].token

    def mark(self, value: str, mentions: list[Mention], pointer: str) -> str:
        """Write a slot token before each name of a field's text."""
        pieces: list[str] = []
        position = 0
        for mention in mentions:
            token = self.assign(value, mention, pointer)
            if token is not None:
                pieces += [clean_text(value[position : mention.start]), token]
                position = mention.start
        pieces.append(clean_text(value[position:]))
        return " ".join(piece for piece in pieces if piece)


def list_values(values: str | list[str]) -> list[tuple[str, str]]:
    """List the values of an attribute, each with the end of its JSON pointer ('' or '/0', '/1', ...)."""
    if isinstance(values, str):
        return [("", values)]
    return [(f"/{index}", value) for index, value in enumerate(values)]


def escape_pointer(name: str) -> str:
    """Escape a name for use in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def build_prompt(event: RankingEvent, item_index: int) -> Prompt:
    """Build the prompt and the slots for one item of an event."""
    return _PromptBuilder(event, item_index).build()


class _PromptBuilder:
    def __init__(self, event: RankingEvent, item_index: int) -> None:
        self._event = event
        self._index = item_index
        self._item = event.items[item_index]
        self._book = _SlotBook()
        self._titles: list[Slot] = []
        self._history = _select_history(event, item_index)
        self._shared = self._find_shared()

    def build(self) -> Prompt:
        parts = ["<item>", self._render_title(), *self._render_item_attributes()]
        parts += self._render_text(
            "<about>", [(f"/items/{self._index}/summary", self._item.summary)], MAX_SUMMARY_WORDS
        )
        preferences: list[tuple[str, str | None]] = [
            (f"/user/preferences/{index}", text) for index, text in enumerate(self._event.user.preferences)
        ]
        parts += self._render_text("<pref>", preferences, MAX_PREFERENCE_WORDS)
        has_preferences = "<pref>" in parts
        parts += [part for entry in self._history for part in self._render_history(entry)]
        table = SlotTable((*self._titles, *self._book.slots.values()))
        return Prompt(" ".join(parts), table, self._order_styles(table, has_preferences))

    def _find_shared(self) -> set[tuple[str, str]]:
        own = _list_facts(self._item.attributes)
        return own & {fact for entry in self._history for fact in _list_facts(entry.item.attributes)}

    def _render_title(self) -> str:
        pointer = f"/items/{self._index}/title"
        shown = find_shown_title(self._item.title)
        if shown is None:
            self._titles.append(Slot(ITEM_SLOT, UNNAMED_ITEM, pointer, 0, 0))
            return f"{ITEM_SLOT} item"
        self._titles.append(_title_slot(ITEM_SLOT, self._item.title, shown, pointer))
        return f"{ITEM_SLOT} {_shorten(clean_text(self._item.title[shown.start : shown.end]), MAX_TITLE_WORDS)}"

    def _render_item_attributes(self) -> list[str]:
        parts: list[str] = []
        for name, values in list(self._item.attributes.items())[:MAX_ATTRIBUTES_SHOWN]:
            pointer = f"/items/{self._index}/attributes/{escape_pointer(name)}"
            shown = [
                self._render_value(name, value, pointer + suffix)
                for suffix, value in list_values(values)[:MAX_VALUES_SHOWN]
                if clean_text(value)
            ]
            if shown:
                parts += [";", clean_text(name), " , ".join(shown)]
        return parts

    def _render_value(self, name: str, value: str, pointer: str) -> str:
        marked = self._book.mark(value, find_value_mentions(name, value), pointer)
        return f"<same> {marked}" if _fact(name, value) in self._shared else marked

    def _render_text(self, marker: str, fields: list[tuple[str, str | None]], max_words: int) -> list[str]:
        parts: list[str] = []
        for pointer, text in fields:
            shown = _shorten(text or "", max_words)
            max_words -= len(shown.split())
            if clean_text(shown):
                parts.append(self._book.mark(shown, find_mentions(shown), pointer))
        return [marker, *parts] if parts else []

    def _render_history(self, entry: "_HistoryEntry") -> list[str]:
        item, pointer = entry.item, f"/user/history/{entry.index}"
        shown = find_shown_title(item.title)
        if shown is None:
            return []
        token = HISTORY_SLOTS[sum(slot.token in HISTORY_SLOTS for slot in self._titles)]
        self._titles.append(_title_slot(token, item.title, shown, f"{pointer}/title"))
        parts = [entry.liking, token, _shorten(clean_text(item.title[shown.start : shown.end]), MAX_TITLE_WORDS)]
        budget = MAX_HISTORY_VALUES_SHOWN
        for name, values in item.attributes.items():
            rendered = [
                self._render_value(name, value, f"{pointer}/attributes/{escape_pointer(name)}{suffix}")
                for suffix, value in list_values(values)
                if clean_text(value) and self._is_worth_showing(name, value)
            ][:budget]
            budget -= len(rendered)
            if rendered:
                parts += [";", clean_text(name), " , ".join(rendered)]
        return parts

    def _is_worth_showing(self, name: str, value: str) -> bool:
        # Who made a film of the history matters only where the item has the same person: else it costs tokens.
        return _fact(name, value) in self._shared or not find_value_mentions(name, value)

    def _order_styles(self, table: SlotTable, has_preferences: bool) -> tuple[Style, ...]:
        is_liking = any(entry.liking in (Liking.LOVED, Liking.LIKED) for entry in self._history)
        knows_user = is_liking or has_preferences
        own = f"/items/{self._index}/"
        has_name = any(slot.token in NAME_SLOTS and slot.pointer.startswith(own) for slot in table.slots)
        suitable = {
            Opening.ITEM: True,
            Opening.HISTORY: is_liking,
            Opening.NAME: has_name,
            Opening.USER: knows_user,
            Opening.LINK: knows_user,
            Opening.DETERMINER: True,
            Opening.FACT: True,
        }
        key = orjson.dumps([self._event.event_id, self._item.item_id])
        return order_styles([opening for opening, is_suitable in suitable.items() if is_suitable], key)


def _title_slot(token: str, title: str, shown: Mention, pointer: str) -> Slot:
    return Slot(token, title[shown.start : shown.end], pointer, shown.start, shown.end)


def _shorten(text: str, max_words: int) -> str:
    """Keep the first words of a text, white space as it was, so that spans still count in the field."""
    position = 0
    for count, word in enumerate(text.split()):
        if count == max_words:
            return text[:position]
        position = text.index(word, position) + len(word)
    return text if max_words > 0 else ""


def _fact(name: str, value: str) -> tuple[str, str]:
    """A value as it is compared: words wherever they stand, numbers only under the same attribute."""
    folded = value.casefold().strip()
    return (name.casefold() if any(character.isdigit() for character in folded) else "", folded)


def _list_facts(attributes: dict[str, str | list[str]]) -> set[tuple[str, str]]:
    return {
        _fact(name, value) for name, values in attributes.items() for _, value in list_values(values) if value.strip()
    }


@dataclass(frozen=True, slots=True)
class _HistoryEntry:
    index: int
    item: HistoryItem
    liking: Liking
    shared: int


def _select_history(event: RankingEvent, item_index: int) -> list[_HistoryEntry]:
    """Choose what of the history the student sees: what was liked and resembles the item, one disliked at most."""
    own = _list_facts(event.items[item_index].attributes)
    scale = event.user.rating_scale
    entries = [
        _HistoryEntry(index, item, label_liking(item.rating, scale), len(own & _list_facts(item.attributes)))
        for index, item in enumerate(event.user.history)
    ]
    by_relevance = sorted(entries, key=lambda entry: (-entry.shared, _RANK[entry.liking], entry.index))
    chosen = [entry for entry in by_relevance if entry.liking in (Liking.LOVED, Liking.LIKED)][:MAX_LIKED_SHOWN]
    unrated = [entry for entry in by_relevance if entry.liking is Liking.UNRATED]
    chosen += unrated[: MAX_LIKED_SHOWN - len(chosen)]
    chosen += [entry for entry in by_relevance if entry.liking is Liking.OTHER][:MAX_OTHER_SHOWN]
    return sorted(chosen, key=lambda entry: (_RANK[entry.liking], -entry.shared, entry.index))


_RANK: Final = {liking: rank for rank, liking in enumerate(Liking)}

_PROBES: Final = (
    b'{"event_id":"probe","occurred_at":"2026-01-01T00:00:00Z","user":{"user_id":"u","history":[{"item_id":"a","title":'
    b'"Fargo (a.k.a. F)","rating":5,"attributes":{"genre":["crime","comedy"],"director":"Joel Coen","year":"1996"}},'
    b'{"item_id":"b","title":"Clueless","rating":4,"attributes":{"genre":"Comedy"}},{"item_id":"c","title":"Babe",'
    b'"rating":2},{"item_id":"d","title":"Jumanji"}],"preferences":["Likes Scottish islands. Dislikes 3D films."]},'
    b'"items":[{"item_id":"i","title":"Raising Arizona","rank":1,"attributes":{"genre":["crime","comedy"],"director":'
    b'["Joel Coen"],"year":"1987","venue":"The Lock House"},"summary":"Violet Sanford moves to NYC in 1999 <b>."}]}'
)


@cache
def compute_prompt_fingerprint() -> str:
    """Compute what identifies the prompt's format: 16 hexadecimal characters, stored in every model's manifest."""
    event = RankingEvent.model_validate(orjson.loads(_PROBES))
    prompt = build_prompt(event, 0)
    slots = [[slot.token, slot.surface, slot.pointer] for slot in prompt.slots.slots]
    styles = [style.words for style in prompt.styles]
    content = [PROMPT_VERSION, list(PROMPT_TOKENS), prompt.body, slots, styles]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]
