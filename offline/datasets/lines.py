"""Reads text files line by line: what cannot be read is noted with its line, and memory stays bounded."""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from offline.datasets.rows import DropLog, SourceError

MAX_LINE_BYTES: Final = 4_194_304
"""The longest line that is read; a file without line ends must not fill the memory."""

BAD_LINE: Final = "bad line"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, for messages."""

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path.name}, line {self.number}"


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a table, by column."""

    fields: dict[str, str]
    place: Place


def read_raw_lines(path: Path, drops: DropLog) -> Iterator[tuple[Place, bytes]]:
    """Read the lines of a file that are not empty, with their line ends; `.gz` is unpacked on the way."""
    number = 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            place = Place(path, number)
            if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                drops.note(BAD_LINE, f"{place}: longer than {MAX_LINE_BYTES} bytes")
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
            elif line.strip():
                yield place, line


def read_lines(path: Path, drops: DropLog, encoding: str = "utf-8") -> Iterator[tuple[Place, str]]:
    """Read the lines of a text file without their line ends; a byte order mark is left out."""
    for place, raw in read_raw_lines(path, drops):
        try:
            line = raw.decode(encoding)
        except UnicodeDecodeError:
            drops.note(BAD_LINE, f"{place}: not {encoding}")
            continue
        yield place, (line.removeprefix("\ufeff") if place.number == 1 else line).rstrip("\r\n")


def read_separated(
    path: Path, separator: str, columns: tuple[str, ...], drops: DropLog, encoding: str = "utf-8"
) -> Iterator[Record]:
    """Read a table without a header or quotes, such as `1::1193::5::978300760`.

    Raises:
        SourceError: no line has the expected columns.
    """

    def read() -> Iterator[Record]:
        for place, line in read_lines(path, drops, encoding):
            record = _match_columns(line.split(separator), columns, place, drops)
            if record is not None:
                yield record

    yield from ensure_any(read(), path, f"lines such as {separator.join(columns)}")


def read_csv(path: Path, required: tuple[str, ...], drops: DropLog) -> Iterator[Record]:
    """Read a UTF-8 CSV file with a header; quoted values may span lines.

    Raises:
        SourceError: the header lacks a required column.
    """
    number = 0

    def feed() -> Iterator[str]:
        nonlocal number
        for place, line in read_lines(path, drops):
            number = place.number
            yield line + "\n"

    reader = csv.reader(feed())
    header = tuple(next(reader, ()))
    if not set(required) <= set(header):
        raise SourceError(f"{path}: expected a header with {', '.join(required)}; found {_shorten(','.join(header))!r}")
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            drops.note(BAD_LINE, f"{Place(path, number)}: {error}")
            continue
        if values is None:
            return
        record = _match_columns(values, header, Place(path, number), drops)
        if record is not None:
            yield record


def _match_columns(values: list[str], columns: tuple[str, ...], place: Place, drops: DropLog) -> Record | None:
    if len(values) != len(columns):
        drops.note(BAD_LINE, f"{place}: {len(values)} columns instead of {len(columns)}")
        return None
    return Record(dict(zip(columns, values, strict=True)), place)


def read_json_lines(path: Path, drops: DropLog) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read JSON objects, one a line.

    Raises:
        SourceError: no line is a JSON object.
    """

    def read() -> Iterator[tuple[Place, dict[str, Any]]]:
        for place, line in read_raw_lines(path, drops):
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError:
                drops.note(BAD_LINE, f"{place}: not JSON")
                continue
            if isinstance(document, dict):
                yield place, document
            else:
                drops.note(BAD_LINE, f"{place}: not a JSON object")

    yield from ensure_any(read(), path, "JSON objects, one a line")


def ensure_any(values: Iterable[T], path: Path, expected: str) -> Iterator[T]:
    """Pass values on.

    Raises:
        SourceError: there was none: the file is another one than expected.
    """
    is_empty = True
    for value in values:
        is_empty = False
        yield value
    if is_empty:
        raise SourceError(f"{path}: nothing in it could be read; expected {expected}")


def _shorten(text: str) -> str:
    return text if len(text) <= 120 else text[:120] + "..."
