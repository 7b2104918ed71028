"""Words that a student may not write: those that do not exist, and facts that the event does not have."""

import pytest

from stream_app.core.events import Evidence
from stream_app.core.vocabulary import find_added_words, find_strange_words
from tests.factories import build_event, build_item


def _find(text: str, cited: tuple[Evidence, ...] = ()) -> list[tuple[str, str]]:
    item = build_item(
        title="Lambswool Scarf",
        attributes={"material": "wool", "weave": "gossamerish"},
        summary="Early permission to photograph the galvanised rooftops.",
    )
    return list(find_strange_words(text, build_event(items=[item]), 0, cited))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A wool scarf that you might like for the roof.", []),
        ("A silk scarf that you might like for the roof.", [("unsupported_word", "silk")]),
        ("A scarf that asks permison of you.", [("unknown_word", "permison")]),
        ("A scarf for which permissions are asked and given.", []),
        ("A gossamerish weave for galvanised rooftop days.", []),
        ("A wool scarf for you who like the roof.", [("unnatural_phrase", "for you who")]),
        ("A scarf that adds warm wool to its roof.", [("unnatural_phrase", "adds warm wool to its")]),
        ("You like wool, so this scarf is for you.", [("unnatural_phrase", ", so")]),
        ("For a roof this is a wool scarf.", [("unnatural_phrase", "For a")]),
        ("A wool scarf in under 20 rooftops.", [("unnatural_phrase", "in under 20")]),
        ("A wool scarf in under 20 days of photographs.", []),
        ("Photographs are at the roof, and some are at Early Bird.", [("unnatural_phrase", "are at E")]),
    ],
)
def test_words_are_known_or_of_the_event(text: str, expected: list[tuple[str, str]]) -> None:
    assert _find(text) == expected


def test_names_that_came_through_slots_are_not_looked_at() -> None:
    text = "Wyrdbjorn made it."
    cited = Evidence(start=0, end=8, pointer="/items/0/title", field_start=0, field_end=8)
    assert _find(text, (cited,)) == []
    assert _find(text) == [("unknown_word", "wyrdbjorn")]


def test_whoever_made_something_is_not_with_it() -> None:
    for pointer, expected in (
        ("/items/0/attributes/director/0", [("unnatural_phrase", "with Ada Fenwick")]),
        ("/items/0/attributes/actors/1", []),
    ):
        cited = Evidence(start=13, end=24, pointer=pointer, field_start=0, field_end=11)
        assert _find("A scarf with Ada Fenwick.", (cited,)) == expected


def test_added_words_are_those_that_state_something_the_event_does_not() -> None:
    item = build_item("Scarf", attributes={"material": "wool"}, summary="Photographs of a rooftop.")
    event = build_event(items=[item])
    text = "Another woolly scarf for someone who photographed rooftops in summer, by Skerry."
    assert list(find_added_words(text, event, 0, ())) == ["summer", "skerry"]
    at = text.index("Skerry")
    cited = Evidence(start=at, end=at + 6, pointer="/items/0/title", field_start=0, field_end=6)
    assert list(find_added_words(text, event, 0, (cited,))) == ["summer"]
