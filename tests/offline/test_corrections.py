"""Judged drafts become pairs: a faultless one is learned, a faulty one is what the mended text is preferred to."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from offline.corrections import build_correction_pairs, load_judged_events
from offline.steps import StepError
from tests.offline.judged_rows import build_judged, write_judged

SOURCE = (
    "<by-item> <short> <plain> <item> <t> Harbour Pier ; genre <same> drama ; director <same> <n1> Ada Lund "
    "<love> <h1> Hollow Orchard ; genre <same> drama ; director <same> <n1> Ada Lund"
)
TEXT = "Harbour Pier is a drama by Ada Lund, and so is Hollow Orchard, which you loved."


def build(tmp_path: Path, *rows: dict[str, Any]) -> Any:
    return build_correction_pairs(load_judged_events(write_judged(tmp_path / "judged.jsonl", rows)))


def test_a_mended_draft_is_what_the_mended_text_is_preferred_to(tmp_path: Path) -> None:
    [pair], counts = build(tmp_path, build_judged(1))
    assert pair.kind == "film_thin"
    assert pair.source == SOURCE
    assert pair.target == "<t> is a drama by <n1> , and so is <h1> , which you loved ."
    assert pair.rejected == "<t> is a by <n1> , and so <h1> is , which you loved ."
    assert counts == {"mended": 1}


def test_a_faultless_draft_is_learned_and_nothing_is_rejected(tmp_path: Path) -> None:
    [pair], counts = build(tmp_path, build_judged(1, draft=TEXT))
    assert pair.rejected is None
    assert counts == {"faultless": 1}


def test_the_prompt_is_that_of_the_plan_and_not_of_the_text(tmp_path: Path) -> None:
    [pair], _ = build(tmp_path, build_judged(1, style=["<by-you>", "<long>", "<plain>"]))
    assert pair.source == SOURCE.replace("<by-item> <short>", "<by-you> <long>")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            build_judged(1, text="Harbour Pier is a drama by Greta Holm, and you loved it."),
            "name_or_number_not_in_prompt",
        ),
        (build_judged(1, draft="Greta Holm made Harbour Pier, a drama."), "name_or_number_not_in_prompt"),
        (build_judged(1, text="Harbour Pier is a comedy by Ada Lund, like Hollow Orchard."), "unsupported_word"),
        (build_judged(1, history=["<h2>"]), "history_not_in_prompt"),
    ],
    ids=["text", "draft", "relation", "history"],
)
def test_what_no_student_could_or_should_write_is_counted_and_left_out(
    tmp_path: Path, row: dict[str, Any], reason: str
) -> None:
    pairs, counts = build(tmp_path, row, build_judged(2))
    assert len(pairs) == 1
    assert counts == {reason: 1, "mended": 1}


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    path = write_judged(tmp_path / "judged.jsonl", [build_judged(1)])
    packed = tmp_path / "judged.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(load_judged_events(packed)) == list(load_judged_events(path))


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"kind": "film"}', b'{"kind": "film", "event": {}, "drafts": []}', b'{"drafts": [{"style": 3}]}'],
)
def test_a_line_that_holds_none_is_named(tmp_path: Path, line: bytes) -> None:
    path = write_judged(tmp_path / "judged.jsonl", [build_judged(1)])
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(StepError, match=r"judged\.jsonl, line 2 holds no judged drafts"):
        list(load_judged_events(path))
