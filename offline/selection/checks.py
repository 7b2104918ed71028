"""Why a candidate is turned down: the worker's own rules, and what makes a text useless to learn from."""

import re
from collections.abc import Iterator
from typing import Final

from offline.oracle.prompt import RULES
from offline.recorded_rows import RecordedRow, build_pairs
from offline.selection.candidates import Candidate
from offline.selection.measures import EventMeasurer, Measures, find_longest_run
from offline.selection.options import SelectOptions
from offline.selection.scores import score_text
from stream_app.core.events import RankingEvent
from stream_app.core.faithfulness import check_faithfulness
from stream_app.core.misplaced_facts import find_unrelated_reasons
from stream_app.core.pipeline import judge_slotted
from stream_app.core.prompt import build_prompt

_LIST_MARKER: Final = re.compile(r"(?:\A|\n)\s*(?:[-*•]|\d+[.)])\s|\*\*|\A#")
_ECHO: Final = re.compile(
    r"\b(?:recommended item|history of the user|preferences of the user|rated \S+ out of|explanation:)", re.IGNORECASE
)
_MODEL_TALK: Final = re.compile(
    r"\A(?:sure|certainly|of course)\b[^.]*[:!]|\bas an ai\b|\blanguage model\b|"
    r"\A(?:here(?:'s| is)|this is) (?:an?|the|my|your) (?:\w+ ){0,3}(?:explanation|recommendation|sentence|reason)\b",
    re.IGNORECASE,
)
_MAX_RULE_WORDS: Final = 7
_RULE_WORDS: Final = [word.strip('.,;:-"').lower() for word in RULES.split()]
_MIN_DISTINCT_SHARE: Final = 0.6


class CandidateChecker:
    """Checks the candidates of one row."""

    def __init__(self, kind: str, event: RankingEvent, options: SelectOptions) -> None:
        self._kind = kind
        self._event = event
        self._options = options
        self._measurer = EventMeasurer(event)

    def check(self, text: str) -> Candidate:
        """Check and score one text.

        Reasons are the names of the worker's rules (`unsupported_name`, `wrong_relation`, `length`, ...), and the ones
        of this module: `list_marker`, `prompt_echo`, `model_talk`, `copied`, `repetitive`, `unsupported_words`,
        `not_personal`, `not_specific`; for texts without any of them also those that `offline.recorded_rows` gives
        for a text without a slotted form.
        """
        measures = self._measurer.measure(text)
        reasons = [violation.rule for violation in check_faithfulness(text, self._event, 0).violations]
        reasons += self._check_form(text, measures)
        reasons += self._check_content(measures)
        slotted = None
        if not reasons:
            # Building a prompt costs as much as all the checks: not for texts that are turned down anyway.
            slotted, reasons = self._extract_slots(text)
        score = score_text(measures, knows_user=self._measurer.knows_user)
        return Candidate(text, slotted, score, tuple(dict.fromkeys(reasons)))

    def _extract_slots(self, text: str) -> tuple[str | None, list[str]]:
        pairs, counts = build_pairs(iter([RecordedRow(self._kind, self._event, text)]))
        if not pairs:
            return None, list(counts) if self._options.require_slots else []
        slotted = pairs[0].target
        if not self._options.judge_as_student:
            return slotted, []
        filled, verdict = judge_slotted(slotted, build_prompt(self._event, 0), self._event, 0)
        reasons = [violation.rule for violation in verdict.violations]
        if filled and any(find_unrelated_reasons(filled.text, self._event, 0, filled.evidence)):
            reasons.append("unrelated_reason")
        return slotted, reasons

    def _check_form(self, text: str, measures: Measures) -> Iterator[str]:
        if _LIST_MARKER.search(text):
            yield "list_marker"
        words = [word.strip('.,;:-"').lower() for word in text.split()]
        if _ECHO.search(text) or find_longest_run(words, _RULE_WORDS) > _MAX_RULE_WORDS:
            yield "prompt_echo"
        if _MODEL_TALK.search(text):
            yield "model_talk"
        if measures.copied_words > self._options.max_copied_words:
            yield "copied"
        if measures.distinct_share < _MIN_DISTINCT_SHARE:
            yield "repetitive"

    def _check_content(self, measures: Measures) -> Iterator[str]:
        if measures.supported_share < self._options.min_supported_share:
            yield "unsupported_words"
        uses_user = measures.titles_used or measures.user_stems_used
        if self._options.require_personal and self._measurer.has_link and not uses_user:
            yield "not_personal"
        if self._options.require_specific and self._measurer.item_stems and not measures.item_stems_used:
            yield "not_specific"
