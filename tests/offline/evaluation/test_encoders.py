"""The real MiniLM, from the package that carries it."""

import numpy as np
import pytest

from offline.evaluation.encoders import BertScore, MeanPoolingEncoder
from offline.minilm import find_minilm

pytestmark = pytest.mark.slow

TEXTS = [
    "A quiet drama about two sisters in Lisbon.",
    "A calm film on a pair of siblings in Portugal.",
    "Grilled fish and cold beer by the harbour, open late every day of the week.",
]


def test_sentence_vectors_have_length_one_and_lie_near_where_meanings_do() -> None:
    vectors = MeanPoolingEncoder(find_minilm()).encode(TEXTS)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_texts_keep_their_order_whatever_their_length() -> None:
    encoder = MeanPoolingEncoder(find_minilm())
    assert np.allclose(encoder.encode(TEXTS[::-1])[::-1], encoder.encode(TEXTS), atol=1e-5)


def test_bert_score_is_one_for_the_same_text_higher_for_a_like_one_and_zero_for_none() -> None:
    same, alike, other, none = BertScore(find_minilm()).compare([*TEXTS, " "], [TEXTS[0]] * 4)
    assert same == pytest.approx(1, abs=1e-4)
    assert same > alike > other > none == 0
