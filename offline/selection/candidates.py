"""One candidate after the checks: what selection knows of it."""

from dataclasses import dataclass, replace

from offline.selection.scores import Score


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text, its slotted form where it has one, its score, and why it is turned down, if it is."""

    text: str
    slotted: str | None
    score: Score
    reasons: tuple[str, ...] = ()

    @property
    def pattern(self) -> str:
        """The slotted form, or the text itself: what skeletons are made of."""
        return self.text if self.slotted is None else self.slotted

    def with_reason(self, reason: str) -> "Candidate":
        """Return the same candidate, turned down for one more reason."""
        return replace(self, reasons=(*self.reasons, reason))

    def with_likelihood(self, likelihood: float) -> "Candidate":
        """Return the same candidate, judged by a language model."""
        return replace(self, score=replace(self.score, likelihood=likelihood))


def find_best(candidates: list[Candidate], passed_over: set[int]) -> int | None:
    """Find the position of the candidate with the highest score among those that passed and are not passed over."""
    fitting = [
        position
        for position, candidate in enumerate(candidates)
        if not candidate.reasons and position not in passed_over
    ]
    return max(fitting, key=lambda position: (candidates[position].score.total, -position), default=None)
