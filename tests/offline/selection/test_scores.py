import pytest

from offline.selection.measures import EventMeasurer, find_longest_run
from offline.selection.scores import score_text
from tests.factories import build_event, build_history_item, build_item

FACTS = {"genre": ["crime", "drama"], "director": "Ada Lund"}
FILM = build_event(
    history=[
        build_history_item("The Quiet Pier: A Story", attributes=FACTS),
        build_history_item("Paper Lanterns", rating=1, attributes={"genre": "crime", "mood": "romantic"}),
    ],
    items=[build_item("Harbour Lights", attributes=FACTS, summary="A romance in a lighthouse.")],
)


def total(text: str) -> float:
    measurer = EventMeasurer(FILM)
    return score_text(measurer.measure(text), knows_user=measurer.knows_user).total


def test_titles_are_found_in_their_short_form_too() -> None:
    assert EventMeasurer(FILM).measure("Since you loved The Quiet Pier, there is this.").titles_used == 1


def test_only_what_the_item_shares_with_liked_things_is_special_to_the_user() -> None:
    measurer = EventMeasurer(FILM)
    assert measurer.has_link
    assert measurer.measure("Crime by Ada Lund.").user_stems_used == 2  # 'Ada' is too short to count.
    assert measurer.measure("Romantic and calm.").user_stems_used == 0


def test_words_count_as_supported_in_any_inflection() -> None:
    measures = EventMeasurer(FILM).measure("Romantic dramas with lighthouses and dragons")
    assert measures.supported_share == pytest.approx(3 / 4)
    assert EventMeasurer(FILM).measure("You might like it.").supported_share == 1.0


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (
            "Like The Quiet Pier, which you loved, Harbour Lights is a crime drama by Ada Lund.",
            "You might like Harbour Lights, since it is a crime drama that was made by Ada Lund.",
        ),
        (
            "Like The Quiet Pier, which you loved, Harbour Lights is a crime drama by Ada Lund.",
            "Like The Quiet Pier, which you loved, Harbour Lights is worth a look on a free day.",
        ),
        (
            "Like The Quiet Pier, which you loved, Harbour Lights is a crime drama by Ada Lund.",
            "Like The Quiet Pier, which you loved, Harbour Lights is a dazzling triumph by Ada Lund.",
        ),
    ],
)
def test_the_more_personal_specific_grounded_text_scores_higher(better: str, worse: str) -> None:
    assert total(better) > total(worse)


def test_all_parts_lie_between_0_and_1() -> None:
    event = build_event(items=[build_item("Harbour Lights")])
    measurer = EventMeasurer(event)
    score = score_text(measurer.measure("Zebra."), knows_user=measurer.knows_user)
    assert (score.personalization, score.specificity, score.grounding, score.fluency) == (1.0, 0.0, 0.0, 0.5)


def test_the_longest_common_run_of_words_is_found_anywhere() -> None:
    assert find_longest_run("x a b c y".split(), "a b z a b c".split()) == 3
    assert find_longest_run([], ["a"]) == 0
