import pytest

from offline.selection.checks import CandidateChecker
from offline.selection.options import SelectOptions
from stream_app.core.events import RankingEvent
from tests.factories import build_event, build_history_item, build_item

GOOD = "The Quiet Pier, which you loved, was directed by Ada Lund, and so was Harbour Lights, a crime drama."


def build_film() -> RankingEvent:
    facts = {"genre": ["crime", "drama"], "director": "Ada Lund"}
    return build_event(
        history=[build_history_item("The Quiet Pier", attributes=facts)],
        items=[build_item("Harbour Lights", attributes=facts, summary="A harbour pilot hides a letter.")],
    )


def build_place() -> RankingEvent:
    summary = "A small room beside the water serves smoked trout, rye bread and soup made from what boats bring in."
    return build_event(
        preferences=["Enjoys fresh fish and quiet rooms."], items=[build_item("Kaldur", summary=summary)]
    )


def check(text: str, event: RankingEvent | None = None, **options: object) -> tuple[str, ...]:
    checker = CandidateChecker("film", event or build_film(), SelectOptions.model_validate(options))
    return checker.check(text).reasons


def test_a_faithful_personal_specific_text_passes_and_has_its_slots() -> None:
    candidate = CandidateChecker("film", build_film(), SelectOptions()).check(GOOD)
    assert candidate.reasons == ()
    assert candidate.slotted is not None
    assert "<t>" in candidate.slotted
    assert "ada lund" not in candidate.slotted.lower()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Harbour Lights by Michael Mann is a crime drama, like The Quiet Pier, which you loved.", "unsupported_name"),
        ("Harbour Lights is a crime drama.", "length"),
        ("Like The Quiet Pier, which you loved, Harbour Lights is a crime comedy.", "unsupported_attribute"),
        (f"- {GOOD}", "list_marker"),
        (f"**Harbour Lights** {GOOD}", "list_marker"),
        (f"Recommended item: {GOOD}", "prompt_echo"),
        ("Two sentences, 12 to 38 words, plain and warm, addressed to the user: a crime drama.", "prompt_echo"),
        (f"Sure, here you go: {GOOD}", "model_talk"),
        ("As an AI I would say that Harbour Lights is a crime drama by Ada Lund, who you loved.", "model_talk"),
        ("Stunning visuals and captivating acting make Harbour Lights an emotional masterpiece.", "unsupported_words"),
        ("If you are free tonight, there is time for you to watch the letter of Harbour Lights.", "not_personal"),
        ("The Quiet Pier was one that you loved, so you may want to look at Low Tide too.", "not_specific"),
    ],
)
def test_a_text_is_turned_down_for_its_fault(text: str, reason: str) -> None:
    assert reason in check(text)


def test_a_copy_of_the_summary_is_turned_down() -> None:
    text = (
        "At Kaldur the small room beside the water serves smoked trout, rye bread and soup made from what boats give."
    )
    assert "copied" in check(text, build_place())
    assert "copied" not in check(text, build_place(), max_copied_words=20)


def test_checks_can_be_switched_off() -> None:
    impersonal = "On a free evening there might be time for Harbour Lights, with its pilot and its letter."
    assert check(impersonal) == ("not_personal",)
    assert check(impersonal, require_personal=False) == ()
    bare = "The Quiet Pier was one that you loved, so you may want to look at this one too."
    assert check(bare) == ("not_specific",)
    assert check(bare, require_specific=False) == ()


def test_a_user_of_whom_nothing_is_known_asks_for_nothing_personal() -> None:
    event = build_event(items=[build_item("Harbour Lights", attributes={"genre": "crime", "director": "Ada Lund"})])
    assert check("Harbour Lights is a crime film that was directed by Ada Lund.", event) == ()


def test_an_unrelated_item_may_be_explained_by_itself() -> None:
    event = build_event(
        history=[build_history_item("Paper Lanterns", attributes={"genre": "comedy"})],
        items=[build_item("Harbour Lights", attributes={"genre": "crime", "director": "Ada Lund"})],
    )
    assert check("Something different from Paper Lanterns: Harbour Lights is a crime film by Ada Lund.", event) == ()


def test_a_text_without_a_slotted_form_is_turned_down_unless_it_is_allowed() -> None:
    event = build_event(
        history=[build_history_item("Paper Lanterns", attributes={"genre": "comedy", "director": "Ada Lund"})],
        items=[build_item("Harbour Lights", attributes={"genre": "comedy"})],
    )
    # The student's prompt leaves out who made a film of the history where the item's maker is another.
    text = "Ada Lund gave you Paper Lanterns, which you loved, and Harbour Lights is another comedy."
    assert check(text, event) == ("name_or_number_not_in_prompt",)
    assert check(text, event, require_slots=False) == ()


def test_the_check_of_words_is_optional() -> None:
    text = GOOD.replace("crime drama", "crime drama of permison")
    assert "unknown_word" not in check(text)
    assert "unknown_word" in check(text, judge_as_student=True)
