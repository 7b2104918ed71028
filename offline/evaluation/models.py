"""The models that measure, as ports: a sentence encoder, a token similarity, and a judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]
Matrix: TypeAlias = NDArray[np.float64]


class SentenceEncoder(Protocol):
    """Turns texts into vectors whose product is their similarity."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Encode texts: one row each, of length 1."""
        ...


class TokenSimilarity(Protocol):
    """Compares each text with its reference, token by token."""

    def compare(self, texts: Sequence[str], references: Sequence[str]) -> Vector:
        """Compute one score a pair; higher is more alike."""
        ...


class Judge(Protocol):
    """Says how probable texts are."""

    def score(self, prompts: Sequence[str], texts: Sequence[str]) -> Vector:
        """Compute, for each text after its prompt, the mean log-probability of its tokens (natural logarithm)."""
        ...


@dataclass(frozen=True, slots=True)
class MeasuringModels:
    """What an evaluation measures with; without a judge there is no GPTScore."""

    encoder: SentenceEncoder
    similarity: TokenSimilarity
    judge: Judge | None = None
