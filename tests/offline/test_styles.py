"""Texts are labelled with the style that the student will be asked for."""

import pytest

from offline.styles import classify_style
from stream_app.core.styles import Length, Manner, Opening

SOURCE = "<item> <t> harbour lights ; genre crime <n1> ada lund <about> a keeper hides letters <pref> likes cozy"


@pytest.mark.parametrize(
    ("text", "opening"),
    [
        ("<t> is a crime .", Opening.ITEM),
        ("<h1> was one that you loved .", Opening.HISTORY),
        ("<n1> made it .", Opening.NAME),
        ("you like crime .", Opening.USER),
        ("if you like crime , here it is .", Opening.LINK),
        ("the keeper hides letters .", Opening.DETERMINER),
        ("crime is what you like .", Opening.FACT),
    ],
)
def test_the_opening_is_the_first_word(text: str, opening: Opening) -> None:
    assert classify_style(text, SOURCE).opening is opening


def test_a_text_of_more_than_24_words_is_long() -> None:
    assert classify_style("crime " * 24, SOURCE).length is Length.SHORT
    assert classify_style("crime " * 25, SOURCE).length is Length.LONG


@pytest.mark.parametrize(
    ("text", "manner"),
    [
        ("<t> by <n1> is a crime about a keeper who hid a letter , cozy as you like .", Manner.PLAIN),
        ("<t> is a crime about a balloon .", Manner.FREE),
        ("<t> is a crime rather than a cozy one .", Manner.FREE),
        ("no letters here , and <t> is cozy .", Manner.FREE),
        ("<t> is cozy but a crime .", Manner.FREE),
        ("<t> is a crime with letters .", Manner.FREE),
        ("<t> is a crime , as was <h1> , which you loved .", Manner.PLAIN),
        ("cozy crime is what you like , and <t> is one .", Manner.FREE),
        ("you like it cozy , and so is <t> .", Manner.FREE),
        ("a keeper was part of <h1> , and <t> has it too .", Manner.FREE),
    ],
)
def test_a_plain_text_keeps_to_its_source_speaks_to_the_user_and_repeats_what_it_means(
    text: str, manner: Manner
) -> None:
    assert classify_style(text, SOURCE).manner is manner
