"""What is finished, on disk as soon as it is, one line a batch: kill -9 costs no more than the batch at hand."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from offline.steps import StepError, cut_torn_line

BatchT = TypeVar("BatchT", bound=BaseModel)


class BatchLog(Generic[BatchT]):
    """An append-only file of JSON lines, each a finished batch; the last one may be torn."""

    def __init__(self, path: Path, model: type[BatchT]) -> None:
        self._path = path
        self._model = model

    def load(self) -> Iterator[BatchT]:
        """Read the finished batches, after cutting off a torn last line.

        Raises:
            StepError: another line is damaged.
        """
        if not self._path.exists():
            return
        cut_torn_line(self._path)
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield self._model.model_validate_json(line)
                except ValidationError as error:
                    raise StepError(f"{self._path}, line {number} is damaged: delete the file") from error

    def append(self, batch: BatchT) -> None:
        """Write a batch and wait until it is on disk."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(batch.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
