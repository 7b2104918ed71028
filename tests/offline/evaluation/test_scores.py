import math

import pytest

from offline.evaluation.scores import (
    RowFacts,
    match_features,
    measure_unsupported_words,
    score_rouge_l,
    score_system,
    uses_user,
    uses_user_or_shared_value,
)
from offline.evaluation.systems import System
from offline.recorded_rows import RecordedRow
from tests.factories import build_event, build_history_item, build_item
from tests.offline.evaluation.measuring import LengthJudge, build_models, build_row, build_text_row

FACTS = RowFacts(build_text_row(build_row(0)))
"""A hard pottery course for someone who loved Evening Pottery and enjoys pottery with friends."""


def build_facts(**event: object) -> RowFacts:
    return RowFacts(build_text_row(RecordedRow("film", build_event(**event), "This one is worth a look for you.")))


def test_a_text_of_the_events_own_words_has_no_unsupported_word() -> None:
    assert measure_unsupported_words("Two hard days of pottery with friends.", FACTS) == 0


def test_half_of_the_content_words_may_be_unsupported() -> None:
    assert measure_unsupported_words("Hard pottery and stunning scenery.", FACTS) == 0.5


def test_a_text_without_content_words_has_no_share_of_them() -> None:
    assert measure_unsupported_words("You might like it.", FACTS) is None


def test_feature_matching_counts_the_features_of_the_oracles_text() -> None:
    # They are: hard, days, pottery, friends.
    assert match_features(FACTS.row.oracle, FACTS) == 1
    assert match_features("A hard weekend.", FACTS) == pytest.approx(1 / 4)
    assert match_features("Nothing of the kind.", FACTS) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Since you enjoyed Evening Pottery, try this.", True),
        ("Your friends may come along.", True),
        ("A hard course over two days.", False),
    ],
)
def test_the_user_is_used_by_a_title_or_a_word_of_the_preferences(text: str, expected: bool) -> None:
    assert uses_user(text, FACTS) is expected


def test_where_nothing_is_known_of_the_user_nothing_can_be_used() -> None:
    assert uses_user("A fine film for tonight.", build_facts()) is None


def test_a_value_that_item_and_history_share_counts_only_in_the_wider_measure() -> None:
    facts = build_facts(
        history=[build_history_item(attributes={"genre": "crime"})], items=[build_item(attributes={"genre": "Crime"})]
    )
    text = "Another crime story for the evening."
    assert uses_user(text, facts) is False
    assert uses_user_or_shared_value(text, facts) is True
    assert uses_user_or_shared_value("Another story for the evening.", facts) is False


def test_rouge_l_is_one_for_the_same_text_and_zero_for_another() -> None:
    assert list(score_rouge_l(["a quiet film", "loud"], ["a quiet film", "a quiet film"])) == [1, 0]


def test_rules_of_the_gate_become_shares() -> None:
    system = System("any", ("a", "b", "c"), (frozenset(), frozenset({"unknown_slot"}), frozenset({"wrong_relation"})))
    scores = score_system(system, [FACTS, FACTS, FACTS], build_models(), [])
    assert list(scores.passes_gate) == [1, 0, 0]
    assert list(scores.unsupported_names) == [0, 1, 0]
    assert list(scores.wrong_relations) == [0, 0, 1]


def test_only_the_judged_rows_have_a_gpt_score() -> None:
    judge = LengthJudge()
    system = System("any", ("four", "seven__"), (frozenset(), frozenset()))
    scores = score_system(system, [FACTS, FACTS], build_models(judge), [1])
    assert math.isnan(scores.gpt_score[0])
    assert scores.gpt_score[1] == -7
    assert "Evening Pottery" in judge.prompts[0]


def test_a_system_that_was_not_asked_for_another_user_has_no_share_of_changes() -> None:
    asked = System("asked", ("a", "b"), (frozenset(), frozenset()), ("a", None))
    unasked = System("unasked", ("a", "b"), (frozenset(), frozenset()))
    scores = score_system(asked, [FACTS, FACTS], build_models(), [])
    assert scores.changes_with_user[0] == 0
    assert math.isnan(scores.changes_with_user[1])
    assert all(map(math.isnan, score_system(unasked, [FACTS, FACTS], build_models(), []).changes_with_user))
