"""From an event and one of its items to the student's prompt and the slots that belong to it.

The prompt is one line of marked fields, about 60 tokens:

    <by-item> <long> <plain> <item> <t> Heat ; genre crime , <same> thriller ; director <n1> Michael Mann ;
    year <y1> 1995 <about> ... <pref> ... <love> <h1> Fargo ; genre <same> thriller , comedy <like> <h2> ...

Which items of the history it shows is planned, one or two for each text: the student uses what it is shown, and cannot
mix up what it does not see. `<same>` marks a value that the item shares with them, so that the student need not find
shared facts on its own. Changing anything here changes `compute_prompt_fingerprint()`, and with it the models that fit.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import orjson

from stream_app.core.events import RankingEvent
from stream_app.core.history import Candidate, find_related, select_candidates
from stream_app.core.names import Mention, clean_text, find_mentions, find_shown_title, find_value_mentions
from stream_app.core.shared_facts import compute_fact, escape_pointer, list_facts, list_values
from stream_app.core.shown_items import ShownItem, ShownValue
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
)
from stream_app.core.styles import Length, Manner, Opening, Plan, Style, choose_history, order_styles

PROMPT_VERSION: Final = 4
MAX_ATTRIBUTES_SHOWN: Final = 12
MAX_VALUES_SHOWN: Final = 8
MAX_HISTORY_VALUES_SHOWN: Final = 6
MAX_SUMMARY_WORDS: Final = 70
MAX_PREFERENCE_WORDS: Final = 70
MAX_TITLE_WORDS: Final = 16


FIELD_TOKENS: Final = ("<item>", "<about>", "<pref>", "<same>", *Liking)
PROMPT_TOKENS: Final = (*Opening, *Length, *Manner, *FIELD_TOKENS, *SLOT_TOKENS)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the student may read about one (event, item), and the slots that it may write."""

    item: ShownItem
    texts: str
    """Summary and preferences, marked."""
    history: tuple[ShownItem, ...]
    """Liked (or unrated) items that a plan may choose, the most relevant first."""
    shares_history: bool
    """Whether one of those has a value in common with the item."""
    slots: SlotTable
    plans: tuple[Plan, ...]
    """What is asked for, one plan after the other: a function of event id and item id."""

    def render(self, plan: Plan) -> str:
        """Render the whole prompt for one plan."""
        return " ".join((*plan.style.words, self.render_body(plan.history)))

    def render_body(self, tokens: Collection[str]) -> str:
        """Render the item, the texts, and those items of the history whose slot tokens are given."""
        shown = sorted((item for item in self.history if item.token in tokens), key=lambda item: item.token)
        shared = self.item.facts & {fact for item in shown for fact in item.facts}
        parts = ["<item>", self.item.render(shared), self.texts]
        parts += [item.without_unshared_names(shared).render(shared) for item in shown]
        return " ".join(part for part in parts if part)


@dataclass(slots=True)
class _SlotBook:
    """Gives each distinct name one slot, however often the event repeats it."""

    title: str | None = None
    """The item's title: where a text repeats it, it stands as the item's own slot."""
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
            if value[mention.start : mention.end] == self.title:
                pieces += [clean_text(value[position : mention.start]), ITEM_SLOT]
                position = mention.end
                continue
            token = self.assign(value, mention, pointer)
            if token is not None:
                pieces += [clean_text(value[position : mention.start]), token]
                position = mention.start
        pieces.append(clean_text(value[position:]))
        return " ".join(piece for piece in pieces if piece)


def build_prompt(event: RankingEvent, item_index: int) -> Prompt:
    """Build the prompt and the slots for one item of an event."""
    return _PromptBuilder(event, item_index).build()


class _PromptBuilder:
    def __init__(self, event: RankingEvent, item_index: int) -> None:
        self._event = event
        self._index = item_index
        self._item = event.items[item_index]
        self._own_facts = list_facts(self._item.attributes)
        self._book = _SlotBook()
        self._titles: list[Slot] = []

    def build(self) -> Prompt:
        item = ShownItem(ITEM_SLOT, self._render_title(), self._show_item_attributes())
        texts = self._render_text("<about>", [(f"/items/{self._index}/summary", self._item.summary)], MAX_SUMMARY_WORDS)
        preferences: list[tuple[str, str | None]] = [
            (f"/user/preferences/{index}", text) for index, text in enumerate(self._event.user.preferences)
        ]
        texts += self._render_text("<pref>", preferences, MAX_PREFERENCE_WORDS)
        candidates = select_candidates(self._event, self._index)
        shown = [self._show_history(entry, token) for entry, token in zip(candidates, HISTORY_SLOTS, strict=False)]
        table = SlotTable((*self._titles, *self._book.slots.values()))
        plans = self._order_plans(table, "<pref>" in texts, candidates)
        shares_history = any(candidate.shared > 0 for candidate in candidates)
        return Prompt(item, " ".join(texts), tuple(shown), shares_history, table, plans)

    def _render_title(self) -> str:
        pointer = f"/items/{self._index}/title"
        shown = find_shown_title(self._item.title)
        if shown is None:
            self._titles.append(Slot(ITEM_SLOT, UNNAMED_ITEM, pointer, 0, 0))
            return f"{ITEM_SLOT} item"
        self._titles.append(_title_slot(ITEM_SLOT, self._item.title, shown, pointer))
        self._book.title = self._item.title[shown.start : shown.end]
        return f"{ITEM_SLOT} {_shorten(clean_text(self._item.title[shown.start : shown.end]), MAX_TITLE_WORDS)}"

    def _show_item_attributes(self) -> tuple[tuple[str, tuple[ShownValue, ...]], ...]:
        shown = []
        for name, values in list(self._item.attributes.items())[:MAX_ATTRIBUTES_SHOWN]:
            pointer = f"/items/{self._index}/attributes/{escape_pointer(name)}"
            own = tuple(self._show_values(name, values, pointer))[:MAX_VALUES_SHOWN]
            shown += [(clean_text(name), own)] if own else []
        return tuple(shown)

    def _show_values(self, name: str, values: str | list[str], pointer: str) -> Iterator[ShownValue]:
        for suffix, value in list_values(values):
            if clean_text(value):
                mentions = find_value_mentions(name, value)
                text = self._book.mark(value, mentions, pointer + suffix)
                yield ShownValue(text, compute_fact(name, value), bool(mentions))

    def _render_text(self, marker: str, fields: list[tuple[str, str | None]], max_words: int) -> list[str]:
        parts: list[str] = []
        for pointer, text in fields:
            shown = _shorten(text or "", max_words)
            max_words -= len(shown.split())
            if clean_text(shown):
                parts.append(self._book.mark(shown, find_mentions(shown), pointer))
        return [marker, *parts] if parts else []

    def _show_history(self, entry: Candidate, token: str) -> ShownItem:
        pointer = f"/user/history/{entry.index}"
        title = entry.item.title[entry.title.start : entry.title.end]
        self._titles.append(_title_slot(token, entry.item.title, entry.title, f"{pointer}/title"))
        shown, budget = [], MAX_HISTORY_VALUES_SHOWN
        for name, values in entry.item.attributes.items():
            # A name of the history is worth its tokens only where the item has it too.
            kept = {
                suffix: value
                for suffix, value in list_values(values)
                if clean_text(value)
                and (compute_fact(name, value) in self._own_facts or not find_value_mentions(name, value))
            }
            at = f"{pointer}/attributes/{escape_pointer(name)}"
            values_shown = tuple(
                shown_value
                for suffix, value in list(kept.items())[:budget]
                for shown_value in self._show_values(name, value, at + suffix)
            )
            budget -= len(values_shown)
            shown += [(clean_text(name), values_shown)] if values_shown else []
        return ShownItem(token, f"{entry.liking} {token} {_shorten(clean_text(title), MAX_TITLE_WORDS)}", tuple(shown))

    def _order_plans(self, table: SlotTable, has_preferences: bool, candidates: list[Candidate]) -> tuple[Plan, ...]:
        related = find_related(candidates)
        is_liking = any(related) and candidates[0].liking in (Liking.LOVED, Liking.LIKED)
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
        styles = order_styles([opening for opening, is_suitable in suitable.items() if is_suitable], key)
        return tuple(Plan(style, self._choose_history(style, key, related, has_preferences)) for style in styles)

    @staticmethod
    def _choose_history(style: Style, key: bytes, related: list[bool], has_preferences: bool) -> tuple[str, ...]:
        chosen = choose_history(style, key, related, has_preferences=has_preferences)
        return tuple(HISTORY_SLOTS[index] for index in chosen)


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
    bodies = [prompt.render_body(HISTORY_SLOTS[:shown]) for shown in range(4)]
    plans = [prompt.render(plan).split("<item>")[0] + " ".join(plan.history) for plan in prompt.plans]
    content = [PROMPT_VERSION, list(PROMPT_TOKENS), bodies, slots, plans]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]
