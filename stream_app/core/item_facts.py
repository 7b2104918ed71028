"""The facts of an item in words: how each well-known attribute is said, and a plain way to say any other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from stream_app.core.described_words import find_described_words
from stream_app.core.events import Attributes
from stream_app.core.lexicon import is_common
from stream_app.core.names import find_mentions
from stream_app.core.phrases import Phrase, Quote, compose, join, quote_value
from stream_app.core.shared_facts import escape_pointer, list_values

MAX_ATTRIBUTE_NAME_WORDS: Final = 3
MAX_VALUES_KEPT: Final = 8
MAX_SUMMARY_CHARACTERS: Final = 600

_PRIVATE_WORDS: Final = frozenset(
    "id ids url urls uri link links image images img photo photos thumbnail sku isbn isbn10 isbn13 asin upc ean gtin "
    "hash slug uuid guid token key code source timestamp created updated path file email phone telephone password "
    "ip html json embedding vector lat lon lng latitude longitude status flag stock".split()
)
"""Attributes that serve machines, not readers, and those that could point to a person."""


@dataclass(frozen=True, slots=True)
class FactWords:
    """How one attribute is put into words; `{v}` stands for its value or values."""

    noun: str
    clause: str
    tail: str
    max_values: int = 1
    fits: Literal["all", "number", "measure", "words"] = "all"
    """Which values read well so: those that begin with a digit, those of a number and a unit, those without, or all."""


_TABLE: Final[dict[str, FactWords]] = {
    "director": FactWords("director", "was directed by {v}", "directed by {v}", 2),
    "actor": FactWords("actor", "features {v}", "with {v}", 2),
    "performer": FactWords("performer", "features {v}", "with {v}", 2),
    "author": FactWords("author", "was written by {v}", "written by {v}", 2),
    "writer": FactWords("writer", "was written by {v}", "written by {v}", 2),
    "creator": FactWords("creator", "was created by {v}", "created by {v}", 2),
    "artist": FactWords("artist", "is by {v}", "by {v}", 2),
    "composer": FactWords("composer", "was composed by {v}", "composed by {v}", 2),
    "designer": FactWords("designer", "was designed by {v}", "designed by {v}", 2),
    "developer": FactWords("developer", "was developed by {v}", "developed by {v}"),
    "publisher": FactWords("publisher", "was published by {v}", "published by {v}"),
    "narrator": FactWords("narrator", "is narrated by {v}", "narrated by {v}", 2),
    "host": FactWords("host", "is hosted by {v}", "hosted by {v}", 2),
    "teacher": FactWords("teacher", "is taught by {v}", "taught by {v}", 2),
    "instructor": FactWords("instructor", "is taught by {v}", "taught by {v}", 2),
    "operator": FactWords("operator", "is run by {v}", "run by {v}"),
    "brand": FactWords("brand", "is made by {v}", "made by {v}"),
    "manufacturer": FactWords("manufacturer", "is made by {v}", "made by {v}"),
    "magazine": FactWords("magazine", "appeared in {v}", "published in {v}"),
    "label": FactWords("label", "came out on {v}", "out on {v}"),
    "genre": FactWords("genre", "belongs to the {v} genre", "in the {v} genre", 2),
    "category": FactWords("category", "is listed under {v}", "listed under {v}", 2),
    "cuisine": FactWords("cuisine", "serves {v} food", "serving {v} food", 2),
    "dish": FactWords("dish", "serves {v}", "serving {v}", 2),
    "ingredient": FactWords("ingredient", "is made with {v}", "made with {v}", 2),
    "material": FactWords("material", "is made of {v}", "made of {v}", 2),
    "colour": FactWords("colour", "comes in {v}", "in {v}", 2),
    "style": FactWords("style", "has a style listed as {v}", "with a style listed as {v}", 2),
    "mood": FactWords("mood", "is {v} in mood", "{v} in mood", 2),
    "tone": FactWords("tone", "is {v} in tone", "{v} in tone", 2),
    "topic": FactWords("topic", "is about {v}", "about {v}", 2),
    "subject": FactWords("subject", "is about {v}", "about {v}", 2),
    "theme": FactWords("theme", "is built around {v}", "built around {v}", 2),
    "tag": FactWords("tag", "is tagged with {v}", "tagged with {v}", 2),
    "keyword": FactWords("keyword", "is tagged with {v}", "tagged with {v}", 2),
    "mechanism": FactWords("mechanism", "uses {v}", "built on {v}", 2),
    "feature": FactWords("feature", "comes with {v}", "with {v}", 2),
    "amenity": FactWords("amenity", "offers {v}", "with {v}", 2),
    "platform": FactWords("platform", "runs on {v}", "for {v}", 2),
    "audience": FactWords("audience", "is meant for {v}", "meant for {v}", 2, fits="words"),
    "room": FactWords("room", "is meant for the {v}", "meant for the {v}", fits="words"),
    "language": FactWords("language", "is in {v}", "in {v}", 2),
    "country": FactWords("country", "comes from {v}", "from {v}", 2),
    "city": FactWords("city", "is in {v}", "in {v}"),
    "venue": FactWords("venue", "takes place at {v}", "at {v}"),
    "price": FactWords("price", "has a price listed as {v}", "with a price listed as {v}"),
    "year": FactWords("year", "dates from {v}", "from {v}", fits="number"),
    "decade": FactWords("decade", "dates from the {v}", "from the {v}", fits="number"),
    "players": FactWords("player count", "is for {v} players", "for {v} players", fits="number"),
    "description": FactWords("description", "has a description that mentions {v}", "whose description mentions {v}", 2),
    "length": FactWords("length", "lasts {v}", "lasting {v}", fits="measure"),
    "weeks": FactWords("week count", "lasts {v} weeks", "lasting {v} weeks", fits="number"),
    "age": FactWords("age group", "is for ages {v}", "for ages {v}", fits="number"),
    "diet": FactWords("diet", "fits {v} diets", "for {v} diets", 2),
}
_ALIASES: Final = {
    "actress": "actor", "cast": "actor", "starring": "actor", "stars": "actor", "musician": "artist", "band": "artist",
    "movie genre": "genre", "type": "category", "section": "category", "color": "colour", "location": "city",
    "town": "city", "release year": "year", "published year": "year", "year published": "year",
    "duration": "length", "time": "length", "playing time": "length", "runtime": "length", "ages": "age",
    "suits": "audience", "dishes": "dish", "categories": "category", "amenities": "amenity", "countries": "country",
    "developers": "developer", "authors": "author", "written by": "author", "directed by": "director",
}  # fmt: skip
PEOPLE: Final = frozenset(list(_TABLE)[: list(_TABLE).index("genre")])
"""Attributes that name who made something: the closest link between two items."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One attribute of an item, ready to be written."""

    attribute: str
    words: FactWords
    quotes: tuple[Quote, ...]

    @property
    def clause(self) -> Phrase:
        """What the item does: `was directed by Michael Mann`."""
        kind = _describe_kind(self.quotes) if self.attribute == "genre" else None
        return compose("is {kind}", kind=kind) if kind else compose(self.words.clause, v=self.values)

    @property
    def tail(self) -> Phrase:
        """What may follow the item's name: `directed by Michael Mann`."""
        kind = _describe_kind(self.quotes) if self.attribute == "genre" else None
        return kind or compose(self.words.tail, v=self.values)

    @property
    def values(self) -> Phrase:
        """The values alone, as many as read well: `Al Pacino and Diane Venora`."""
        return join([(quote,) for quote in self.quotes[: self.words.max_values]])

    @property
    def as_shared(self) -> Phrase:
        """The values as common ground with another item: `the same director, Michael Mann`."""
        if self.words.max_values > 1 and len(self.quotes) > 1 and not self.words.noun.endswith(("s", "h", "y")):
            return ("the same ", f"{self.words.noun}s", ", ", *self.values)
        return ("the same ", self.words.noun, ", ", self.quotes[0])

    def keep_shared(self, other: "Fact") -> "Fact | None":
        """Keep the values that another item's fact has too, or None where there are none."""
        theirs = {quote.text.casefold() for quote in other.quotes}
        shared = tuple(quote for quote in self.quotes if quote.text.casefold() in theirs)
        return replace(self, quotes=shared) if shared else None

    def has_word(self, word: str) -> bool:
        """Say whether a word stands in one of the values, whatever its case."""
        return any(word.casefold() in quote.text.casefold() for quote in self.quotes)

    @property
    def is_kind(self) -> bool:
        """Whether the tail says what the item is: `a crime thriller`."""
        return self.attribute == "genre" and _describe_kind(self.quotes) is not None


_KINDS: Final = frozenset(
    "comedy drama thriller western musical romance documentary mystery biography memoir parody sitcom".split()
)
"""Genres that are something on their own: `a thriller`."""

_MODIFIERS: Final = frozenset(
    "crime action adventure fantasy horror war sci-fi historical family political psychological animated detective spy "
    "legal medical teen gothic".split()
) | {"science fiction"}
"""Genres that may stand before such a one: `a crime thriller`."""


def _describe_kind(quotes: Sequence[Quote]) -> Phrase | None:
    """Say what an item of these genres is, or None where that takes a sentence of its own."""
    by_text = {quote.text.casefold(): quote for quote in quotes}
    kind = next((by_text[text] for text in by_text if text in _KINDS), None)
    modifier = next((by_text[text] for text in by_text if text in _MODIFIERS), None)
    if kind and (modifier or len(quotes) == 1):
        article = "an " if (modifier or kind).text[0] in "aeiou" else "a "
        return (article, modifier, " ", kind) if modifier else (article, kind)
    return ("a mix of ", quotes[0], " and ", quotes[1]) if len(quotes) > 1 else None


def list_facts(attributes: Attributes, pointer: str) -> list[Fact]:
    """List what can be said of an item, in the order of its attributes.

    Args:
        attributes: the attributes of a ranked or a history item.
        pointer: the JSON pointer of the object that has them.
    """
    facts: list[Fact] = []
    for name, values in attributes.items():
        if is_private(name):
            continue
        attribute = canonicalise(name)
        field = f"{pointer}/attributes/{escape_pointer(name)}"
        quotes = [quote_value(name, value, field + suffix) for suffix, value in list_values(values)]
        facts += _build_facts(attribute, [quote for quote in quotes if quote])
    return facts


def tell_description(summary: str | None, pointer: str, title: str) -> list[Fact]:
    """Tell which names, or else which things, a description mentions: for an item that has nothing else to tell."""
    opening = (summary or "")[:MAX_SUMMARY_CHARACTERS]
    names = [(one, opening[one.start : one.end]) for one in find_mentions(opening) if one.kind == "name"]
    quotes = [
        Quote(name, pointer, one.start, one.end)
        for one, name in names
        if quote_value("", name, pointer) and _list_words(name).isdisjoint(_list_words(title))
    ]
    return list(_build_facts("description", quotes or find_described_words(opening, pointer)))


def is_private(name: str) -> bool:
    """Say whether an attribute serves machines, or could point to a person, and so is never told."""
    return not _PRIVATE_WORDS.isdisjoint(canonicalise(name).split())


def _list_words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def canonicalise(name: str) -> str:
    """Bring the many spellings of an attribute's name to one: `Release_Year` and `year` are the same."""
    plain = " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-.]", " ", name).split()).lower()
    singular = plain.removesuffix("s")
    return next((_ALIASES.get(form, form) for form in (plain, singular) if form in _TABLE or form in _ALIASES), plain)


def _build_facts(attribute: str, quotes: list[Quote]) -> Iterator[Fact]:
    words = _TABLE.get(attribute)
    if words is None or not all(_fits(words, quote.text) for quote in quotes):
        words = _name_plainly(words.noun if words else attribute)
    if words is _DETAIL:
        # A number or a code says nothing to a reader who is not told what it counts.
        quotes = [quote for quote in quotes if not any(character.isdigit() for character in quote.text)]
    distinct = list({quote.text.casefold(): quote for quote in reversed(quotes)}.values())[::-1]
    if distinct:
        yield Fact(attribute, words, tuple(distinct[:MAX_VALUES_KEPT]))


def _fits(words: FactWords, value: str) -> bool:
    if words.fits == "all":
        return True
    if words.fits == "measure":
        return value[0].isdigit() and " " in value
    return value[0].isdigit() == (words.fits == "number")


_DETAIL: Final = FactWords("detail", "has {v} among its details", "with {v} among its details")
"""For an attribute whose name is not English."""


def _name_plainly(attribute: str) -> FactWords:
    """Words for an attribute that the table lacks, where its name is English: `with coastal as its weave`."""
    words = attribute.split()
    is_readable = (
        words[-1:] != ["count"]
        and 0 < len(words) <= MAX_ATTRIBUTE_NAME_WORDS
        and all(_is_readable(word) for word in words)
    )
    if not is_readable:
        return _DETAIL
    if words[-1].endswith("s") and not words[-1].endswith(("ss", "us", "is")):
        return FactWords(attribute, f"has {{v}} among its {attribute}", f"with {{v}} among its {attribute}")
    return FactWords(attribute, f"has {{v}} as its {attribute}", f"with {{v}} as its {attribute}")


def _is_readable(word: str) -> bool:
    return word.isascii() and word.isalpha() and is_common(word)
