"""Prepared rows for the label step, and the step in this process or another one."""

import sys
from pathlib import Path
from typing import Any

import orjson

from offline.oracle.label import label
from offline.oracle.options import LabelOptions
from offline.steps import StepContext
from tests.factories import build_document, build_item


def write_prepared(folder: Path, train: int, dev: int, recorded: str | None = None) -> Path:
    """Write rows with different titles (`Film 0`, `Film 1`, ...) as the prepare step does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in (("train", range(train)), ("dev", range(train, train + dev))):
        rows = [
            {"kind": "film", "event": build_document(items=[build_item(f"Film {number}")]), "recorded": recorded}
            for number in numbers
        ]
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return folder


def run_label(root: Path, options: dict[str, Any], name: str = "label", seed: int = 1) -> StepContext:
    """Run the step on `root/prepare` into `root/NAME`."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    context = StepContext(folder=folder, inputs={"prepare": root / "prepare"}, seed=seed, base=root)
    label(LabelOptions.model_validate_json(orjson.dumps(options)), context)
    return context


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def read_candidates(folder: Path) -> list[list[str]]:
    """Read the candidates of all rows of a labelled folder."""
    return [row["candidates"] for name in ("train", "dev") for row in read_rows(folder / f"{name}.jsonl")]


if __name__ == "__main__":
    run_label(Path(sys.argv[1]), orjson.loads(sys.argv[2]), sys.argv[3])
