"""A recording as zstd-compressed JSON lines, which people can read with `zstdcat`.

The first line is `{"format":1,"kind":"prism-recording"}`; then each line has one record. Bytes are text where they are
UTF-8, and `{"base64": "..."}` otherwise.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal, TypeVar

import orjson
import zstandard
from pydantic import BaseModel, ConfigDict, PlainValidator, ValidationError

from stream_app.replay.recording import RecordedRecord, RecordingError

FIRST_LINE: Final = b'{"format":1,"kind":"prism-recording"}'

CHUNK_BYTES: Final = 16_384
"""Of the compressed file, read at once: small, because repetitive records unpack to a thousand times their size."""


def _read_bytes(value: Any) -> bytes | None:  # Any: whatever stands in the file
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        return base64.b64decode(value["base64"], validate=True)
    if value is None:
        return None
    raise ValueError('must be null, text or {"base64": "..."}')


_Bytes = Annotated[bytes | None, PlainValidator(_read_bytes)]


class _FirstLine(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: Literal["prism-recording"]
    format: Literal[1]


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    partition: int
    offset: int
    timestamp_ms: int
    key: _Bytes
    value: _Bytes
    headers: list[tuple[str, _Bytes]]


Model = TypeVar("Model", bound=BaseModel)


class JsonLinesFile:
    """A recording that is being written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._compressed = zstandard.ZstdCompressor(write_checksum=True).stream_writer(self._file, closefd=False)
        self._compressed.write(FIRST_LINE + b"\n")

    def write(self, record: RecordedRecord) -> None:
        """Append a record."""
        self._compressed.write(_encode_line(record))

    def close(self) -> None:
        """Complete the file."""
        with self._file, self._compressed:
            pass


def _encode_line(record: RecordedRecord) -> bytes:
    line = {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": _encode_bytes(record.key),
        "value": _encode_bytes(record.value),
        "headers": [(name, _encode_bytes(value)) for name, value in record.headers],
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _encode_bytes(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def read_json_lines(path: Path) -> Iterator[RecordedRecord]:
    """Read a recording record by record.

    Raises:
        RecordingError: the file is damaged, incomplete or no recording; the message has the number of the line.
    """
    with path.open("rb") as file:
        lines = _split_lines(_decompress(file, path))
        _decode(_FirstLine, next(lines, b""), path, 1)
        for number, text in enumerate(lines, start=2):
            line = _decode(_Line, text, path, number)
            headers = tuple(line.headers)
            yield RecordedRecord(line.partition, line.offset, line.timestamp_ms, line.key, line.value, headers)


def _decode(model: type[Model], text: bytes, path: Path, number: int) -> Model:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, problem["loc"])) or "record"
        raise RecordingError(f"{path}, line {number}: {place}: {problem['msg']}") from error


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _decompress(file: BinaryIO, path: Path) -> Iterator[bytes]:
    # Frame by frame, because zstandard's own reader takes a file that was cut for a complete one.
    frame = zstandard.ZstdDecompressor().decompressobj()
    while data := file.read(CHUNK_BYTES):
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield _decompress_some(frame, data, path)
            data = frame.unused_data
    if not frame.eof:
        raise RecordingError(f"{path} is not complete: its end is missing")


# In quotes, because zstandard has this name for type checkers only.
def _decompress_some(frame: "zstandard.ZstdDecompressionObj", data: bytes, path: Path) -> bytes:
    try:
        return frame.decompress(data)
    except zstandard.ZstdError as error:
        raise RecordingError(f"{path} is damaged, or not compressed with zstd: {error}") from error
