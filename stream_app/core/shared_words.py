"""The words that a user's preferences and an item have in common, for a link that claims nothing else."""

from dataclasses import dataclass

from stream_app.core.described_words import is_negated, list_sentences, list_words, quote_telling_words
from stream_app.core.events import MAX_TEXT_CHARACTERS, RankedItem, User
from stream_app.core.item_facts import is_private
from stream_app.core.phrases import Quote
from stream_app.core.shared_facts import list_values


@dataclass(frozen=True, slots=True)
class SharedWord:
    """A word of the preferences that the item has too, and where the item has it: `description` or `listing`."""

    quote: Quote
    where: str


def find_shared_words(user: User, item: RankedItem) -> list[SharedWord]:
    """Find words that the preferences and the item share, in the order of the preferences; a rejected word is none."""
    described = list_words(part[0] for part in list_sentences(item.summary or "") if not is_negated(part[0]))
    listed = list_words(
        value for name, values in item.attributes.items() if not is_private(name) for _, value in list_values(values)
    )
    sentences = (part[0] for text in user.preferences for part in list_sentences(text, MAX_TEXT_CHARACTERS))
    rejected = list_words(sentence for sentence in sentences if is_negated(sentence))
    found: dict[str, SharedWord] = {}
    for index, text in enumerate(user.preferences):
        for quote in quote_telling_words(text, f"/user/preferences/{index}"):
            word = quote.text.casefold()
            if word not in rejected and word not in found and (word in described or word in listed):
                found[word] = SharedWord(quote, "listing" if word in listed else "description")
    return list(found.values())
