"""The whole path from the bytes of a record to its outcome: decode, prompt, generate, check, or else the template.

One record in, one outcome out, in order. A record that cannot be explained is an outcome too, never an exception. What
fails unexpectedly on one item stays with that item: the template answers, and where even that cannot be written, the
item is named as failed beside the explanations of the others.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from stream_app.core.errors import BROKEN_MACHINE, RecordError
from stream_app.core.events import (
    SUPPORTED_LANGUAGE,
    DeadLetter,
    Explanation,
    RankingEvent,
    compute_explanation_id,
    decode_event,
)
from stream_app.core.faithfulness import MAX_CHARACTERS, Verdict, Violation, check_faithfulness
from stream_app.core.generation import MAX_TRIES, Draft, Failure, Pause, TextGenerator, generate_persistently
from stream_app.core.merit import Merit, weigh
from stream_app.core.misplaced_facts import find_misplaced_facts
from stream_app.core.prompt import Prompt, build_prompt, compute_prompt_fingerprint
from stream_app.core.slots import FilledText, UnknownSlotError, fill_slots
from stream_app.core.template import WrittenText, write_template
from stream_app.core.vocabulary import find_strange_words

MAX_ATTEMPTS: Final = 5
"""How many plans are tried before the template answers; each retry costs one more generation of that item only."""
GENERATION_FAILED: Final = "generation_failed"
UNKNOWN_SLOT: Final = "unknown_slot"
"""Names of what can be wrong with a text before there is one to check."""
INTERNAL_ERROR: Final = "internal_error"
"""The prompt could not be built or the text not be judged: a bug of ours on an odd record, counted."""
OVERLOAD: Final = "overload"
"""Nothing was asked of the model: the record had waited too long."""
EXPLAIN_STAGE: Final = "explain"
"""The stage that dead letters name where a valid event could not be explained."""
MAX_UNSURE: Final = 4
"""After so many texts that the gate let through and another attempt may better, the best of them is taken."""


@dataclass(frozen=True, slots=True)
class Explained:
    """The explanations of one event, in item order, and how often each rule of the gate turned a text down."""

    event: RankingEvent
    explanations: tuple[Explanation, ...]
    violations: Counter[str]
    generation_failures: int = 0
    """Items for which neither a text nor a reason against it came out: generation failed, or the path itself."""
    errors: Counter[str] = field(default_factory=Counter)
    """Names of the types of what failed on the way, for the log."""
    failed_item_ids: tuple[str, ...] = ()
    """Items without an explanation: even the template failed."""
    letter: DeadLetter | None = None
    """Why items failed; set where some did."""
    source_tokens: int = 0
    """Of all prompts that the model wrote for, each attempt counted; for a metric."""


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
    template_reason: str = ""
    prompt: Prompt | None = None
    accepted: WrittenText | None = None
    merit: Merit | None = None
    """Of the accepted text."""
    unsure: int = 0
    """Texts that the gate let through and that another attempt may better."""
    is_settled: bool = False
    violations: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    tries: int = 1
    """How often the generator was given the same prompt."""
    source_tokens: int = 0
    explanation: Explanation | None = None

    @property
    def item_id(self) -> str:
        return self.event.items[self.item_index].item_id

    @property
    def is_failed(self) -> bool:
        """Whether the model's text is missing for no fault of a text."""
        is_missing = self.accepted is None and self.template_reason in (GENERATION_FAILED, INTERNAL_ERROR)
        return is_missing or self.explanation is None

    @contextmanager
    def keep_error(self) -> Iterator[None]:
        """Keep what goes wrong unexpectedly from the neighbours; only the type of the error is noted."""
        try:
            yield
        except BROKEN_MACHINE:
            raise
        except Exception as error:
            self.errors.append(type(error).__name__)
            self.template_reason = INTERNAL_ERROR


class ExplanationPipeline:
    """Explains records with one generator. Pure: the same records give the same outcomes.

    Args:
        generator: writes the texts.
        max_attempts: how many plans are tried for an item.
        pause: waits before a prompt is tried again on which the generator failed; the worker's waits indeed.
    """

    def __init__(
        self, generator: TextGenerator, max_attempts: int = MAX_ATTEMPTS, pause: Pause = lambda seconds: None
    ) -> None:
        self._generator = generator
        self._max_attempts = max_attempts
        self._pause = pause
        self._fingerprint = compute_prompt_fingerprint()

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Explain records (the values of Kafka messages): one outcome each, in order.

        Raises:
            ModelUnusableError: the model is broken; nothing is known of any record.
        """
        decoded = [_decode(record) for record in records]
        tasks = [_list_tasks(event) for event in decoded]
        self._write([task for group in tasks for task in group])
        return [self._conclude(event, group) for event, group in zip(decoded, tasks, strict=True)]

    def explain_with_template(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Answer records at once, without the model: as `explain`, but every text is the template's."""
        decoded = [_decode(record) for record in records]
        return [self._conclude(event, _list_tasks(event, template_reason=OVERLOAD)) for event in decoded]

    def _write(self, tasks: list[_Task]) -> None:
        for task in tasks:
            with task.keep_error():
                task.prompt = build_prompt(task.event, task.item_index)
        for attempt in range(self._max_attempts):
            asked = [(task, prompt) for task in tasks if (prompt := _render_prompt(task, attempt)) is not None]
            drafts = generate_persistently(self._generator, [prompt for _, prompt in asked], self._pause)
            for (task, _), draft in zip(asked, drafts, strict=True):
                with task.keep_error():
                    _judge(task, draft)

    def _conclude(self, event: RankingEvent | Rejected, tasks: list[_Task]) -> Outcome:
        if isinstance(event, Rejected):
            return event
        for task in tasks:
            with task.keep_error():
                task.explanation = self._build_explanation(task)
        failed_item_ids = tuple(task.item_id for task in tasks if task.explanation is None)
        errors = Counter(error for task in tasks for error in task.errors)
        letter = _describe_failure(tasks) if failed_item_ids else None
        if letter and len(failed_item_ids) == len(tasks):
            return Rejected(letter)
        return Explained(
            event=event,
            explanations=tuple(task.explanation for task in tasks if task.explanation),
            violations=sum((task.violations for task in tasks), Counter[str]()),
            generation_failures=sum(task.is_failed for task in tasks),
            errors=errors,
            failed_item_ids=failed_item_ids,
            letter=letter,
            source_tokens=sum(task.source_tokens for task in tasks),
        )

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
    if len(slotted) > MAX_CHARACTERS:
        return None, _turn_down_length(slotted)
    try:
        filled = fill_slots(slotted, prompt.slots)
    except UnknownSlotError as error:
        return None, Verdict((Violation(UNKNOWN_SLOT, str(error)),), ())
    return filled, judge_text(filled, event, item_index)


def judge_text(filled: FilledText, event: RankingEvent, item_index: int) -> Verdict:
    """Judge a text of the model: the gate, and before it what only a model gets wrong."""
    if len(filled.text) > MAX_CHARACTERS:
        return _turn_down_length(filled.text)
    about = (filled.text, event, item_index, filled.evidence)
    violations = [Violation(rule, word) for rule, word in find_strange_words(*about)]
    violations += [Violation("misplaced_fact", word) for word in find_misplaced_facts(*about)]
    if violations:
        return Verdict(tuple(violations), ())
    return check_faithfulness(filled.text, event, item_index, filled.evidence)


def _turn_down_length(text: str) -> Verdict:
    """Turn a text down unread: a model that runs on may make no rule work hard."""
    return Verdict((Violation("length", f"{len(text)} characters"),), ())


def _decode(record: bytes | None) -> RankingEvent | Rejected:
    try:
        return decode_event(record)
    except RecordError as error:
        return Rejected(DeadLetter(stage=error.stage, error=type(error).__name__, message=str(error)))
    except BROKEN_MACHINE:
        raise
    except Exception as error:
        # A bug of ours on an odd record: its message may quote the record.
        return Rejected(DeadLetter(stage="decode", error=type(error).__name__, message="decoding failed unexpectedly"))


def _list_tasks(event: RankingEvent | Rejected, template_reason: str = "") -> list[_Task]:
    if isinstance(event, Rejected):
        return []
    return [_Task(event, index, template_reason) for index in event.items_to_explain]


def _describe_failure(tasks: Sequence[_Task]) -> DeadLetter:
    """Say why items failed, by the first of them: type and numbers, no contents."""
    failed = [task for task in tasks if task.explanation is None]
    message = f"{len(failed)} of {len(tasks)} items could not be explained, not even by the template"
    attempts = max(task.tries for task in failed)
    return DeadLetter(stage=EXPLAIN_STAGE, error=failed[0].errors[-1], message=message, attempts=attempts)


def _render_prompt(task: _Task, attempt: int) -> str | None:
    """Render what to ask of the model next, or None if nothing is."""
    if task.is_settled or task.prompt is None or attempt >= len(task.prompt.plans):
        return None
    with task.keep_error():
        return task.prompt.render(task.prompt.plans[attempt])
    return None


def _judge(task: _Task, draft: Draft | Failure) -> None:
    """Accept the text, or note why not; the last reason is the one that the template reports."""
    assert task.prompt is not None
    if isinstance(draft, Failure):
        # No other plan is tried, and no earlier text kept: a record that is delivered again, when the generator works
        # again, must not get another text of the model, only the model's instead of the template's.
        task.accepted, task.is_settled = None, True
        task.template_reason = GENERATION_FAILED
        task.tries = MAX_TRIES
        task.errors.append(draft.error)
        return
    task.source_tokens += draft.source_tokens
    filled, verdict = judge_slotted(draft.text, task.prompt, task.event, task.item_index)
    task.violations.update(violation.rule for violation in verdict.violations)
    if filled is None or verdict.violations:
        task.template_reason = verdict.violations[0].rule
        return
    merit = weigh(draft, filled, task.event, task.item_index, shares_history=task.prompt.shares_history)
    if task.merit is None or merit > task.merit:
        task.accepted, task.merit = WrittenText(filled.text, verdict.evidence), merit
    is_sure = merit.is_faultless and draft.is_sure
    task.unsure += not is_sure
    task.is_settled = is_sure or task.unsure >= MAX_UNSURE
