"""What a text says in the wrong place is found: by clauses, by comparisons, and by what connects user and item."""

import pytest

from stream_app.core.events import Evidence, RankingEvent
from stream_app.core.misplaced_facts import find_misplaced_facts, find_unrelated_reasons, read_reasons
from tests.factories import build_event, build_history_item, build_item

EVENT = build_event(
    items=[
        build_item(
            "Birch Cabin",
            attributes={"style": "cabin", "amenities": ["sauna", "lake view"], "chain": "Norrhus"},
            summary="A quiet cabin.",
        )
    ],
    history=[
        build_history_item("Elm, House", attributes={"style": "guesthouse", "amenities": ["lake view"]}),
        build_history_item("Fern Hall", attributes={"style": "cabin", "chain": "Norrhus"}),
    ],
)
NAMES = {
    "Birch Cabin": "/items/0/title",
    "Norrhus": "/items/0/attributes/chain",
    "Elm, House": "/user/history/0/title",
    "Fern Hall": "/user/history/1/title",
}


def cite(text: str) -> list[Evidence]:
    return [
        Evidence(start=at, end=at + len(name), pointer=pointer, field_start=0, field_end=len(name))
        for name, pointer in NAMES.items()
        if (at := text.find(name)) >= 0
    ]


def find(text: str, event: RankingEvent = EVENT) -> list[tuple[str, str]]:
    cited = cite(text)
    misplaced = [("misplaced_fact", word) for word in find_misplaced_facts(text, event, 0, cited)]
    return misplaced + [("unrelated_reason", word) for word in find_unrelated_reasons(text, event, 0, cited)]


def wish(text: str) -> RankingEvent:
    return EVENT.model_copy(update={"user": EVENT.user.model_copy(update={"preferences": [text]})})


@pytest.mark.parametrize(
    ("text", "misplaced"),
    [
        ("The sauna and lake view of Elm, House pleased you, and Birch Cabin has them.", ["sauna"]),
        ("Elm, House was a cabin with a lake view; Birch Cabin has one too.", ["cabin"]),
        ("Like Fern Hall, Birch Cabin is a cabin with a sauna.", ["sauna"]),
        ("You loved the cabin Fern Hall, and Birch Cabin is another cabin with a sauna.", ["sauna"]),
        ("Norrhus runs Elm, House, and Birch Cabin has the same lake view.", ["Norrhus"]),
        ("Norrhus runs Fern Hall, which you loved, and this cabin.", []),
        ("A lake view was part of Elm, House, which you loved, and Birch Cabin adds a sauna to its lake view.", []),
        ("You loved Elm, House and this cabin has its lake view.", []),
        ("Like Fern Hall, Birch Cabin is a quiet cabin.", ["quiet"]),
        ("Birch Cabin is a cabin with a sauna.", []),
    ],
)
def test_what_is_said_of_the_history_is_true_of_the_history(text: str, misplaced: list[str]) -> None:
    assert find(text) == [("misplaced_fact", word) for word in misplaced]


@pytest.mark.parametrize(
    "text",
    [
        "You loved Elm, House, and Birch Cabin has a sauna.",
        "You loved the guesthouse Elm, House, and Birch Cabin has a sauna.",
        "You loved the lake view of Elm, House, and Birch Cabin has a sauna.",
    ],
)
def test_an_item_of_the_history_needs_something_in_common(text: str) -> None:
    assert find(text) == [("unrelated_reason", "Elm, House")]


@pytest.mark.parametrize(
    "text",
    [
        "You loved the lake view of Elm, House, and Birch Cabin has a lake view with a sauna.",
        "You loved the lake view of Elm, House, and Birch Cabin has one too.",
    ],
)
def test_what_they_have_in_common_is_said_of_the_item_or_by_a_word_that_links(text: str) -> None:
    assert ("unrelated_reason", "Elm, House") not in find(text)


def test_a_wish_needs_something_in_common() -> None:
    event = wish("Wants lively bars, and now and then a sauna.")
    assert find("You want lively bars, and Birch Cabin is a cabin.", event) == [("unrelated_reason", "lively")]
    assert find("You want a sauna now and then, and Birch Cabin has one.", event) == []
    assert find("You want a lively sauna, and Birch Cabin has one.", event) == []


def test_what_the_preferences_ask_for_may_be_said_of_anything() -> None:
    text = "Your sauna wish and the cabin Fern Hall lead to this cabin."
    assert find(text) == [("misplaced_fact", "sauna")]
    assert find(text, wish("Wants a sauna.")) == []


@pytest.mark.parametrize(
    ("wishes", "text", "is_personal"),
    [
        ("Wants a sauna.", "Birch Cabin is a cabin with a lake view.", False),
        ("Wants a sauna.", "Birch Cabin is a cabin with a sauna.", True),
        ("Wants a sauna.", "Birch Cabin is a cabin like Fern Hall, which you loved.", True),
        ("Wants lively bars.", "Birch Cabin is a cabin with a lake view.", True),
    ],
    ids=["silent", "wish", "history", "nothing fits"],
)
def test_a_text_should_speak_of_the_user_where_a_wish_is_met(wishes: str, text: str, is_personal: bool) -> None:
    assert read_reasons(text, wish(wishes), 0, cite(text), shares_history=False).is_personal == is_personal


@pytest.mark.parametrize(
    ("text", "is_personal"),
    [
        ("Birch Cabin is a cabin with a lake view.", False),
        ("Birch Cabin is a cabin like Fern Hall, which you loved.", True),
        ("Birch Cabin has the lively bars that you want.", True),
    ],
)
def test_a_text_should_speak_of_the_user_where_a_liked_item_has_something_in_common(
    text: str, is_personal: bool
) -> None:
    reasons = read_reasons(text, wish("Wants lively bars."), 0, cite(text), shares_history=True)
    assert reasons.is_personal == is_personal


@pytest.mark.parametrize(
    ("text", "is_telling"),
    [
        ("Like Fern Hall, which you loved, Birch Cabin is a cabin.", False),
        ("Like Fern Hall, which you loved, Birch Cabin is a quiet cabin.", False),
        ("Like Fern Hall, which you loved, Birch Cabin is a quiet cabin by Norrhus.", True),
        ("Like Fern Hall, which you loved, Birch Cabin is a quiet cabin with a sauna.", True),
        ("Birch Cabin is a cabin.", True),
    ],
)
def test_a_text_that_only_likens_the_item_to_another_tells_too_little(text: str, is_telling: bool) -> None:
    assert read_reasons(text, EVENT, 0, cite(text), shares_history=False).is_telling == is_telling


def test_of_an_item_of_which_little_is_known_little_need_be_said() -> None:
    item = build_item("Birch Cabin", attributes={"style": "cabin"})
    event = build_event(items=[item], history=[build_history_item("x"), build_history_item("Fern Hall")])
    text = "Like Fern Hall, which you loved, Birch Cabin is a cabin."
    assert read_reasons(text, event, 0, cite(text), shares_history=False).is_telling
