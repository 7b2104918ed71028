"""A recording as Parquet: a row for each record, for DuckDB, pandas, Polars and their like."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from stream_app.replay.recording import RecordedRecord, RecordingError

GROUP_RECORDS: Final = 1_000
GROUP_BYTES: Final = 64 * 1024 * 1024
"""A row group ends after so many records or bytes: the writer holds one in memory, and so does the reader."""

_HEADER: Final = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("value", pa.binary())])
SCHEMA: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("timestamp_ms", pa.int64(), nullable=False),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", pa.list_(_HEADER), nullable=False),
    ]
)


class ParquetFile:
    """A recording that is being written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, SCHEMA, compression="zstd")
        self._group: list[RecordedRecord] = []
        self._group_bytes = 0

    def write(self, record: RecordedRecord) -> None:
        """Append a record."""
        self._group.append(record)
        self._group_bytes += len(record.key or b"") + len(record.value or b"")
        if len(self._group) >= GROUP_RECORDS or self._group_bytes >= GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Complete the file."""
        with self._file, self._writer:
            self._write_group()

    def _write_group(self) -> None:
        if self._group:
            columns = [
                [record.partition for record in self._group],
                [record.offset for record in self._group],
                [record.timestamp_ms for record in self._group],
                [record.key for record in self._group],
                [record.value for record in self._group],
                [[{"name": name, "value": value} for name, value in record.headers] for record in self._group],
            ]
            table = pa.table([pa.array(*pair) for pair in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA)
            self._writer.write_table(table, row_group_size=len(self._group))
        self._group, self._group_bytes = [], 0


def read_parquet(path: Path) -> Iterator[RecordedRecord]:
    """Read a recording record by record.

    Raises:
        RecordingError: the file is damaged, or lacks columns of a recording.
    """
    try:
        with pq.ParquetFile(path) as file:
            # Without threads: who reads a recording is about to measure something.
            for batch in file.iter_batches(GROUP_RECORDS, columns=SCHEMA.names, use_threads=False):
                yield from _read_batch(batch)
    except (pa.ArrowException, OSError, LookupError, ValueError) as error:
        raise RecordingError(f"{path} is damaged, or no recording: {error}") from error


def _read_batch(batch: pa.RecordBatch) -> Iterator[RecordedRecord]:
    columns = [column.to_pylist() for column in batch.select(SCHEMA.names).cast(SCHEMA).columns]
    for partition, offset, timestamp_ms, key, value, headers in zip(*columns, strict=True):
        pairs = tuple((header["name"], header["value"]) for header in headers)
        yield RecordedRecord(partition, offset, timestamp_ms, key, value, pairs)
