"""Scores of single texts. Each is a small pure function; NaN stands where a score has no meaning for a row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from offline.evaluation.judge import render_judge_prompt
from offline.evaluation.models import MeasuringModels, Vector
from offline.evaluation.systems import System
from offline.evaluation.texts import TextRow
from offline.evaluation.words import list_content_stems, list_event_stems
from stream_app.core.events import RankingEvent
from stream_app.core.facts import EventFacts, contains_whole, fold_case
from stream_app.core.outline import Outline

UNSUPPORTED_RULES: Final = frozenset(("unsupported_name", "unsupported_number", "unknown_slot"))
RELATION_RULES: Final = frozenset(("wrong_relation", "unsupported_attribute"))
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class RowScores:
    """One score a row; names and meanings are those of `report.SystemFigures`."""

    rouge_l: Vector
    bert_score: Vector
    gpt_score: Vector
    feature_matching: Vector
    passes_gate: Vector
    unsupported_names: Vector
    wrong_relations: Vector
    unsupported_words: Vector
    uses_user: Vector
    uses_user_or_shared_value: Vector
    changes_with_user: Vector
    words: Vector


class RowFacts:
    """What is counted once of a row for all systems."""

    def __init__(self, row: TextRow) -> None:
        self.row = row
        self.event: RankingEvent = row.event
        self.facts = EventFacts(row.event, 0)

    @cached_property
    def stems(self) -> frozenset[str]:
        """Stems of all content words of the event."""
        return list_event_stems(self.event)

    @cached_property
    def features(self) -> frozenset[str]:
        """Stems of the item's attribute values and summary and of the preferences: the row's 'features'."""
        values = [value for _, value, _ in self.facts.item.values]
        texts = [*values, self.facts.item.summary or "", *self.facts.preferences]
        return frozenset(stem for text in texts for stem in list_content_stems(text))

    @cached_property
    def preference_stems(self) -> frozenset[str]:
        """Stems of the preferences' content words."""
        return frozenset(stem for text in self.facts.preferences for stem in list_content_stems(text))

    @cached_property
    def shared_values(self) -> frozenset[str]:
        """Folded attribute values that the item shares with an entry of the history."""
        own = {fold_case(value) for _, value, _ in self.facts.item.values}
        theirs = {fold_case(value) for entry in self.facts.history for _, value, _ in entry.values}
        return frozenset(value for value in own & theirs if value.strip())

    @property
    def knows_user(self) -> bool:
        """Whether there is anything of the user that a text could use."""
        return bool(self.facts.history or self.preference_stems)


def score_system(
    system: System, facts: Sequence[RowFacts], models: MeasuringModels, judged: Sequence[int]
) -> RowScores:
    """Score the texts of one system.

    Args:
        system: its texts, one a row.
        facts: the rows.
        models: what to measure with.
        judged: indices of the rows that the judge reads; the others have no GPTScore.
    """
    references = [fact.row.oracle for fact in facts]
    pairs = list(zip(system.texts, facts, strict=True))
    return RowScores(
        rouge_l=score_rouge_l(system.texts, references),
        bert_score=models.similarity.compare(system.texts, references),
        gpt_score=_ask_judge(system, facts, models, judged),
        feature_matching=_to_vector([match_features(text, fact) for text, fact in pairs]),
        passes_gate=_to_vector([not rules for rules in system.rules]),
        unsupported_names=_to_vector([bool(rules & UNSUPPORTED_RULES) for rules in system.rules]),
        wrong_relations=_to_vector([bool(rules & RELATION_RULES) for rules in system.rules]),
        unsupported_words=_to_vector([measure_unsupported_words(text, fact) for text, fact in pairs]),
        uses_user=_to_vector([uses_user(text, fact) for text, fact in pairs]),
        uses_user_or_shared_value=_to_vector([uses_user_or_shared_value(text, fact) for text, fact in pairs]),
        changes_with_user=_compare_exchanged(system),
        words=_to_vector([len(text.split()) for text in system.texts]),
    )


def score_rouge_l(texts: Sequence[str], references: Sequence[str]) -> Vector:
    """Compute ROUGE-L F1 (Lin 2004), 0 to 1, stemmed, by the package `rouge-score`."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return _to_vector(
        [scorer.score(reference, text)["rougeL"].fmeasure for text, reference in zip(texts, references, strict=True)]
    )


def match_features(text: str, fact: RowFacts) -> float | None:
    """Compute the share of the features in the Oracle's text that the text has too: FMR, feature matching ratio.

    After lileipisces/PETER (Li et al. 2021), where each row has one feature; with one feature the two are equal.
    """
    wanted = fact.features.intersection(list_content_stems(fact.row.oracle))
    return len(wanted.intersection(list_content_stems(text))) / len(wanted) if wanted else None


def measure_unsupported_words(text: str, fact: RowFacts) -> float | None:
    """Compute the share of a text's content words whose stem stands nowhere in the event.

    Counts plain English too ('offers', 'atmosphere'), so it compares systems and is no rate of errors.
    """
    stems = list_content_stems(text)
    return sum(stem not in fact.stems for stem in stems) / len(stems) if stems else None


def uses_user(text: str, fact: RowFacts) -> bool | None:
    """Say whether a text uses something of the user: a title of the history, or a content word of the preferences."""
    if not fact.knows_user:
        return None
    if not fact.preference_stems.isdisjoint(list_content_stems(text)):
        return True
    return bool(Outline(text, fact.facts, ()).named)


def uses_user_or_shared_value(text: str, fact: RowFacts) -> bool | None:
    """Say whether a text uses something of the user, or a value that the item shares with the history."""
    used = uses_user(text, fact)
    return used if used is not False else any(contains_whole(value, fold_case(text)) for value in fact.shared_values)


def _compare_exchanged(system: System) -> Vector:
    others = system.texts_for_another or [None] * len(system.texts)
    return _to_vector(
        [None if other is None else other != text for text, other in zip(system.texts, others, strict=True)]
    )


def _ask_judge(system: System, facts: Sequence[RowFacts], models: MeasuringModels, judged: Sequence[int]) -> Vector:
    scores = np.full(len(facts), np.nan)
    if models.judge is not None and judged:
        prompts = [render_judge_prompt(facts[index].event) for index in judged]
        scores[list(judged)] = models.judge.score(prompts, [system.texts[index] for index in judged])
    return scores


def _to_vector(values: Sequence[float | bool | None]) -> Vector:
    return np.array([np.nan if value is None else float(value) for value in values])


def list_words(text: str) -> list[str]:
    """List the words of a text in lower case, as the counts of distinct n-grams and texts see it."""
    return _WORD.findall(text.lower())
