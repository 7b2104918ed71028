"""An invented catalogue of films, books and restaurants, for traffic that belongs to nobody.

Built from word lists; any likeness is chance. Sizes, attributes and summaries are like those of real catalogues.
"""

from dataclasses import dataclass
from typing import Final, Literal

from stream_app.core.events import MAX_TEXT_CHARACTERS, Attributes
from stream_app.replay.dice import Dice

Kind = Literal["film", "book", "restaurant"]
KINDS: Final[tuple[Kind, ...]] = ("film", "book", "restaurant")
SENTENCE_CHARACTERS: Final = 80
"""About as long as the sentences below are."""
LONGEST_TEXT_CHARACTERS: Final = MAX_TEXT_CHARACTERS - 400
"""With room for one more sentence and for words before it; also, 200 of these fit into one record."""


def _list(text: str) -> tuple[str, ...]:
    return tuple(" ".join(entry.split()) for entry in text.split(","))


GENRES: Final = _list("""
    action, adventure, animation, comedy, crime, documentary, drama, fantasy, horror, musical, mystery, romance,
    science fiction, thriller, western""")
SUBJECTS: Final = _list("""
    biography, crime, essays, family saga, fantasy, historical fiction, memoir, mystery, poetry, romance,
    science fiction, short stories, thriller, travel""")
CUISINES: Final = _list("""
    Basque, Ethiopian, French, Georgian, Greek, Indian, Italian, Japanese, Korean, Lebanese, Mexican, Peruvian,
    Portuguese, Thai, Vietnamese""")
ADJECTIVES: Final = _list("""
    Amber, Blue, Borrowed, Bright, Broken, Burning, Copper, Crooked, Distant, Empty, Forgotten, Frozen, Golden, Green,
    Hidden, Hollow, Iron, Last, Little, Lonely, Long, Midnight, Northern, Painted, Paper, Patient, Quiet, Restless,
    Salt, Scarlet, Second, Secret, Silver, Sleeping, Slow, Velvet, Wandering, Wild, Winter""")
NOUNS: Final = _list("""
    Archive, Atlas, Bridge, Carnival, Castle, Cathedral, Clock, Comet, Compass, Crown, Door, Engine, Ferry, Forest, Fox,
    Garden, Harbour, Heron, Island, Kitchen, Lantern, Letter, Library, Lighthouse, Map, Market, Meadow, Mirror,
    Mountain, Orchard, Piano, Promise, River, Road, Shadow, Signal, Sparrow, Staircase, Station, Summer, Tide, Train,
    Vineyard, Voyage, Window, Wolf""")
PLACES: Final = _list("""
    Bergen, Bilbao, Cork, Dresden, Galway, Genoa, Ghent, Havana, Kraków, Kyoto, Leith, Lisbon, Marseille, Naples,
    Odense, Porto, Split, Tallinn, Trieste, Valparaíso""")
FIRST_NAMES: Final = _list("""
    Ada, Amir, Anneke, Bruno, Carla, Dmitri, Elif, Farah, Gwen, Hana, Ines, Jonas, Kofi, Leila, Marek, Nadia, Oskar,
    Priya, Rosa, Søren, Tomás, Uma, Viktor, Yusuf""")
LAST_NAMES: Final = _list("""
    Abara, Bellweather, Castellan, Drummond, Eklund, Fenwick, Garrick, Hallam, Ibarra, Jansky, Kestrel, Lindqvist,
    Marchetti, Norrgård, Okonjo, Pellerin, Quill, Rademaker, Sandoval, Thistlewood, Ulrichs, Varga, Whitcombe,
    Zeller""")
JOBS: Final = _list("""
    botanist, clockmaker, detective, ferry captain, journalist, judge, lighthouse keeper, nurse, piano tuner, pilot,
    postman, retired spy, schoolteacher, widowed farmer, young cellist""")
FINDS: Final = _list("""
    a box of unsent letters, a forged painting, a hidden staircase, a locked house by the sea, a map with one road too
    many, a missing film reel, a stolen violin, an old friend who was thought dead, the diary of a stranger, the last
    witness of a fire""")
ENDINGS: Final = _list("""
    and has one night to decide, and loses everything but a name, and nobody in town will talk about it, and sets out to
    put an old wrong right, before the last ferry leaves, during the coldest winter in years, just as the war ends,
    with the help of two unlikely neighbours""")
DISHES: Final = _list("""
    braised lamb, charred aubergine, chilled noodles, clay-pot rice, dumplings, fish stew, flatbread, grilled octopus,
    hand-cut pasta, lentil soup, pickled vegetables, roast chicken, slow-cooked beans, stuffed peppers, walnut salad""")
PRICES: Final = _list("cheap, moderate, expensive")
SETTINGS: Final = _list("counter seats, garden, harbour view, live music, quiet, family-run, terrace, late kitchen")
SEASONS: Final = _list("spring, summer, autumn, winter")


@dataclass(frozen=True, slots=True)
class Offer:
    """An item of the catalogue; `tastes`: what people like or dislike about it."""

    kind: Kind
    item_id: str
    title: str
    attributes: Attributes
    tastes: tuple[str, ...]
    summary: str


def build_catalogue(size: int, median_characters: float, sigma: float, seed: int) -> list[Offer]:
    """Build a catalogue with about as many offers of each kind, all of different titles.

    Args:
        size: how many offers.
        median_characters: of the summaries, whose lengths are log-normal.
        sigma: of the natural logarithm of these lengths.
        seed: another seed gives another catalogue.
    """
    dice, titles = Dice(seed, "catalogue"), set[str]()
    offers = []
    for number in range(size):
        kind = KINDS[number % len(KINDS)]
        attributes, tastes = _invent_attributes(dice, kind)
        summary = compose_text(dice, kind, dice.draw_length(median_characters, sigma))
        title = _invent_new_title(dice, kind, titles)
        offers.append(Offer(kind, f"{kind}-{number}", title, attributes, tastes, summary))
    return offers


def compose_text(dice: Dice, kind: Kind, characters: float) -> str:
    """Compose whole sentences about an item of this kind, at least one, until the text is about so long."""
    text = _invent_sentence(dice, kind)
    while len(text) < min(characters, LONGEST_TEXT_CHARACTERS) - SENTENCE_CHARACTERS / 2:
        text = f"{text} {_invent_sentence(dice, kind)}"
    return text


def _invent_new_title(dice: Dice, kind: Kind, titles: set[str]) -> str:
    title = _invent_title(dice, kind)
    for _ in range(20):
        if title not in titles:
            break
        title = _invent_title(dice, kind)
    else:
        title = f"{title} {len(titles)}"
    titles.add(title)
    return title


def _invent_title(dice: Dice, kind: Kind) -> str:
    adjective, noun, place, name = map(dice.pick, (ADJECTIVES, NOUNS, PLACES, FIRST_NAMES))
    if kind == "restaurant":
        forms = [f"{name}'s {noun}", f"The {adjective} {noun}", f"Casa {name}", f"{noun} & {dice.pick(NOUNS)}"]
    else:
        forms = [
            f"The {adjective} {noun}",
            f"{adjective} {noun}",
            f"The {noun} of {place}",
            f"{name} and the {adjective} {noun}",
            f"A {noun} in {place}",
        ]
    return dice.pick(forms)


def _invent_attributes(dice: Dice, kind: Kind) -> tuple[Attributes, tuple[str, ...]]:
    if kind == "film":
        genres = dice.pick_some(GENRES, 1 + dice.draw_below(3))
        actors = [_invent_name(dice), _invent_name(dice)]
        year = str(1950 + dice.draw_below(75))
        return {"genre": [*genres], "director": _invent_name(dice), "actors": [*actors], "year": year}, tuple(genres)
    if kind == "book":
        subjects = dice.pick_some(SUBJECTS, 1 + dice.draw_below(2))
        year = str(1900 + dice.draw_below(125))
        return {"genre": [*subjects], "author": _invent_name(dice), "year": year}, tuple(subjects)
    cuisine, city = dice.pick(CUISINES), dice.pick(PLACES)
    settings = dice.pick_some(SETTINGS, 1 + dice.draw_below(2))
    return {"cuisine": cuisine, "city": city, "price": dice.pick(PRICES), "setting": [*settings]}, (cuisine,)


def _invent_name(dice: Dice) -> str:
    return f"{dice.pick(FIRST_NAMES)} {dice.pick(LAST_NAMES)}"


def _invent_sentence(dice: Dice, kind: Kind) -> str:
    if kind == "restaurant":
        first, second = dice.pick_some(DISHES, 2)
        forms = [
            f"Known for its {first}, and even more for the {second}.",
            f"The menu follows the {dice.pick(SEASONS)}: expect {first} next to {second}.",
            f"Regulars come from as far as {dice.pick(PLACES)} for the {first}.",
        ]
    else:
        job, place = dice.pick(JOBS), dice.pick(PLACES)
        forms = [
            f"In {place}, a {job} comes across {dice.pick(FINDS)} {dice.pick(ENDINGS)}.",
            f"A {job} and a {dice.pick(JOBS)} look for {dice.pick(FINDS)} in {place}.",
            f"Years later, in {place}, a {job} returns {dice.pick(ENDINGS)}.",
        ]
    return dice.pick(forms)
