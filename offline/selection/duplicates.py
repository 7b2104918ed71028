"""Variety over the whole set: no text twice, few texts of one skeleton."""

import re
from collections import Counter
from typing import Final

from datasketch import MinHash, MinHashLSH

from stream_app.core.slots import SLOT

_WORD: Final = re.compile(r"\w+(?:['’-]\w+)*")
_SHINGLE_WORDS: Final = 3
_PERMUTATIONS: Final = 128
_BANDS: Final = (32, 4)
"""Bands and rows of the index: of pairs with similarity 0.8 it misses 1 in 20 million, with 0.5 one in eight. What it
finds is compared exactly afterwards; texts as unlike as most are (below 0.1) are hardly ever found."""


class ChosenTexts:
    """The texts chosen so far, indexed by skeleton and by word trigrams."""

    def __init__(self, max_skeleton_copies: int, max_similarity: float) -> None:
        self._max_copies = max_skeleton_copies
        self._max_similarity = max_similarity
        self._skeletons: Counter[str] = Counter()
        self._shingles: list[frozenset[str]] = []
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)

    def find_reason(self, text: str, slotted: str) -> str | None:
        """Say why a text adds nothing to the set: `near_duplicate`, `repeated_skeleton`, or None if it does."""
        shingles = cut_shingles(text)
        similar = self._index.query(_hash_shingles(shingles))
        if any(measure_similarity(shingles, self._shingles[key]) >= self._max_similarity for key in similar):
            return "near_duplicate"
        return "repeated_skeleton" if self._skeletons[mask_names(slotted)] >= self._max_copies else None

    def add(self, text: str, slotted: str) -> None:
        """Add a chosen text."""
        shingles = cut_shingles(text)
        self._index.insert(len(self._shingles), _hash_shingles(shingles))
        self._shingles.append(shingles)
        self._skeletons[mask_names(slotted)] += 1


def mask_names(slotted: str) -> str:
    """Replace all slots by one sign: what is left is the skeleton."""
    return SLOT.sub("_", slotted).casefold()


def cut_shingles(text: str) -> frozenset[str]:
    """Cut a text into its runs of three words, without case and punctuation."""
    words = [match[0].casefold() for match in _WORD.finditer(text)]
    count = max(len(words) - _SHINGLE_WORDS + 1, 1)
    return frozenset(" ".join(words[start : start + _SHINGLE_WORDS]) for start in range(count))


def measure_similarity(left: frozenset[str], right: frozenset[str]) -> float:
    """Measure Jaccard's similarity: common elements / all elements."""
    return len(left & right) / len(left | right)


def _hash_shingles(shingles: frozenset[str]) -> MinHash:
    minhash = MinHash(num_perm=_PERMUTATIONS, seed=1)
    minhash.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return minhash
