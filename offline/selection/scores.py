"""Best of n: what makes one candidate better than another that passed the same checks.

The score of a candidate is a sum of parts between 0 and 1, each with the same weight; the highest sum is chosen, and
of equal ones the first:

- `personalization`: 0.6 for each title of the user's history and 0.2 for each content word of their preferences or of
  a value shared with what they liked, 1 at most; 1 where nothing is known of the user.
- `specificity`: 0.25 for each content word of the item's attributes and summary, 1 at most.
- `grounding`: the share of content words that stand in the event.
- `fluency`: the share of different words, halved for texts shorter or longer than a person would write.
- `likelihood`: the geometric mean of the tokens' probabilities under a local language model; 0 without one.

A list of facts would win on specificity alone: that is why four words are enough for all of it.
"""

from dataclasses import dataclass
from typing import Final

from offline.selection.measures import Measures

PER_TITLE: Final = 0.6
PER_USER_STEM: Final = 0.2
PER_ITEM_STEM: Final = 0.25
MIN_EASY_WORDS: Final = 12
MAX_EASY_WORDS: Final = 32


@dataclass(frozen=True, slots=True)
class Score:
    """The parts of a candidate's score."""

    personalization: float
    specificity: float
    grounding: float
    fluency: float
    likelihood: float = 0.0

    @property
    def total(self) -> float:
        """The sum that candidates are compared by."""
        return self.personalization + self.specificity + self.grounding + self.fluency + self.likelihood


def score_text(measures: Measures, *, knows_user: bool) -> Score:
    """Score a text by what was counted in it."""
    uses_user = PER_TITLE * measures.titles_used + PER_USER_STEM * measures.user_stems_used
    is_easy = MIN_EASY_WORDS <= measures.words <= MAX_EASY_WORDS
    return Score(
        personalization=min(uses_user, 1.0) if knows_user else 1.0,
        specificity=min(PER_ITEM_STEM * measures.item_stems_used, 1.0),
        grounding=measures.supported_share,
        fluency=measures.distinct_share * (1.0 if is_easy else 0.5),
    )
