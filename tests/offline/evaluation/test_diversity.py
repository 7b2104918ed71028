from itertools import combinations

import pytest

from offline.evaluation.diversity import (
    measure_bleu,
    measure_distinct_pairs,
    measure_distinct_skeletons,
    measure_distinct_words,
    measure_feature_coverage,
    measure_feature_overlap,
    measure_unique_sentence_ratio,
)
from offline.evaluation.scores import RowFacts
from offline.evaluation.words import list_content_stems
from tests.offline.evaluation.measuring import build_row, build_text_row

FACTS = [RowFacts(build_text_row(build_row(index))) for index in range(4)]


def test_texts_that_differ_in_case_and_punctuation_only_are_one() -> None:
    assert measure_unique_sentence_ratio(["A film.", "a film", "Another."]) == pytest.approx(2 / 3)


def test_distinct_words_and_pairs_are_counted_over_all_texts() -> None:
    texts = ["a b a b", "a b"]
    assert measure_distinct_words(texts) == pytest.approx(2 / 6)
    assert measure_distinct_pairs(texts) == pytest.approx(2 / 4)


def test_texts_without_words_have_no_distinct_ones() -> None:
    assert measure_distinct_words(["", ""]) == 0
    assert measure_distinct_pairs(["one", ""]) == 0


def test_texts_that_differ_in_names_only_share_a_skeleton() -> None:
    texts = [f"You may like {fact.event.items[0].title} for its hard days." for fact in FACTS]
    assert len(set(texts)) == len(texts)
    assert measure_distinct_skeletons(texts, FACTS) == 1 / len(texts)


def test_coverage_is_the_share_of_all_features_that_some_text_has() -> None:
    everything = [" ".join(fact.features) for fact in FACTS]
    assert measure_feature_coverage(everything, FACTS) == 1
    assert measure_feature_coverage(["nothing"] * 4, FACTS) == 0


def test_overlap_is_the_mean_number_of_common_features_over_all_pairs() -> None:
    texts = ["hard pottery days", "hard weaving days", "hard hard carving", "nothing"]
    known = frozenset[str]().union(*(fact.features for fact in FACTS))
    sets = [known.intersection(list_content_stems(text)) for text in texts]
    expected = sum(len(left & right) for left, right in combinations(sets, 2)) / 6
    assert expected > 0
    assert measure_feature_overlap(texts, FACTS) == pytest.approx(expected)


def test_bleu_is_a_hundred_for_the_reference_and_small_for_another_text() -> None:
    reference = "two hard days of pottery with friends may suit you well"
    assert measure_bleu([reference], [reference]) == pytest.approx(100)
    assert measure_bleu(["a calm evening at the sea with a book in hand"], [reference]) < 10
