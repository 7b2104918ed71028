"""Own-row retrieval: whether a text finds the row that it was written for among others, with all names removed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.evaluation.models import Matrix, SentenceEncoder, Vector
from offline.evaluation.scores import RowFacts
from offline.evaluation.words import describe_without_names, remove_names


@dataclass(frozen=True, slots=True)
class RetrievalOptions:
    """How many rows a text must find its own among, how often they are drawn, and the seed of the draws."""

    rows: int = 140
    draws: int = 5
    seed: int = 0


def encode_rows(facts: Sequence[RowFacts], encoder: SentenceEncoder) -> Matrix:
    """Encode what is known of each row, without names."""
    return encoder.encode([describe_without_names(fact.event) for fact in facts])


def encode_texts(texts: Sequence[str], facts: Sequence[RowFacts], encoder: SentenceEncoder) -> Matrix:
    """Encode texts without the names that they and their events have."""
    return encoder.encode([remove_names(text, fact.event) for text, fact in zip(texts, facts, strict=True)])


def find_own_rows(texts: Matrix, rows: Matrix, options: RetrievalOptions) -> Vector:
    """Say of each drawn text whether its own row is the most similar one of the draw (recall at rank 1).

    Args:
        texts: one vector a text, shape (rows, width).
        rows: one vector a row, in the same order.
        options: all rows are one draw's where there are fewer than asked for.

    Returns:
        1 or 0 for each draw and row in it, draw after draw: the same draws for every system of the same size.
    """
    rng = np.random.default_rng(options.seed)
    hits: list[Vector] = []
    for _ in range(options.draws):
        drawn = rng.permutation(len(texts))[: options.rows]
        nearest = (texts[drawn] @ rows[drawn].T).argmax(1)
        hits.append((nearest == np.arange(len(drawn))).astype(np.float64))
    return np.concatenate(hits)
