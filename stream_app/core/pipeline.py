"""The whole path from the bytes of a record to its outcome: decode, prompt, generate, check, or else the template.

One record in, one outcome out, in order. A record that cannot be explained is an outcome too, never an exception.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_app.core.errors import RecordError
from stream_app.core.events import (
    SUPPORTED_LANGUAGE,
    DeadLetter,
    Explanation,
    RankingEvent,
    compute_explanation_id,
    decode_event,
)
from stream_app.core.faithfulness import Verdict, Violation, check_faithfulness
from stream_app.core.generation import Draft, TextGenerator, generate_each
from stream_app.core.misplaced_facts import find_misplaced_facts, find_unrelated_reasons
from stream_app.core.prompt import Prompt, build_prompt, compute_prompt_fingerprint
from stream_app.core.slots import FilledText, UnknownSlotError, fill_slots
from stream_app.core.template import WrittenText, write_template
from stream_app.core.vocabulary import find_added_words, find_strange_words

MAX_ATTEMPTS: Final = 5
"""How many plans are tried before the template answers; each retry costs one more generation of that item only."""
GENERATION_FAILED: Final = "generation_failed"
UNKNOWN_SLOT: Final = "unknown_slot"
"""Names of what can be wrong with a text before there is one to check."""
MAX_UNSURE: Final = 4
"""After so many texts that the gate let through and another attempt may better, the best of them is taken."""


@dataclass(frozen=True, slots=True)
class Explained:
    """All explanations of one event, in item order, and how often each rule of the gate turned a text down."""

    event: RankingEvent
    explanations: tuple[Explanation, ...]
    violations: Counter[str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that can never be explained."""

    letter: DeadLetter


Outcome = Explained | Rejected


@dataclass(slots=True)
class _Task:
    """One (event, item) on its way: what is asked of the model, and what came of it so far."""

    event: RankingEvent
    item_index: int
    prompt: Prompt
    accepted: WrittenText | None = None
    merit: tuple[bool, bool, float] = (False, False, -math.inf)
    """Of the accepted text: whether what it says of the user meets something of the item, whether each word that states
    something stands in the event, and how likely the model finds it."""
    unsure: int = 0
    """Texts that the gate let through and that another attempt may better."""
    is_settled: bool = False
    template_reason: str = ""
    violations: Counter[str] = field(default_factory=Counter)


class ExplanationPipeline:
    """Explains records with one generator. Pure: the same records give the same outcomes."""

    def __init__(self, generator: TextGenerator, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._generator = generator
        self._max_attempts = max_attempts
        self._fingerprint = compute_prompt_fingerprint()

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Explain records (the values of Kafka messages): one outcome each, in order.

        Raises:
            ModelUnusableError: the model is broken; nothing is known of any record.
        """
        decoded = [_decode(record) for record in records]
        tasks = [_plan(event) if isinstance(event, RankingEvent) else [] for event in decoded]
        self._write([task for group in tasks for task in group])
        return [
            event if isinstance(event, Rejected) else self._conclude(event, group)
            for event, group in zip(decoded, tasks, strict=True)
        ]

    def _write(self, tasks: list[_Task]) -> None:
        for attempt in range(self._max_attempts):
            pending = [task for task in tasks if not task.is_settled and attempt < len(task.prompt.plans)]
            prompts = [task.prompt.render(task.prompt.plans[attempt]) for task in pending]
            for task, draft in zip(pending, generate_each(self._generator, prompts), strict=True):
                _judge(task, draft)

    def _conclude(self, event: RankingEvent, tasks: list[_Task]) -> Explained:
        violations = sum((task.violations for task in tasks), Counter[str]())
        return Explained(event, tuple(self._build_explanation(task) for task in tasks), violations)

    def _build_explanation(self, task: _Task) -> Explanation:
        event, item = task.event, task.event.items[task.item_index]
        identity = self._generator.identity
        text = task.accepted or write_template(event, task.item_index)
        is_english = event.locale is None or event.locale.lower().startswith(SUPPORTED_LANGUAGE)
        return Explanation(
            explanation_id=compute_explanation_id(event.event_id, item.item_id, identity, self._fingerprint),
            event_id=event.event_id,
            user_id=event.user.user_id,
            item_id=item.item_id,
            rank=item.rank,
            text=text.text,
            source="model" if task.accepted else "template",
            template_reason=None if task.accepted else task.template_reason,
            evidence=list(text.evidence),
            flags=[] if is_english else ["locale_not_supported"],
            model=identity,
            prompt_fingerprint=self._fingerprint,
        )


def judge_slotted(
    slotted: str, prompt: Prompt, event: RankingEvent, item_index: int
) -> tuple[FilledText | None, Verdict]:
    """Fill the slots of a text of the model, and judge it; without all its slots there is no filled text."""
    try:
        filled = fill_slots(slotted, prompt.slots)
    except UnknownSlotError as error:
        return None, Verdict((Violation(UNKNOWN_SLOT, str(error)),), ())
    return filled, judge_text(filled, event, item_index)


def judge_text(filled: FilledText, event: RankingEvent, item_index: int) -> Verdict:
    """Judge a text of the model: the gate, and before it what only a model gets wrong."""
    about = (filled.text, event, item_index, filled.evidence)
    violations = [Violation(rule, word) for rule, word in find_strange_words(*about)]
    violations += [Violation("misplaced_fact", word) for word in find_misplaced_facts(*about)]
    if violations:
        return Verdict(tuple(violations), ())
    return check_faithfulness(filled.text, event, item_index, filled.evidence)


def _decode(record: bytes | None) -> RankingEvent | Rejected:
    try:
        return decode_event(record)
    except RecordError as error:
        return Rejected(DeadLetter(stage=error.stage, error=type(error).__name__, message=str(error)))


def _plan(event: RankingEvent) -> list[_Task]:
    return [_Task(event, index, build_prompt(event, index)) for index in event.items_to_explain]


def _judge(task: _Task, draft: Draft | None) -> None:
    """Accept the text, or note why not; the last reason is the one that the template reports."""
    if draft is None:
        task.template_reason = GENERATION_FAILED
        return
    filled, verdict = judge_slotted(draft.text, task.prompt, task.event, task.item_index)
    task.violations.update(violation.rule for violation in verdict.violations)
    if filled is None or verdict.violations:
        task.template_reason = verdict.violations[0].rule
        return
    about = (filled.text, task.event, task.item_index, filled.evidence)
    is_related, is_plain = not any(find_unrelated_reasons(*about)), not any(find_added_words(*about))
    merit = (is_related, is_plain, draft.log_probability)
    if merit > task.merit:
        task.accepted, task.merit = WrittenText(filled.text, verdict.evidence), merit
    is_sure = is_related and is_plain and draft.is_sure
    task.unsure += not is_sure
    task.is_settled = is_sure or task.unsure >= MAX_UNSURE
