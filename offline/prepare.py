"""The first step: events of one item each, from all sources; a user is in train or in dev, never in both."""

import shutil
import sys
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final, Literal, assert_never

import orjson
from pydantic import BaseModel, ConfigDict, Field

from offline.datasets.interaction_store import InteractionData, order_user, read_rows
from offline.datasets.interactions import InteractionRules
from offline.datasets.json_lines import read_events, read_recorded
from offline.datasets.movielens import read_movielens
from offline.datasets.recbole import read_recbole
from offline.datasets.rows import DropLog, SourceError, SourceRow
from offline.datasets.sources import (
    EventsSource,
    InteractionSource,
    MovieLensSource,
    RecBoleSource,
    RecordedSource,
    Source,
    XRecSource,
    YelpSource,
)
from offline.datasets.xrec import read_xrec
from offline.datasets.yelp import read_yelp
from offline.steps import StepContext

DROPPED_NAME: Final = "dropped.json"
SCRATCH_NAME: Final = "scratch"
Split = Literal["train", "dev"]
SPLITS: Final[tuple[Split, ...]] = ("train", "dev")


class PrepareOptions(BaseModel):
    """The recipe's `[prepare]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    dev_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the users held out, in sources that bring no rows of their own to measure with."""


def list_input_files(options: PrepareOptions, base: Path) -> list[Path]:
    """List the files that the step will read, of those that are there: their checksums say whether they changed."""
    paths: set[Path] = set()
    for source in options.sources:
        for name in ("path", "dev_path", "content"):
            value = getattr(source, name, None)
            paths |= _list_files(base / value) if value is not None else set()
    return sorted(paths)


def _list_files(path: Path) -> set[Path]:
    if path.is_dir():
        return {file for file in path.iterdir() if file.is_file()}
    return {found for found in (path, path.with_suffix(".item")) if found.is_file()}


def prepare(options: PrepareOptions, context: StepContext) -> None:
    """Write `train.jsonl`, `dev.jsonl` and `dropped.json`: what was left out of which source, and why.

    Nothing of an interrupted run is used again; reading is the whole work, and the same input gives the same files.

    Raises:
        SourceError: a source is missing and not optional, is another file than expected, or gave no rows.
    """
    scratch = context.folder / SCRATCH_NAME
    scratch.mkdir(parents=True, exist_ok=True)
    dropped: dict[str, Any] = {}
    with ExitStack() as stack:
        files = {split: stack.enter_context((scratch / f"{split}.jsonl").open("wb")) for split in SPLITS}
        dev_users: set[str] = set()
        for number, source in enumerate(options.sources, start=1):
            label = f"{number} {source.kind or source.adapter}"
            if source.optional and not (context.base / source.path).exists():
                context.counts[f"{label}: skipped, path is missing"] += 1
                sys.stderr.write(f"prepare: {label} is skipped: {source.path} does not exist\n")
                continue
            drops = DropLog()
            _write_source(source, label, options.dev_share, files, dev_users, context, drops)
            dropped[label] = _report_drops(label, drops, context)
    _publish(scratch / "dev.jsonl", context.folder / "dev.jsonl", frozenset(), context)
    _publish(scratch / "train.jsonl", context.folder / "train.jsonl", dev_users, context)
    (context.folder / DROPPED_NAME).write_bytes(orjson.dumps(dropped, option=orjson.OPT_INDENT_2))
    shutil.rmtree(scratch)


def _write_source(
    source: Source,
    label: str,
    dev_share: float,
    files: Mapping[Split, BinaryIO],
    dev_users: set[str],
    context: StepContext,
    drops: DropLog,
) -> None:
    rows = _split_rows(source, dev_share, context, drops)
    count = 0
    for split, row in context.track(rows, f"prepare {label}"):
        files[split].write(_encode(row))
        count += 1
        if split == "dev":
            dev_users.add(row.event.user.user_id)
    if count == 0:
        first = next((f"; {drop.reason}, such as {drop.places[0]}" for drop in drops), "")
        raise SourceError(f"{label}: {source.path} gave no rows{first}")


def _split_rows(
    source: Source, dev_share: float, context: StepContext, drops: DropLog
) -> Iterator[tuple[Split, SourceRow]]:
    rows = islice(_read_source(source, context.base / source.path, context, drops), source.limit)
    if not isinstance(source, InteractionSource) and source.dev_path is not None:
        dev_rows = _read_source(source, context.base / source.dev_path, context, drops)
        yield from (("train", row) for row in rows)
        yield from (("dev", row) for row in islice(dev_rows, source.dev_limit))
        return
    for row in rows:
        is_dev = order_user(row.event.user.user_id, context.seed, "split") < dev_share * 2**63
        yield "dev" if is_dev else "train", row


def _read_source(source: Source, path: Path, context: StepContext, drops: DropLog) -> Iterator[SourceRow]:
    match source:
        case XRecSource():
            return read_xrec(path, source.kind, drops)
        case EventsSource():
            return read_events(path, source.kind, drops)
        case RecordedSource():
            return read_recorded(path, source.kind, drops)
        case MovieLensSource() | RecBoleSource() | YelpSource():
            kind = source.kind or source.adapter
            data = _open_interactions(source, path, kind, context, drops)
            rules = InteractionRules.from_source(source, kind, data.scale, context.seed)
            return read_rows(data, rules, context.folder / SCRATCH_NAME / "interactions.sqlite3", drops)
        case _:
            assert_never(source)


def _open_interactions(
    source: MovieLensSource | RecBoleSource | YelpSource, path: Path, kind: str, context: StepContext, drops: DropLog
) -> InteractionData:
    match source:
        case MovieLensSource():
            content = None if source.content is None else context.base / source.content
            return read_movielens(source, path, content, kind, drops)
        case RecBoleSource():
            return read_recbole(source, path, kind, drops)
        case YelpSource():
            return read_yelp(source, path, kind, context.seed, drops)


def _encode(row: SourceRow) -> bytes:
    document = {"kind": row.kind, "event": row.event.model_dump(mode="json"), "recorded": row.recorded}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _report_drops(label: str, drops: DropLog, context: StepContext) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for drop in drops:
        context.counts[f"{label}: dropped, {drop.reason}"] += drop.count
        sys.stderr.write(f"prepare: {label}: {drop.count} x {drop.reason}, such as {' | '.join(drop.places)}\n")
        report[drop.reason] = {"count": drop.count, "first": list(drop.places)}
    return report


def _publish(source: Path, target: Path, left_out_users: Set[str], context: StepContext) -> None:
    """Copy rows, without those of the users that the other split has: sources may share users."""
    with source.open("rb") as rows, target.open("wb") as file:
        for line in rows:
            row = orjson.loads(line)
            if row["event"]["user"]["user_id"] in left_out_users:
                context.counts[f"{row['kind']}: dropped, the user is in dev"] += 1
            else:
                file.write(line)
                context.counts[f"{row['kind']}: {target.stem}"] += 1
