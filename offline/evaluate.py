"""Measure a converted student on rows that nobody trained on: what it writes, what the gate lets through."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from rouge_score.rouge_scorer import RougeScorer

from offline.recorded_rows import RecordedRow
from stream_app.core.events import RankingEvent, encode_contract
from stream_app.core.faithfulness import check_faithfulness
from stream_app.core.generation import TextGenerator
from stream_app.core.pipeline import Explained, ExplanationPipeline, judge_text
from stream_app.core.prompt import build_prompt
from stream_app.core.slots import UnknownSlotError, fill_slots
from stream_app.core.template import write_template

GROUPS: Final = {
    "film_full": "films",
    "film_thin": "films",
    "book": "reviews",
    "restaurant_review": "reviews",
    "local_business": "reviews",
}
INVENTED: Final = "invented"
UNSUPPORTED_RULES: Final = frozenset(("unsupported_name", "unsupported_number", "unknown_slot"))
_SLOT: Final = re.compile(r"<[thny]\d*>")


@dataclass(frozen=True, slots=True)
class _RawText:
    """What the student wrote at the first attempt, before the gate."""

    slotted: str
    text: str
    rules: frozenset[str]


@dataclass(frozen=True, slots=True)
class EmittedText:
    """What the pipeline emitted for a row."""

    text: str
    source: str
    template_reason: str | None


def evaluate(generator: TextGenerator, rows: Sequence[RecordedRow], seed: int = 0) -> dict[str, dict[str, object]]:
    """Evaluate a generator.

    Args:
        generator: the converted, quantized student: what ships, not what was trained.
        rows: recorded rows of users, or invented items, that are not in the training data.
        seed: chooses the other rows that texts are shuffled with and users exchanged for.

    Returns:
        For `all` and each group of rows its figures; every share lies between 0 and 1. See `_measure`.
    """
    groups: dict[str, list[RecordedRow]] = {"all": list(rows)}
    for row in rows:
        groups.setdefault(GROUPS.get(row.kind, INVENTED), []).append(row)
    return {name: _measure(generator, group, seed) for name, group in sorted(groups.items())}


def _measure(generator: TextGenerator, rows: list[RecordedRow], seed: int) -> dict[str, object]:
    raw = write_raw(generator, [row.event for row in rows])
    emitted = emit([row.event for row in rows], generator)
    exchanged = emit(_exchange_users(rows, random.Random(seed)), generator)
    known = [index for index, row in enumerate(rows) if row.event.user.history or row.event.user.preferences]
    rules = Counter(rule for text in raw for rule in text.rules)
    texts = [text.text for text in emitted]
    oracle = [row.explanation for row in rows]
    return {
        "rows": len(rows),
        "passes_gate_at_first_attempt": _share([not text.rules for text in raw]),
        "emitted_by_model": _share([text.source == "model" for text in emitted]),
        "unsupported_name_or_number_before_gate": _share([bool(text.rules & UNSUPPORTED_RULES) for text in raw]),
        "wrong_relation_before_gate": _share(
            [bool(text.rules & {"wrong_relation", "unsupported_attribute"}) for text in raw]
        ),
        "gate_violations_before_gate": dict(rules.most_common()),
        "template_reasons": dict(
            Counter(text.template_reason for text in emitted if text.template_reason).most_common()
        ),
        "oracle_texts_passing_gate": _share([passes_gate(row) for row in rows]),
        "distinct_texts": len(set(texts)) / len(texts),
        "distinct_skeletons": len({_SLOT.sub("_", text.slotted) for text in raw}) / len(raw),
        "changes_with_user": _share([emitted[index].text != exchanged[index].text for index in known]),
        "words_mean": fmean(len(text.split()) for text in texts),
        "rouge_l_to_oracle": _rouge(texts, oracle),
        "rouge_l_shuffled": _rouge(random.Random(seed).sample(texts, len(texts)), oracle),
        "rouge_l_template": _rouge([write_template(row.event, 0).text for row in rows], oracle),
    }


def _share(flags: Sequence[bool]) -> float:
    return round(fmean(flags), 4) if flags else 0.0


def _rouge(texts: Sequence[str], references: Sequence[str]) -> float:
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    scores = [
        scorer.score(reference, text)["rougeL"].fmeasure for text, reference in zip(texts, references, strict=True)
    ]
    return round(100 * fmean(scores), 2)


def write_raw(generator: TextGenerator, events: Sequence[RankingEvent]) -> list[_RawText]:
    """Write at the first style only, without retries and template, and name the rules that each text violates."""
    prompts = [build_prompt(event, 0) for event in events]
    slotted = generator.generate([prompt.render(prompt.styles[0]) for prompt in prompts])
    raw: list[_RawText] = []
    for event, prompt, text in zip(events, prompts, slotted, strict=True):
        try:
            filled = fill_slots(text, prompt.slots)
        except UnknownSlotError:
            raw.append(_RawText(text, text, frozenset({"unknown_slot"})))
            continue
        verdict = judge_text(filled, event, 0)
        raw.append(_RawText(text, filled.text, frozenset(violation.rule for violation in verdict.violations)))
    return raw


def emit(events: Sequence[RankingEvent], generator: TextGenerator) -> list[EmittedText]:
    """Run the worker's whole path, retries, gate and template included, for the first item of each event."""
    outcomes = ExplanationPipeline(generator).explain([encode_contract(event) for event in events])
    emitted: list[EmittedText] = []
    for outcome in outcomes:
        if not isinstance(outcome, Explained):
            raise TypeError(f"a recorded event is not a valid event: {outcome.letter.message}")
        first = outcome.explanations[0]
        emitted.append(EmittedText(first.text, first.source, first.template_reason))
    return emitted


def passes_gate(row: RecordedRow) -> bool:
    """Say whether the Oracle's own text passes the worker's gate: the ceiling for a student that writes like it."""
    return not check_faithfulness(row.explanation, row.event, 0).violations


def _exchange_users(rows: list[RecordedRow], rng: random.Random) -> list[RankingEvent]:
    """Give each event the user of another row of the same kind: all else, ids included, stays."""
    by_kind: dict[str, list[RankingEvent]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row.event)
    exchanged = []
    for row in rows:
        others = [event for event in by_kind[row.kind] if event.user.user_id != row.event.user.user_id]
        user = rng.choice(others).user if others else row.event.user
        exchanged.append(row.event.model_copy(update={"user": user}))
    return exchanged
