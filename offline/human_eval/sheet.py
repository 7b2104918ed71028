"""Ratings that one reader wrote into JSON lines, without a form: `{"event_id": ..., "system": ..., "true": true}`."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from offline.human_eval.analysis import Estimate, estimate


class SheetError(ValueError):
    """A sheet cannot be analysed; the message names the line."""


class _Line(BaseModel):
    """One rated text; what is not declared here may be a rating."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    system: str = "all"


class SheetEvaluation(BaseModel):
    """The analysis of a sheet: means of grades, shares of yes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    systems: dict[str, dict[str, Estimate]] = Field(description="By system and field.")
    all_yes: dict[str, Estimate] | None = Field(
        description="By system: share of texts with yes in every field; null unless every field is yes or no."
    )


def analyse_sheet(path: Path, fields: tuple[str, ...] = (), seed: int = 0) -> SheetEvaluation:
    """Analyse a sheet.

    Args:
        path: JSON lines; ratings are true, false or numbers, `system` is optional, other fields are ignored.
        fields: the rating fields; by default every true, false or number of the first line.
        seed: of resamples.

    Raises:
        SheetError: no lines, a line that is no object, or one that lacks a rating.
    """
    lines = [_parse(line, number) for number, line in enumerate(path.read_bytes().splitlines(), 1) if line.strip()]
    if not lines:
        raise SheetError(f"{path} has no lines")
    named = fields or tuple(
        name for name, value in lines[0].__pydantic_extra__.items() if isinstance(value, int | float)
    )
    if not named:
        raise SheetError(f"{path}: the first line has no rating")
    grades: dict[str, list[list[float]]] = {}
    for number, line in enumerate(lines, 1):
        grades.setdefault(line.system, []).append([_read_grade(line, name, number) for name in named])
    is_yes_or_no = all(isinstance(line.__pydantic_extra__[name], bool) for line in lines for name in named)
    columns = {system: np.array(values) for system, values in sorted(grades.items())}
    return SheetEvaluation(
        rows=len(lines),
        systems={
            system: {name: estimate(values[:, place], seed) for place, name in enumerate(named)}
            for system, values in columns.items()
        },
        all_yes={system: estimate(values.min(1), seed) for system, values in columns.items()} if is_yes_or_no else None,
    )


def _parse(line: bytes, number: int) -> _Line:
    try:
        return _Line.model_validate_json(line)
    except ValidationError as error:
        raise SheetError(f"line {number} is not an object of ratings: {error}") from error


def _read_grade(line: _Line, name: str, number: int) -> float:
    value = line.__pydantic_extra__.get(name)
    if not isinstance(value, int | float):
        raise SheetError(f"line {number} has no rating {name!r}")
    return float(value)
