"""What the selection kept and turned down: the schema of `report.json`, and how it is gathered."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

from pydantic import BaseModel, ConfigDict

from offline.selection.candidates import Candidate
from offline.selection.options import SelectOptions

EXAMPLES_PER_REASON: Final = 3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KindReport(_Part):
    """Figures of one kind of rows."""

    rows: int
    rows_chosen: int
    """Rows with a chosen text."""
    candidates: int
    candidates_passed: int
    """Candidates that were not turned down for what they say; of a row's several, one is chosen at most."""


class RejectedExample(_Part):
    """A text that was turned down, and the title of its item."""

    kind: str
    title: str
    text: str


class ReasonReport(_Part):
    """Candidates turned down for one reason; a candidate may have several."""

    count: int
    examples: tuple[RejectedExample, ...]
    """Up to three, drawn at random by the run's seed."""


class SplitReport(_Part):
    """Figures of one split."""

    kinds: dict[str, KindReport]
    reasons: dict[str, ReasonReport]
    """By reason, the most frequent first. `near_duplicate` and `repeated_skeleton` depend on what was chosen before."""
    mean_scores: dict[str, float]
    """Mean of each part of the score over the chosen texts."""
    chosen_positions: dict[int, int]
    """How often the first, second, ... candidate of a row (from 0) was the one chosen."""


class SelectionReport(_Part):
    """`report.json`, version 1: the options of the selection, and its figures by split."""

    version: int = 1
    options: SelectOptions
    splits: dict[str, SplitReport]
    """`train` and `dev`; where the dev rows are kept as they are, what would have been turned down all the same."""


class SplitTally:
    """Counts rows and candidates of one split as they are decided."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._rows: Counter[str] = Counter()
        self._chosen: Counter[str] = Counter()
        self._candidates: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, list[RejectedExample]] = {}
        self._scores: dict[str, float] = {}
        self._positions: Counter[int] = Counter()

    def add_row(
        self, kind: str, title: str, candidates: Sequence[Candidate], repeated: Mapping[int, str], chosen: int | None
    ) -> None:
        """Count one row.

        Args:
            kind: the row's kind.
            title: its item's title, for the examples.
            candidates: all of them, in order.
            repeated: positions of candidates that add nothing to the texts chosen before, and why.
            chosen: the position of the chosen one.
        """
        self._rows[kind] += 1
        self._candidates[kind] += len(candidates)
        self._passed[kind] += sum(not candidate.reasons for candidate in candidates)
        for position, candidate in enumerate(candidates):
            reasons = (repeated[position],) if position in repeated else candidate.reasons
            for reason in reasons:
                self._add_reason(reason, RejectedExample(kind=kind, title=title, text=candidate.text))
        if chosen is not None:
            self._chosen[kind] += 1
            self._positions[chosen] += 1
            for part, value in asdict(candidates[chosen].score).items():
                self._scores[part] = self._scores.get(part, 0.0) + value

    def _add_reason(self, reason: str, example: RejectedExample) -> None:
        self._reasons[reason] += 1
        examples = self._examples.setdefault(reason, [])
        if len(examples) < EXAMPLES_PER_REASON:
            examples.append(example)
        elif (place := self._rng.randrange(self._reasons[reason])) < EXAMPLES_PER_REASON:
            examples[place] = example

    def build_report(self) -> SplitReport:
        """Build the report of all rows counted so far."""
        kinds = {
            kind: KindReport(
                rows=rows,
                rows_chosen=self._chosen[kind],
                candidates=self._candidates[kind],
                candidates_passed=self._passed[kind],
            )
            for kind, rows in sorted(self._rows.items())
        }
        in_order = sorted(self._reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        chosen = max(self._chosen.total(), 1)
        return SplitReport(
            kinds=kinds,
            reasons={name: ReasonReport(count=count, examples=tuple(self._examples[name])) for name, count in in_order},
            mean_scores={part: round(total / chosen, 4) for part, total in self._scores.items()},
            chosen_positions=dict(sorted(self._positions.items())),
        )
