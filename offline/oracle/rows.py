"""The files around the label step: rows that wait for a teacher, and rows with what it wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from offline.steps import StepError
from stream_app.core.events import RankingEvent

RowT = TypeVar("RowT", bound=BaseModel)


class PreparedRow(BaseModel):
    """A line of `prepare/*.jsonl`: an event of one item, and an explanation that its source brought with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    event: RankingEvent
    recorded: str | None = None


class LabelledRow(BaseModel):
    """A line of `label/*.jsonl`: the candidates, in the order in which the teacher gave them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    event: RankingEvent
    candidates: tuple[str, ...]
    oracle: str


def load_prepared(path: Path) -> Iterator[PreparedRow]:
    """Read rows one by one.

    Raises:
        StepError: a line is not such a row; the message names file and line.
    """
    return _load(path, PreparedRow)


def load_labelled(path: Path) -> Iterator[LabelledRow]:
    """Read rows one by one.

    Raises:
        StepError: a line is not such a row; the message names file and line.
    """
    return _load(path, LabelledRow)


def _load(path: Path, model: type[RowT]) -> Iterator[RowT]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield model.model_validate_json(line)
            except ValidationError as error:
                raise StepError(f"{path}, line {number}: {error}") from error
