"""Let the student write about every row, through the worker's own prompt, gate, retries and template."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offline.evaluation.texts import TextRow
from offline.recorded_rows import RecordedRow
from stream_app.core.events import Evidence, Explanation, RankingEvent, encode_contract
from stream_app.core.faithfulness import check_faithfulness
from stream_app.core.generation import Draft, TextGenerator, generate_each
from stream_app.core.pipeline import GENERATION_FAILED, Explained, ExplanationPipeline, judge_slotted
from stream_app.core.prompt import Prompt, build_prompt
from stream_app.core.template import write_template


@dataclass(frozen=True, slots=True)
class Assignment:
    """A row, the group that it is reported in, its event with another's user, and texts of further systems."""

    row: RecordedRow
    group: str
    exchanged: RankingEvent | None
    others: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the student wrote at the first attempt, and the rules of the gate that it violates."""

    text: str
    rules: frozenset[str]


def write_rows(generator: TextGenerator, assignments: Sequence[Assignment]) -> list[TextRow]:
    """Write about each row: the first attempt alone, what the worker emits, and both again for another user."""
    events = [assignment.row.event for assignment in assignments]
    exchanged = [assignment.exchanged for assignment in assignments]
    attempts = write_first_attempts(generator, events)
    emitted = emit(generator, events)
    for_others = iter(emit(generator, [event for event in exchanged if event is not None]))
    return [
        _build_row(assignment, attempt, explanation, None if assignment.exchanged is None else next(for_others).text)
        for assignment, attempt, explanation in zip(assignments, attempts, emitted, strict=True)
    ]


def _build_row(
    assignment: Assignment, attempt: Attempt, explanation: Explanation, emitted_for_another: str | None
) -> TextRow:
    row, exchanged = assignment.row, assignment.exchanged
    # The template quotes fields that the gate does not look into, such as the rank; of the model nothing is believed.
    cited = explanation.evidence if explanation.source == "template" else ()
    return TextRow(
        kind=row.kind,
        group=assignment.group,
        event=row.event,
        oracle=row.explanation,
        raw=attempt.text,
        raw_rules=sorted(attempt.rules),
        emitted=explanation.text,
        emitted_rules=sorted(find_rules(explanation.text, row.event, cited)),
        source=explanation.source,
        template_reason=explanation.template_reason,
        template=write_template(row.event, 0).text,
        emitted_for_another=emitted_for_another,
        template_for_another=None if exchanged is None else write_template(exchanged, 0).text,
        others=dict(assignment.others),
    )


def write_first_attempts(generator: TextGenerator, events: Sequence[RankingEvent]) -> list[Attempt]:
    """Write to the first plan only, without retries and template, and name the rules that each text violates."""
    prompts = [build_prompt(event, 0) for event in events]
    drafts = generate_each(generator, [prompt.render(prompt.plans[0]) for prompt in prompts])
    return [_judge(*parts) for parts in zip(drafts, events, prompts, strict=True)]


def _judge(draft: Draft | None, event: RankingEvent, prompt: Prompt) -> Attempt:
    if draft is None:
        return Attempt("", frozenset({GENERATION_FAILED}))
    filled, verdict = judge_slotted(draft.text, prompt, event, 0)
    return Attempt(filled.text if filled else draft.text, frozenset(violation.rule for violation in verdict.violations))


def emit(generator: TextGenerator, events: Sequence[RankingEvent]) -> list[Explanation]:
    """Run the worker's whole path, retries, gate and template included, for the first item of each event.

    Raises:
        ValueError: an event is none that the worker would take.
    """
    emitted: list[Explanation] = []
    for outcome in ExplanationPipeline(generator).explain([encode_contract(event) for event in events]):
        if not isinstance(outcome, Explained):
            raise ValueError(f"a recorded event is not a valid event: {outcome.letter.message}")
        emitted.append(outcome.explanations[0])
    return emitted


def find_rules(text: str, event: RankingEvent, cited: Sequence[Evidence] = ()) -> frozenset[str]:
    """Name the rules of the worker's gate that a text violates."""
    return frozenset(violation.rule for violation in check_faithfulness(text, event, 0, cited).violations)


def exchange_users(rows: Sequence[RecordedRow], seed: int) -> list[RankingEvent | None]:
    """Give each event the user of another row of the same kind: all else, ids included, stays.

    Returns:
        An event for each row; None where nothing is known of the user, or the kind has no other.
    """
    rng = random.Random(seed)
    by_kind: dict[str, list[RankingEvent]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row.event)
    exchanged: list[RankingEvent | None] = []
    for row in rows:
        others = [event for event in by_kind[row.kind] if event.user.user_id != row.event.user.user_id]
        is_known = bool(row.event.user.history or row.event.user.preferences)
        if others and is_known:
            exchanged.append(row.event.model_copy(update={"user": rng.choice(others).user}))
        else:
            exchanged.append(None)
    return exchanged
