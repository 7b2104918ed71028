"""Texts to rate, and exports as the form writes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from offline.evaluation.texts import TextRow, encode_row
from offline.human_eval.documents import Key
from tests.offline.evaluation.measuring import build_row, build_text_row


def build_texts(count: int = 6) -> list[TextRow]:
    """Build rows whose student, template and Oracle each write something of their own."""
    return [
        build_text_row(
            build_row(index),
            emitted=f"Student text {index} for you.",
            template=f"Template text {index} for you.",
            others={"teacher": f"Teacher text {index}."},
        )
        for index in range(count)
    ]


def write_texts(folder: Path, rows: list[TextRow] | None = None) -> Path:
    path = folder / "texts.jsonl"
    path.write_bytes(b"".join(map(encode_row, rows or build_texts())))
    return path


def write_export(folder: Path, key: Key, rater: str, grade: Callable[[str], int], choice: str = "") -> Path:
    """Write what a rater exports who grades by system (the first of those that wrote a text).

    Args:
        folder: where to write.
        key: names the system of each text.
        rater: the rater's name.
        grade: from a system's name to the grade that all three questions get.
        choice: the preferred system, or nothing for 'about the same'.
    """
    ratings = [
        {"id": code, **dict.fromkeys(("persuasiveness", "personalization", "faithfulness"), grade(text.systems[0]))}
        for code, text in key.texts.items()
    ]
    sides = {code: {pair.left: "left", pair.right: "right"} for code, pair in key.pairs.items()}
    preferences = [{"id": code, "choice": of_system.get(choice, "same")} for code, of_system in sides.items()]
    export: dict[str, Any] = {"form_id": key.form_id, "rater": rater, "ratings": ratings, "preferences": preferences}
    path = folder / f"{rater}.json"
    path.write_bytes(orjson.dumps(export))
    return path
