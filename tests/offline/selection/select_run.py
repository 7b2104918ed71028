"""Labelled rows for the select step, and the step on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from offline.selection.options import SelectOptions
from offline.selection.select import select
from offline.steps import StepContext
from tests.factories import build_document, build_history_item, build_item

GOOD = "The Quiet Pier, which you loved, was directed by Ada Lund, and so was Harbour Lights, a crime drama."
PLAIN = "Since The Quiet Pier was a film that you loved, there is another drama for you in Harbour Lights."
BAD = "Harbour Lights by Michael Mann is a dazzling crime triumph, like The Quiet Pier, which you loved."


def build_row(candidates: Sequence[str], title: str = "Harbour Lights", kind: str = "film") -> dict[str, Any]:
    """Build a labelled row about a crime drama for somebody who loved another one of its director."""
    facts = {"genre": ["crime", "drama"], "director": "Ada Lund"}
    history = [build_history_item("The Quiet Pier", attributes=facts)]
    event = build_document(history=history, items=[build_item(title, attributes=facts)])
    return {"kind": kind, "event": event, "candidates": list(candidates), "oracle": "test"}


def run_select(
    root: Path, train: list[dict[str, Any]], dev: list[dict[str, Any]], options: dict[str, Any], name: str = "select"
) -> StepContext:
    """Write the rows as the label step does and select from them into `root/NAME`."""
    (root / "label").mkdir(exist_ok=True)
    (root / name).mkdir(exist_ok=True)
    for split, rows in (("train", train), ("dev", dev)):
        (root / "label" / f"{split}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    context = StepContext(folder=root / name, inputs={"label": root / "label"}, seed=1, base=root)
    select(SelectOptions.model_validate_json(orjson.dumps(options)), context)
    return context


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
