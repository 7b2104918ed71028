"""Rows of `texts.jsonl`: one event, what the Oracle wrote, and what the student and the template made of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from stream_app.core.events import RankingEvent

TEXTS_NAME: Final = "texts.jsonl"


class TextRow(BaseModel):
    """One evaluated row. Rules are those of the worker's gate that a text violates, sorted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    group: str
    event: RankingEvent
    oracle: str
    raw: str
    """The student's first attempt; slots that the event lacks stand in it as tokens."""
    raw_rules: list[str]
    emitted: str
    """What the worker publishes: after retries and the gate, the model's text or the template."""
    emitted_rules: list[str]
    source: Literal["model", "template"]
    template_reason: str | None
    template: str
    emitted_for_another: str | None
    """The same event with another user of the same kind; None where nobody can be exchanged or nothing is known."""
    template_for_another: str | None
    others: dict[str, str] = Field(default_factory=dict)
    """Texts of further systems, by name."""


def read_texts(path: Path) -> Iterator[TextRow]:
    """Read `texts.jsonl`.

    Raises:
        pydantic.ValidationError: a line is not a row.
    """
    with path.open("rb") as lines:
        for line in lines:
            yield TextRow.model_validate_json(line)


def encode_row(row: TextRow) -> bytes:
    """Encode a row as one line."""
    return row.model_dump_json().encode() + b"\n"
