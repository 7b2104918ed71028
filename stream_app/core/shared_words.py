"""The words that a user's preferences and an item have in common, for a link that claims nothing else."""

from dataclasses import dataclass

from stream_app.core.described_words import is_negated, list_sentences, list_words, quote_telling_words
from stream_app.core.events import MAX_TEXT_CHARACTERS, RankedItem, RankingEvent
from stream_app.core.item_facts import is_private
from stream_app.core.per_event import PerEvent
from stream_app.core.phrases import Quote
from stream_app.core.shared_facts import list_values


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word of the preferences that the item has too, and where the item has it: `description` or `listing`."""

    quote: Quote
    where: str


def find_shared_words(event: RankingEvent, item: RankedItem) -> list[SharedWord]:
    """Find words that the preferences and the item share, in the order of the preferences; a rejected word is none."""
    described = list_words(part[0] for part in list_sentences(item.summary or "") if not is_negated(part[0]))
    listed = list_words(
        value for name, values in item.attributes.items() if not is_private(name) for _, value in list_values(values)
    )
    return [
        SharedWord(quote, "listing" if word in listed else "description")
        for word, quote in _list_wishes(event).items()
        if word in described or word in listed
    ]


@PerEvent
def _list_wishes(event: RankingEvent) -> dict[str, Quote]:
    """List the words of the preferences, each where it first stands; a word that any sentence rejects is none."""
    preferences = event.user.preferences
    sentences = (part[0] for text in preferences for part in list_sentences(text, MAX_TEXT_CHARACTERS))
    rejected = list_words(sentence for sentence in sentences if is_negated(sentence))
    found: dict[str, Quote] = {}
    for index, text in enumerate(preferences):
        for quote in quote_telling_words(text, f"/user/preferences/{index}"):
            if (word := quote.text.casefold()) not in rejected:
                found.setdefault(word, quote)
    return found
