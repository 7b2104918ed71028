"""`sent.jsonl.zst`: what a run sent, and what had no outcome when it ended, so that it can be judged again.

The first line is `{"format":1,"kind":"prism-sent"}`; then each line has one event.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.logbook import Logbook

NAME: Final = "sent.jsonl.zst"


class SentLogError(PrismError):
    """What a run sent cannot be read."""

    exit_code = LoadTestCode.USAGE


class _FirstLine(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: Literal["prism-sent"] = "prism-sent"
    format: Literal[1] = 1


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run_id: str
    event_id: str
    intended_at: float
    item_ids: tuple[str, ...]
    open_item_ids: tuple[str, ...]


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event that was sent."""

    run_id: str
    """Of its leg: each step of a search has one."""
    event_id: str
    intended_at: float
    """In seconds since 1970."""
    item_ids: tuple[str, ...]
    open_item_ids: tuple[str, ...]
    """Those without an outcome when the run ended."""


def write_sent(path: Path, book: Logbook) -> None:
    """Write what a run sent; the file appears when it is complete."""
    import zstandard

    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file, zstandard.ZstdCompressor(write_checksum=True).stream_writer(file) as compressed:
        compressed.write(orjson.dumps(_FirstLine().model_dump(), option=orjson.OPT_APPEND_NEWLINE))
        for event in list_sent(book):
            compressed.write(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
    partial.replace(path)


def list_sent(book: Logbook) -> Iterator[LoggedEvent]:
    """List what a run sent, by the clock on the wall."""
    for stretch in book.stretches:
        for event in stretch.ledger.list_events():
            moment = book.find_wall_time(event.intended_at).timestamp()
            yield LoggedEvent(stretch.ledger.run_id, event.event_id, moment, event.item_ids, event.open_item_ids)


def read_sent(path: Path) -> Iterator[LoggedEvent]:
    """Read what a run sent.

    Raises:
        SentLogError: there is no such file, or it is something else, or damaged.
    """
    import zstandard

    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
            lines = enumerate(io.BufferedReader(unpacked), start=1)
            _decode(_FirstLine, next(lines, (1, b""))[1], path, 1)
            for number, text in lines:
                line = _decode(_Line, text, path, number)
                yield LoggedEvent(line.run_id, line.event_id, line.intended_at, line.item_ids, line.open_item_ids)
    except OSError as error:
        raise SentLogError(f"cannot read {path}: {error.strerror or error}") from error
    except zstandard.ZstdError as error:
        raise SentLogError(f"{path} is damaged: {error}") from error


def _decode(model: type[Model], text: bytes, path: Path, number: int) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise SentLogError(f"{path}, line {number}: this is nothing that a run has written") from error
