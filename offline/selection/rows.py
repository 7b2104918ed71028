"""The file behind the select step: one chosen text for each event, in the form of a recording."""

from pydantic import BaseModel, ConfigDict

from stream_app.core.events import RankingEvent


class RejectedText(BaseModel):
    """A candidate that is wrong for this event, and why: what a student should not write."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    reasons: tuple[str, ...]


class SelectedRow(BaseModel):
    """A line of `select/*.jsonl`; `offline.recorded_rows.load_rows` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    event: RankingEvent
    explanation: str
    rejected: tuple[RejectedText, ...] = ()
    """Good candidates that were not the best, or too much like other chosen texts, are not among them."""
