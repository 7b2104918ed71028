"""A recording: the records of a topic in a file, byte for byte, as zstd-compressed JSON lines or as Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode

Headers = tuple[tuple[str, bytes | None], ...]

JSON_LINES_SUFFIX: Final = ".jsonl.zst"
PARQUET_SUFFIX: Final = ".parquet"
PARTIAL_SUFFIX: Final = ".partial"


class RecordingError(PrismError):
    """A recording that cannot be made, read or written."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class RecordedRecord:
    """One record as it stood in its topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class RecordFile(Protocol):
    """A recording that is being written, in one of the formats."""

    def write(self, record: RecordedRecord) -> None:
        """Append a record."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...


def open_recording(path: Path) -> Iterator[RecordedRecord]:
    """Read a recording record by record; the suffix tells the format.

    Raises:
        RecordingError: there is no such file, or (while reading) it is damaged or no recording.
    """
    is_parquet = _is_parquet(path)
    if not path.is_file():
        raise RecordingError(f"there is no recording {path}")
    # Each format's libraries are loaded when a file of it is opened: `prism --help` stays quick.
    if is_parquet:
        from stream_app.replay.parquet_recording import read_parquet as read
    else:
        from stream_app.replay.json_lines_recording import read_json_lines as read
    return read(path)


class RecordingWriter:
    """Writes a recording, as a context manager; the suffix of the path tells the format.

    The file appears under its name when all went well, and replaces what was there. Otherwise what was written stays as
    `NAME.partial`: a complete recording as far as it goes, once it is renamed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + PARTIAL_SUFFIX)
        self._is_parquet = _is_parquet(path)
        self._file: RecordFile | None = None
        self.records = 0

    def __enter__(self) -> Self:
        try:
            self._file = self._create()
        except OSError as error:
            raise self._explain(error) from error
        return self

    def write(self, record: RecordedRecord) -> None:
        """Append a record.

        Raises:
            RecordingError: the disk is full, for example.
        """
        if self._file is None:
            raise RecordingError(f"{self._path} is not open for writing")
        try:
            self._file.write(record)
        except OSError as error:
            raise self._explain(error) from error
        self.records += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
            if error is None:
                self._partial.replace(self._path)
        except OSError as failure:
            raise self._explain(failure) from failure

    def _create(self) -> RecordFile:
        if self._is_parquet:
            from stream_app.replay.parquet_recording import ParquetFile

            return ParquetFile(self._partial)
        from stream_app.replay.json_lines_recording import JsonLinesFile

        return JsonLinesFile(self._partial)

    def _explain(self, error: OSError) -> RecordingError:
        return RecordingError(f"cannot write {self._partial}: {error.strerror or error}")


def _is_parquet(path: Path) -> bool:
    if path.name.endswith(PARQUET_SUFFIX):
        return True
    if path.name.endswith(JSON_LINES_SUFFIX):
        return False
    raise RecordingError(
        f"the name of a recording ends in {JSON_LINES_SUFFIX} or {PARQUET_SUFFIX}; {path.name} does not"
    )
