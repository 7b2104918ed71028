import pytest

from offline.evaluation.words import (
    describe_without_names,
    list_content_stems,
    list_event_stems,
    mask_names,
    remove_names,
)
from tests.factories import build_event, build_history_item, build_item

EVENT = build_event(
    history=[build_history_item("Fargo", attributes={"genre": "crime", "director": "Joel Coen"})],
    preferences=["Likes snowy landscapes near Duluth."],
    items=[
        build_item("Heat (1995)", attributes={"genre": ["crime", "thriller"], "year": "1995"}, summary="A thief plans.")
    ],
)


def test_content_words_are_stems_without_words_that_say_nothing() -> None:
    assert list_content_stems("If you liked thieves, you may enjoy the thief's plans.") == ["thiev", "thief", "plan"]


def test_an_event_supports_the_words_of_all_its_fields_and_their_names() -> None:
    stems = list_event_stems(EVENT)
    assert stems >= {"crime", "thriller", "thief", "plan", "snowi", "landscap", "fargo", "coen", "genr", "director"}
    assert "comedi" not in stems


def test_titles_names_and_numbers_are_masked() -> None:
    text = "Like Fargo by Joel Coen, Heat from 1995 is a crime thriller."
    assert mask_names(text, EVENT) == "like _ by _, _ from _ is a crime thriller."


@pytest.mark.parametrize("other", ["Heat is <h3> crime.", "Heat is Chinatown crime."])
def test_names_and_slots_that_the_event_lacks_are_masked_too(other: str) -> None:
    assert mask_names(other, EVENT) == "_ is _ crime."


def test_removed_names_leave_nothing_behind() -> None:
    assert remove_names("Like Fargo, Heat is a crime film.", EVENT) == "like , is a crime film."


def test_the_description_for_retrieval_has_facts_and_no_names() -> None:
    description = describe_without_names(EVENT)
    assert "thriller" in description
    assert "snowy landscapes" in description
    assert not {"heat", "fargo", "coen", "1995", "duluth"} & set(description.replace(".", " ").split())
