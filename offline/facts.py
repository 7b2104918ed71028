"""What is recorded of a training run, and how documents are written."""

from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict

TRAINING_NAME: Final = "training.json"


class TrainingFacts(BaseModel):
    """`training.json` of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: int
    dropped: int
    """Rows that could not teach: their text names something that the prompt lacks, and the like."""
    epochs: float
    seed: int
    parameters: int
    vocabulary: int
    dev_figures: dict[str, float]
    """Of the kept state: the loss, and what else the run stopped by."""
    seconds: float
    note: str = ""
    """What a reader must know of this run and no figure says."""


def write_json(path: Path, document: object) -> None:
    """Write a document as indented JSON."""
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
