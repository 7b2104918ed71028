"""What makes one text that passes the gate better than another one about the same item."""

from typing import NamedTuple

from stream_app.core.events import RankingEvent
from stream_app.core.generation import Draft
from stream_app.core.misplaced_facts import read_reasons
from stream_app.core.slots import FilledText
from stream_app.core.vocabulary import find_added_words


class Merit(NamedTuple):
    """What speaks for a text, the most important first; a greater one is better."""

    is_related: bool
    """What it says of the user meets something of the item."""
    is_personal: bool
    """It says something of the user, unless nothing of them has to do with the item."""
    is_undoubted: bool
    """The model does not expect a reader to find a fault in it."""
    is_telling: bool
    """If it likens the item to another, it says at least three things of it, unless less is known."""
    is_plain: bool
    """Each word that states something stands in the event."""
    log_probability: float
    """How likely the model finds it; see `Draft`."""

    @property
    def is_faultless(self) -> bool:
        """Whether nothing but its likelihood speaks for another attempt."""
        return all(self[:-1])


def weigh(draft: Draft, filled: FilledText, event: RankingEvent, item_index: int, *, shares_history: bool) -> Merit:
    """Weigh a text that passed the gate.

    Args:
        draft: as the model wrote it.
        filled: the same text with its slots filled.
        event: the ranking event.
        item_index: which of the event's items the text is about.
        shares_history: whether the item has something in common with an item of the history that a text may name.
    """
    about = (filled.text, event, item_index, filled.evidence)
    reasons = read_reasons(*about, shares_history=shares_history)
    return Merit(
        is_related=reasons.is_related,
        is_personal=reasons.is_personal,
        is_undoubted=not draft.is_doubted,
        is_telling=reasons.is_telling,
        is_plain=not any(find_added_words(*about)),
        log_probability=draft.log_probability,
    )
