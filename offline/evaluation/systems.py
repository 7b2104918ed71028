"""The systems that are compared: the student, what stands beside it, and baselines that show what a figure is worth."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from offline.evaluation.models import SentenceEncoder
from offline.evaluation.texts import TextRow
from offline.evaluation.writing import find_rules
from stream_app.core.shared_facts import list_values
from stream_app.core.template import write_template

STUDENT: Final = "student"
STUDENT_RAW: Final = "student_raw"
TEMPLATE: Final = "template"
ORACLE: Final = "oracle"
SHUFFLED: Final = "shuffled"
CONSTANT: Final = "constant"
SUMMARY: Final = "summary"
SYSTEM_NAMES: Final = (STUDENT, STUDENT_RAW, TEMPLATE, ORACLE, SHUFFLED, CONSTANT, SUMMARY)


@dataclass(frozen=True, slots=True)
class System:
    """One text for each row, and the rules of the gate that each violates."""

    name: str
    texts: tuple[str, ...]
    rules: tuple[frozenset[str], ...]
    texts_for_another: tuple[str | None, ...] | None = None
    """The texts after the exchange of the user, for systems that were asked."""


def build_systems(rows: Sequence[TextRow], encoder: SentenceEncoder, seed: int) -> list[System]:
    """Build all systems over the rows: student, raw student, template, Oracle, the three baselines, further ones."""
    templates = [write_template(row.event, 0) for row in rows]
    student = System(
        STUDENT,
        tuple(row.emitted for row in rows),
        tuple(frozenset(row.emitted_rules) for row in rows),
        tuple(row.emitted_for_another for row in rows),
    )
    raw = System(STUDENT_RAW, tuple(row.raw for row in rows), tuple(frozenset(row.raw_rules) for row in rows))
    template = System(
        TEMPLATE,
        tuple(written.text for written in templates),
        tuple(find_rules(text.text, row.event, text.evidence) for text, row in zip(templates, rows, strict=True)),
        tuple(row.template_for_another for row in rows),
    )
    others = sorted({name for row in rows for name in row.others})
    return [
        student,
        raw,
        template,
        _judge(ORACLE, [row.oracle for row in rows], rows),
        _judge(SHUFFLED, _exchange_by_group(rows, student.texts, seed), rows),
        _judge(CONSTANT, _repeat_central_text(rows, encoder), rows),
        _judge(SUMMARY, [_copy_summary(row) for row in rows], rows),
        *(_judge(name, [row.others[name] for row in rows], rows) for name in others),
    ]


def _judge(name: str, texts: Sequence[str], rows: Sequence[TextRow]) -> System:
    rules = tuple(find_rules(text, row.event) for text, row in zip(texts, rows, strict=True))
    return System(name, tuple(texts), rules)


def _exchange_by_group(rows: Sequence[TextRow], texts: Sequence[str], seed: int) -> list[str]:
    """Give each row another row's text of the same group; a row that is alone in its group keeps its own."""
    rng = random.Random(seed)

    def exchange(members: list[int]) -> list[str]:
        # Sattolo (1986): one random cycle through all members, so that no text stays where it was.
        order = list(range(len(members)))
        for last in range(len(order) - 1, 0, -1):
            other = rng.randrange(last)
            order[last], order[other] = order[other], order[last]
        return [texts[members[place]] for place in order]

    return _fill_by_group(rows, exchange)


def _repeat_central_text(rows: Sequence[TextRow], encoder: SentenceEncoder) -> list[str]:
    """Repeat, in each group, the Oracle's text that is on average most similar to all others."""
    vectors = encoder.encode([row.oracle for row in rows])

    def repeat(members: list[int]) -> list[str]:
        central = int(np.argmax(vectors[members] @ vectors[members].mean(0)))
        return [rows[members[central]].oracle] * len(members)

    return _fill_by_group(rows, repeat)


def _fill_by_group(rows: Sequence[TextRow], write: Callable[[list[int]], list[str]]) -> list[str]:
    filled = [""] * len(rows)
    for group in sorted({row.group for row in rows}):
        members = [index for index, row in enumerate(rows) if row.group == group]
        for index, text in zip(members, write(members), strict=True):
            filled[index] = text
    return filled


def _copy_summary(row: TextRow) -> str:
    """Copy the item's summary, or else its title and attributes."""
    item = row.event.items[0]
    if item.summary:
        return item.summary
    values = (value for attribute in item.attributes.values() for _, value in list_values(attribute))
    return f"{', '.join((item.title, *values))}."
