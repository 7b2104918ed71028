"""Words that a student may not write: those that do not exist, and facts that the event does not have."""

import pytest

from stream_app.core.events import Evidence
from stream_app.core.vocabulary import find_strange_words
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
    ],
)
def test_words_are_known_or_of_the_event(text: str, expected: list[tuple[str, str]]) -> None:
    assert _find(text) == expected


def test_names_that_came_through_slots_are_not_looked_at() -> None:
    text = "Wyrdbjorn made it."
    cited = Evidence(start=0, end=8, pointer="/items/0/title", field_start=0, field_end=8)
    assert _find(text, (cited,)) == []
    assert _find(text) == [("unknown_word", "wyrdbjorn")]
