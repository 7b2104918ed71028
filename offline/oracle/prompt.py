"""What the Oracle reads: the rules of a faithful explanation, examples if wanted, and the facts of one event.

The text is plain English, so that FLAN-T5 and chat models read the same. The student reads another prompt
(`stream_app.core.prompt`); that both speak of the same event is all that binds them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from offline.recorded_rows import RecordedRow
from stream_app.core.events import Attributes, HistoryItem, RankedItem, RankingEvent, RatingScale
from stream_app.core.names import clean_text
from stream_app.core.slots import Liking, label_liking

MAX_LIKED_SHOWN: Final = 8
MAX_DISLIKED_SHOWN: Final = 1
MAX_ATTRIBUTES_SHOWN: Final = 12
MAX_VALUES_SHOWN: Final = 6
MAX_TEXT_WORDS: Final = 120
"""Of a summary, and of all preferences together: FLAN-T5 was trained on 512 tokens."""

RULES: Final = """Write an explanation of why the item below is recommended to the user.
- Use only the facts given below. Add no other name, number, place or praise, even if you know it to be true.
- Say that the user liked something only where it says liked or loved; loved only where it says loved.
- Say that two things have a genre, a person or anything else in common only where both list it.
- Name one or two things from the history, or the part of the preferences that fits, and one or two facts of the item.
- One or two sentences, 12 to 38 words, plain and warm, addressed to the user as "you".
- No list, no quotation marks, no exclamation mark, nothing before or after the explanation."""

ANSWER_LABEL: Final = "Explanation:"

_LIKINGS: Final = {
    Liking.LOVED: "loved",
    Liking.LIKED: "liked",
    Liking.UNRATED: "no rating known",
    Liking.OTHER: "not liked",
}
_RANK: Final = {liking: rank for rank, liking in enumerate(_LIKINGS)}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class OraclePrompt:
    """The facts of one event, and worked examples as pairs of facts and explanation."""

    facts: str
    examples: tuple[tuple[str, str], ...] = ()

    def render_text(self) -> str:
        """Render one text for models without a chat form: what comes after it is the explanation."""
        shown = [f"{facts}\n{ANSWER_LABEL} {explanation}" for facts, explanation in self.examples]
        return "\n\n".join([RULES, *shown, f"{self.facts}\n{ANSWER_LABEL}"])

    def render_chat(self) -> list[Message]:
        """Render a chat. The rules stand in the first turn of the user: not every model knows a system turn."""
        asked = [facts for facts, _ in self.examples] + [self.facts]
        asked[0] = f"{RULES}\n\n{asked[0]}"
        turns = [Message("user", asked[0])]
        for (_, explanation), question in zip(self.examples, asked[1:], strict=True):
            turns += [Message("assistant", explanation), Message("user", question)]
        return turns


def build_oracle_prompt(event: RankingEvent, examples: Sequence[RecordedRow] = ()) -> OraclePrompt:
    """Build the prompt for the first item of an event."""
    worked = tuple((render_facts(row.event), row.explanation) for row in examples)
    return OraclePrompt(render_facts(event), worked)


def render_facts(event: RankingEvent) -> str:
    """Render what is known of the user and of the first item, one fact a line, most useful history first."""
    item, user = event.items[0], event.user
    history = [_render_entry(entry, user.rating_scale) for entry in _select_history(event)]
    preferences = _shorten(" ".join(clean_text(text) for text in user.preferences))
    lines: list[str] = []
    if history:
        lines += ["History of the user:", *history]
    if preferences:
        lines.append(f"Preferences of the user: {preferences}")
    if not lines:
        lines.append("Nothing is known of the user.")
    return "\n".join([*lines, f"Recommended item: {clean_text(item.title)}", *_render_item(item)])


def _render_entry(entry: HistoryItem, scale: RatingScale) -> str:
    liking = _LIKINGS[label_liking(entry.rating, scale)]
    rated = "" if entry.rating is None else f", rated {entry.rating:g} out of {scale.maximum:g}"
    facts = "; ".join(_render_attributes(entry.attributes))
    return f"- {clean_text(entry.title)} ({liking}{rated}){f': {facts}' if facts else ''}"


def _render_item(item: RankedItem) -> Iterator[str]:
    yield from (f"- {fact}" for fact in _render_attributes(item.attributes))
    if item.summary and (summary := _shorten(clean_text(item.summary))):
        yield f"- about: {summary}"


def _render_attributes(attributes: Attributes) -> Iterator[str]:
    for name, values in list(attributes.items())[:MAX_ATTRIBUTES_SHOWN]:
        shown = [text for value in _list_values(values)[:MAX_VALUES_SHOWN] if (text := clean_text(value))]
        if shown:
            yield f"{clean_text(name)}: {', '.join(shown)}"


def _select_history(event: RankingEvent) -> list[HistoryItem]:
    """Choose what was liked and shares most with the item, and one entry that was not liked."""
    own = _fold_values(event.items[0].attributes)
    scale = event.user.rating_scale

    def rank(entry: HistoryItem) -> tuple[int, int]:
        return (-len(own & _fold_values(entry.attributes)), _RANK[label_liking(entry.rating, scale)])

    by_relevance = sorted(event.user.history, key=rank)
    disliked = [entry for entry in by_relevance if label_liking(entry.rating, scale) is Liking.OTHER]
    liked = [entry for entry in by_relevance if label_liking(entry.rating, scale) is not Liking.OTHER]
    return liked[:MAX_LIKED_SHOWN] + disliked[:MAX_DISLIKED_SHOWN]


def _fold_values(attributes: Attributes) -> set[str]:
    return {value.casefold().strip() for values in attributes.values() for value in _list_values(values)}


def _list_values(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


def _shorten(text: str) -> str:
    return " ".join(text.split()[:MAX_TEXT_WORDS])
