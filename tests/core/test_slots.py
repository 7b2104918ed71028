"""From slotted text to readable text with its evidence, and back."""

import pytest

from stream_app.core.events import RatingScale
from stream_app.core.slots import (
    HISTORY_SLOTS,
    NAME_SLOTS,
    NUMBER_SLOTS,
    SLOT_TOKENS,
    UNNAMED_ITEM,
    Liking,
    Slot,
    SlotTable,
    UnknownSlotError,
    UnsupportedNameError,
    extract_slots,
    fill_slots,
    label_liking,
)


def build_slot(token: str, surface: str) -> Slot:
    """Build a slot for a surface that fills its field."""
    return Slot(token, surface, f"/{token.strip('<>')}", 0, len(surface))


def build_table(**surfaces: str) -> SlotTable:
    """Build a table: `build_table(t="Heat", n1="Ada Fenwick")`."""
    return SlotTable(tuple(build_slot(f"<{token}>", surface) for token, surface in surfaces.items()))


TABLE = build_table(t="Harbour Lights", h1="The Lock House", n1="Ada Fenwick", y1="1987", y2="8", y3="12")


def fill(slotted: str, table: SlotTable = TABLE) -> str:
    """Fill a slotted text."""
    return fill_slots(slotted, table).text


@pytest.mark.parametrize(
    ("slotted", "expected"),
    [
        ("<t> is a film .", "Harbour Lights is a film."),
        ("you loved <h1> , so try <t> .", "You loved The Lock House, so try Harbour Lights."),
        ("it is old . it is good .", "It is old. It is good."),
        ("is it ? it is !", "Is it? It is!"),
        ("what i like", "What I like"),
        ("<t> ' s light", "Harbour Lights's light"),
        ("you don ' t say", "You don't say"),
        ("well - made and on / off", "Well-made and on/off"),
        ("( <y1> ) and $ <y2>", "(1987) and $8"),
        ("from <y1> ; yes : now", "From 1987; yes: now"),
        ("", ""),
    ],
)
def test_names_capitals_and_spaces_are_restored(slotted: str, expected: str) -> None:
    assert fill(slotted) == expected


@pytest.mark.parametrize(
    ("slotted", "expected"),
    [
        ("see a <n1> film", "See an Ada Fenwick film"),
        ("see an <h1> film", "See a The Lock House film"),
        ("an <y1> film", "A 1987 film"),
        ("a <y2> hour trip", "An 8 hour trip"),
        ("an <y3> hour trip", "A 12 hour trip"),
        ("watch the <h1> again", "Watch The Lock House again"),
        ("the <t> film", "The Harbour Lights film"),
        ("the <h1> stands", "The Lock House stands"),
    ],
)
def test_articles_follow_the_name_that_was_put_in(slotted: str, expected: str) -> None:
    assert fill(slotted) == expected


@pytest.mark.parametrize("name", ["Ototo Sushi Co.", "When Harry Met Sally...", "Help!", "Where Now?"])
def test_a_name_that_ends_as_a_sentence_does_needs_no_second_full_stop(name: str) -> None:
    table = build_table(t=name)
    assert fill("you like <t> .", table) == f"You like {name}"
    assert fill("you like <t> , and it is good . it is .", table) == f"You like {name}, and it is good. It is."


def test_an_item_without_a_name_gets_a_capital_and_no_evidence() -> None:
    filled = fill_slots("<t> is here . <t> is there .", build_table(t=UNNAMED_ITEM))
    assert filled.text == "This item is here. This item is there."
    assert filled.evidence == ()


def test_each_name_is_cited_where_it_stands() -> None:
    filled = fill_slots("the <h1> by <n1> , an <y1> film", TABLE)
    cited = {filled.text[one.start : one.end]: one.pointer for one in filled.evidence}
    assert cited == {"The Lock House": "/h1", "Ada Fenwick": "/n1", "1987": "/y1"}
    assert filled.used == ("<h1>", "<n1>", "<y1>")


@pytest.mark.parametrize("token", ["<h2>", "<n20>", "<y12>", "<t9>"])
def test_a_slot_that_the_event_lacks_is_an_error(token: str) -> None:
    with pytest.raises(UnknownSlotError):
        fill(f"try {token} now .")


@pytest.mark.parametrize(
    "text",
    [
        "Harbour Lights is by Ada Fenwick.",
        "You loved The Lock House, and Harbour Lights is also from 1987.",
        "Ada Fenwick made this in 1987, for 8 to 12 people.",
    ],
)
def test_filling_inverts_extracting(text: str) -> None:
    extracted = extract_slots(text, TABLE)
    spaced = extracted.replace(".", " .").replace(",", " ,").lower()
    assert fill(spaced) == text


def test_the_longest_name_is_extracted_first() -> None:
    table = build_table(t="Lantern", h1="Lantern Street")
    assert extract_slots("Lantern Street and Lantern", table) == "<h1> and <t>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You may like Winter Journal.", "You may like <t> ."),
        ("You may like Orrery.", "You may like <t> ."),
        ("See what Fenwick does.", "See what <n1> does."),
    ],
)
def test_shortened_titles_and_surnames_are_extracted(text: str, expected: str) -> None:
    assert extract_slots(text, build_table(t="Orrery: Winter Journal", n1="Ada Fenwick")) == expected


def test_an_ambiguous_surname_is_no_slot() -> None:
    with pytest.raises(UnsupportedNameError):
        extract_slots("See what Fenwick does.", build_table(n1="Ada Fenwick", n2="Bo Fenwick"))


@pytest.mark.parametrize(
    "text", ["This is by Bo Lund.", "It dates from 1990.", "It is set in Ostende.", "Zorblax is here."]
)
def test_a_name_or_number_that_the_event_lacks_is_an_error(text: str) -> None:
    with pytest.raises(UnsupportedNameError):
        extract_slots(text, TABLE)


def test_ordinary_words_may_begin_a_sentence() -> None:
    assert extract_slots("Here it is. Light-hearted and good: There, I say.", TABLE)


def test_the_tokens_are_distinct_and_as_many_as_promised() -> None:
    assert len(set(SLOT_TOKENS)) == len(SLOT_TOKENS) == 1 + len(HISTORY_SLOTS) + len(NAME_SLOTS) + len(NUMBER_SLOTS)


@pytest.mark.parametrize(
    ("rating", "expected"),
    [
        (None, Liking.UNRATED),
        (5.0, Liking.LOVED),
        (4.99, Liking.LIKED),
        (4.0, Liking.LIKED),
        (3.99, Liking.OTHER),
        (0.5, Liking.OTHER),
    ],
)
def test_only_the_maximum_is_loved(rating: float | None, expected: Liking) -> None:
    assert label_liking(rating, RatingScale()) is expected


def test_a_scale_of_two_values_knows_love_and_nothing_else() -> None:
    scale = RatingScale(minimum=0, maximum=1)
    assert [label_liking(rating, scale) for rating in (0.0, 1.0)] == [Liking.OTHER, Liking.LOVED]
