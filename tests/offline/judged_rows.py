"""Judged drafts about the events of `selected_rows`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from tests.offline.selected_rows import TITLES, build_row

STYLE: Final = ("<by-item>", "<short>", "<plain>")


def build_judged(number: int, text: str | None = None, draft: str | None = None, **changes: Any) -> dict[str, Any]:
    """Build a line with one draft, which a reader mended; other texts, or other fields of the draft, on demand."""
    row = build_row(number)
    mended = text or row["explanation"]
    faulty = draft or f"{TITLES[number]} is a by Ada Lund, and so {TITLES[-1 - number]} is, which you loved."
    judged = {"style": STYLE, "history": ["<h1>"], "draft": faulty, "text": mended} | changes
    return {"kind": row["kind"], "event": row["event"], "drafts": [judged]}


def write_judged(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write lines as `offline.corrections` reads them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path
