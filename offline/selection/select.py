"""The select step: of each row's candidates the best one that passes, with a report of all that did not."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from offline.oracle.rows import LabelledRow, load_labelled
from offline.selection.candidates import Candidate, find_best
from offline.selection.checks import CandidateChecker
from offline.selection.duplicates import ChosenTexts
from offline.selection.fluency import judge_fluency
from offline.selection.options import SelectOptions
from offline.selection.report import SelectionReport, SplitReport, SplitTally
from offline.selection.report_page import render_report
from offline.selection.rows import RejectedText, SelectedRow
from offline.steps import StepContext

SPLITS: Final = ("train", "dev")
MANY_ROWS: Final = 2_000
"""Below it, starting processes takes longer than they save."""
ROWS_AT_ONCE: Final = 64


def select(options: SelectOptions, context: StepContext) -> None:
    """Write `train.jsonl` and `dev.jsonl` of `SelectedRow`s, `report.json` and `report.md`.

    Rows are decided in their order, so that of near-duplicates the first stays. Counts: for each split `rows`,
    `chosen`, `dropped` (no candidate passed), and candidates by reason.

    Raises:
        StepError: a line is not a labelled row.
        OracleError: the language model cannot be loaded.
    """
    reports = {split: _select_split(split, options, context) for split in SPLITS}
    report = SelectionReport(options=options, splits=reports)
    (context.folder / "report.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (context.folder / "report.md").write_text(render_report(report), encoding="utf-8")


def _select_split(split: str, options: SelectOptions, context: StepContext) -> SplitReport:
    path = context.inputs["label"] / f"{split}.jsonl"
    # Candidates of all rows are held at once, events are not: they are read a second time.
    judged = list(context.track(_check_rows(path, options), f"check {split}"))
    if options.language_model is not None:
        judged = judge_fluency(judged, options.language_model, context, split)
    tally = SplitTally(context.seed)
    is_kept_as_is = split == "dev" and options.dev == "all"
    _write_rows(context.folder / f"{split}.jsonl", _choose(path, judged, options, tally, is_kept_as_is))
    report = tally.build_report()
    _count(split, report, context)
    return report


def _check_rows(path: Path, options: SelectOptions) -> Iterator[list[Candidate]]:
    """Check all rows, in order; many of them in a process for each core."""
    check = partial(check_row, options=options)
    with path.open("rb") as lines:
        is_long = any(number >= MANY_ROWS for number, _ in enumerate(lines))
    if not is_long:
        yield from map(check, load_labelled(path))
        return
    # Spawned: a fork of a process that has run PyTorch may hang.
    with ProcessPoolExecutor(os.cpu_count() or 1, multiprocessing.get_context("spawn")) as processes:
        yield from processes.map(check, load_labelled(path), chunksize=ROWS_AT_ONCE)


def check_row(row: LabelledRow, options: SelectOptions) -> list[Candidate]:
    """Check and score all candidates of a row, in order."""
    checker = CandidateChecker(row.kind, row.event, options)
    return [checker.check(text) for text in row.candidates]


def _choose(
    path: Path, judged: list[list[Candidate]], options: SelectOptions, tally: SplitTally, is_kept_as_is: bool
) -> Iterator[SelectedRow]:
    chosen_texts = ChosenTexts(options.max_skeleton_copies, options.max_similarity)
    for row, candidates in zip(load_labelled(path), judged, strict=True):
        repeated: dict[int, str] = {}
        best = _find_new(candidates, chosen_texts, repeated)
        if is_kept_as_is:
            best = 0 if candidates else None
        tally.add_row(row.kind, row.event.items[0].title, candidates, repeated, best)
        if best is not None:
            chosen_texts.add(candidates[best].text, candidates[best].pattern)
            yield _build_row(row, candidates, best)


def _find_new(candidates: list[Candidate], chosen_texts: ChosenTexts, repeated: dict[int, str]) -> int | None:
    """Find the best candidate that is unlike all chosen texts; note in `repeated` those passed over, and why."""
    while (best := find_best(candidates, set(repeated))) is not None:
        reason = chosen_texts.find_reason(candidates[best].text, candidates[best].pattern)
        if reason is None:
            return best
        repeated[best] = reason
    return None


def _build_row(row: LabelledRow, candidates: list[Candidate], best: int) -> SelectedRow:
    rejected = tuple(
        RejectedText(text=candidate.text, reasons=candidate.reasons)
        for position, candidate in enumerate(candidates)
        if candidate.reasons and position != best
    )
    return SelectedRow(kind=row.kind, event=row.event, explanation=candidates[best].text, rejected=rejected)


def _write_rows(path: Path, rows: Iterator[SelectedRow]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(row.model_dump_json().encode() + b"\n")


def _count(split: str, report: SplitReport, context: StepContext) -> None:
    rows = sum(part.rows for part in report.kinds.values())
    chosen = sum(part.rows_chosen for part in report.kinds.values())
    context.counts.update({f"{split}_rows": rows, f"{split}_chosen": chosen, f"{split}_dropped": rows - chosen})
    context.counts.update({f"{split}_rejected_{reason}": part.count for reason, part in report.reasons.items()})
