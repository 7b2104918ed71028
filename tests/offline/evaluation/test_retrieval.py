import numpy as np
import pytest

from offline.evaluation.retrieval import RetrievalOptions, encode_rows, encode_texts, find_own_rows
from offline.evaluation.scores import RowFacts
from tests.offline.evaluation.measuring import WordEncoder, build_row, build_text_row

FACTS = [RowFacts(build_text_row(build_row(index))) for index in range(8)]
OPTIONS = RetrievalOptions(rows=5, draws=3, seed=1)


def find(texts: list[str]) -> float:
    encoder = WordEncoder()
    found = find_own_rows(encode_texts(texts, FACTS, encoder), encode_rows(FACTS, encoder), OPTIONS)
    assert len(found) == OPTIONS.rows * OPTIONS.draws
    return float(found.mean())


def test_texts_that_tell_the_facts_find_their_own_rows() -> None:
    assert find([f"{fact.event.items[0].attributes['topic']} for friends" for fact in FACTS]) == 1


def test_one_text_for_all_rows_finds_one_row_of_each_draw() -> None:
    assert find(["pottery for friends"] * 8) == pytest.approx(1 / 5)


def test_names_alone_find_nothing_but_by_chance() -> None:
    assert find([fact.event.items[0].title for fact in FACTS]) == pytest.approx(1 / 5)


def test_systems_of_one_size_are_drawn_alike() -> None:
    rows = np.eye(8)
    found = find_own_rows(rows, rows, OPTIONS)
    spoilt = np.eye(8)
    spoilt[3] = rows[4]
    # The one spoilt text is missed in every draw that it is in, and nothing else changes.
    assert 0 < (found - find_own_rows(spoilt, rows, OPTIONS)).sum() <= OPTIONS.draws


def test_fewer_rows_than_asked_for_are_one_draw() -> None:
    assert len(find_own_rows(np.eye(4), np.eye(4), RetrievalOptions(rows=140, draws=2))) == 8
