"""Measures of a set of texts: how different they are, and how much of what could be said they say."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from offline.evaluation.scores import RowFacts, list_words
from offline.evaluation.words import list_content_stems, mask_names


def measure_bleu(texts: Sequence[str], references: Sequence[str]) -> float:
    """Compute corpus BLEU-4 (Papineni et al. 2002), 0 to 100, by the package `sacrebleu` (Post 2018)."""
    from sacrebleu.metrics.bleu import BLEU

    return float(BLEU().corpus_score(list(texts), [list(references)]).score)


def measure_unique_sentence_ratio(texts: Sequence[str]) -> float:
    """Compute distinct texts (as sequences of lower-case words) / texts: USR in lileipisces/PETER (Li et al. 2021)."""
    return len({tuple(list_words(text)) for text in texts}) / len(texts)


def measure_distinct_skeletons(texts: Sequence[str], facts: Sequence[RowFacts]) -> float:
    """Compute distinct texts / texts where titles, names and numbers all read the same."""
    skeletons = {tuple(list_words(mask_names(text, fact.event))) for text, fact in zip(texts, facts, strict=True)}
    return len(skeletons) / len(texts)


def measure_distinct_words(texts: Sequence[str]) -> float:
    """Compute distinct words / words of all texts: distinct-1 (Li et al. 2016, arXiv 1510.03055)."""
    words = [word for text in texts for word in list_words(text)]
    return len(set(words)) / len(words) if words else 0.0


def measure_distinct_pairs(texts: Sequence[str]) -> float:
    """Compute distinct pairs of neighbouring words / pairs of all texts: distinct-2 (Li et al. 2016)."""
    pairs = [pair for text in texts for pair in pairwise(list_words(text))]
    return len(set(pairs)) / len(pairs) if pairs else 0.0


def measure_feature_coverage(texts: Sequence[str], facts: Sequence[RowFacts]) -> float:
    """Compute the share of all rows' features that some text has: FCR, feature coverage ratio (lileipisces/PETER).

    Features are stems of the items' attribute values and summaries and of the preferences; PETER has a list of them.
    """
    known = frozenset[str]().union(*(fact.features for fact in facts))
    used = {stem for text in texts for stem in list_content_stems(text)}
    return len(used & known) / len(known) if known else 0.0


def measure_feature_overlap(texts: Sequence[str], facts: Sequence[RowFacts]) -> float:
    """Compute how many features two texts have in common on average: DIV, feature diversity (lileipisces/PETER).

    Lower is more diverse. Summed over features instead of over pairs: a feature of c texts is common to c(c-1)/2 pairs.
    """
    known = frozenset[str]().union(*(fact.features for fact in facts))
    counts = Counter(stem for text in texts for stem in known.intersection(list_content_stems(text)))
    pairs = len(texts) * (len(texts) - 1) / 2
    return sum(count * (count - 1) / 2 for count in counts.values()) / pairs if pairs else 0.0
