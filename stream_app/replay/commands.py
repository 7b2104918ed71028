"""What `prism replay` and `prism capacity` do with their options: build plans, run them, write, print, judge."""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from stream_app.exit_codes import LoadTestCode
from stream_app.kafka.dead_letter_archive import ToolUsageError, parse_moment
from stream_app.kafka.topic_source import Range, open_source
from stream_app.kafka.traffic_link import KafkaLink
from stream_app.replay.anonymise import Anonymiser
from stream_app.replay.compare import render_comparison
from stream_app.replay.folder import draw_report, ensure_new, load_report, save_run
from stream_app.replay.logbook import Logbook
from stream_app.replay.plan import NO_OBJECTIVES, PlanError, RunPlan, ensure_local
from stream_app.replay.progress import Screen, open_screen
from stream_app.replay.record import RecordPlan, build_selection, read_salt, record
from stream_app.replay.recording import RecordingWriter
from stream_app.replay.results import build_report
from stream_app.replay.run_options import build_plan, describe_plan, read_objectives
from stream_app.replay.runner import run_plan
from stream_app.replay.sent_log import NAME, read_sent
from stream_app.replay.sizing import Demand, read_capacity, render_sizing, size
from stream_app.replay.slo import restore_objectives
from stream_app.replay.summary import find_code, render_summary
from stream_app.replay.traffic import TrafficShape, generate
from stream_app.replay.verify import render_verification, verify
from stream_app.settings import Settings, load_settings

PROGRESS_RECORDS: Final = 50_000

Result = TypeVar("Result")


def record_topic(options: argparse.Namespace) -> int:
    """Record a topic into a file."""
    settings = load_settings()
    begin, end = _parse_bound(options.begin), _parse_bound(options.end)
    selection = build_selection(begin, end)
    ends_at = end.timestamp() if options.follow and isinstance(end, datetime) else None
    plan = RecordPlan(options.file, selection, _build_anonymiser(options), ends_at)
    # Live, what is to be left out is left out by the selection: there is no end to read to.
    wanted = Range(
        selection.begin_ms, selection.end_ms, selection.begin_offset, selection.end_offset, follows=options.follow
    )
    source = open_source(settings, options.topic or settings.input_topic, wanted)
    with _catch_end() as told:
        written = asyncio.run(
            record(plan, source, is_told_to_end=lambda: bool(told), wall_clock=time.time, report=_build_counter())
        )
    _say(f"{written:,} records in {options.file}")
    return LoadTestCode.PASS


def generate_traffic(options: argparse.Namespace) -> int:
    """Write invented traffic into a file."""
    chosen = {field.name: getattr(options, field.name, None) for field in fields(TrafficShape)}
    if options.day is not None:
        chosen["day_seconds"] = options.day
    shape = TrafficShape(**{name: value for name, value in chosen.items() if value is not None})
    with RecordingWriter(options.file) as writer:
        for event in generate(shape, options.seed):
            writer.write(event)
    _say(f"{writer.records:,} events in {options.file}")
    return LoadTestCode.PASS


def run_load(options: argparse.Namespace) -> int:
    """Run a load test."""
    settings = load_settings()
    plan = build_plan(options, datetime.now(UTC))
    if options.dry_run:
        _say(describe_plan(plan, settings))
        return LoadTestCode.PASS
    ensure_local(settings.bootstrap_servers, is_remote_allowed=options.allow_remote)
    ensure_new(plan.folder)
    with open_screen(sys.stderr) as screen:
        screen.note(f"run {plan.run_id}: {plan.recording.name} to {settings.input_topic}; Ctrl-C ends it in order")
        book = run_cancellable(_run(plan, settings, screen, options.allow_remote))
    report = build_report(plan, settings, book)
    save_run(plan.folder, report, book)
    if book.search is not None:
        _say(book.search.explanation)
    _say(f"{render_summary(report)}\n  {plan.folder / 'report.html'}")
    if book.failure is not None:
        raise book.failure
    return find_code(report)


async def _run(plan: RunPlan, settings: Settings, screen: Screen, is_remote_allowed: bool) -> Logbook:
    return await run_plan(plan, KafkaLink(settings), screen, is_remote_allowed=is_remote_allowed)


def verify_run(options: argparse.Namespace) -> int:
    """Judge a run again."""
    report = load_report(options.folder)
    setup = report.setup
    # Where the broker is and who asks, the settings say; what the run wrote to, its report.
    topics = {
        "input_topic": setup.input_topic,
        "output_topic": setup.output_topic,
        "dead_letter_topic": setup.dead_letter_topic,
        "delivery": "exactly-once" if setup.isolation_level == "read_committed" else "at-least-once",
    }
    link = KafkaLink(load_settings().model_copy(update=topics))
    asked = read_objectives(options)
    objectives = restore_objectives(report.objectives) if asked == NO_OBJECTIVES else asked
    verification = asyncio.run(verify(report, read_sent(options.folder / NAME), link, objectives))
    _say(render_summary(verification.report))
    _say(render_verification(verification))
    return find_code(verification.report)


def draw(options: argparse.Namespace) -> int:
    """Draw a report again, or compare two."""
    first = load_report(options.first)
    if options.second is None:
        beside = options.first if options.first.is_dir() else options.first.parent
        _say(str(draw_report(options.folder or beside, first)))
        return LoadTestCode.PASS
    second = load_report(options.second)
    folder = options.folder or Path(f"compared-{first.run_id}-{second.run_id}")
    _say(render_comparison(first, second))
    _say(str(draw_report(folder, first, second)))
    return LoadTestCode.PASS


def size_deployment(options: argparse.Namespace) -> int:
    """Lay out a deployment by what a run has measured."""
    report = load_report(options.report)
    counts = report.counts
    demand = Demand(
        events_per_second=options.events_per_second,
        items_per_event=options.items_per_event or counts.items / max(1, counts.events),
        headroom=options.headroom,
        p99_seconds=options.p99,
        threads=options.threads,
    )
    sizing = size(read_capacity(report, options.workers), demand)
    _say(sizing.model_dump_json(indent=2) if options.json else render_sizing(sizing, demand))
    return LoadTestCode.PASS


def _parse_bound(text: str | None) -> "int | datetime | None":
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return parse_moment(text, datetime.now(UTC))
    except ToolUsageError as error:
        raise PlanError(f"{error}; or an offset") from error


def _build_anonymiser(options: argparse.Namespace) -> Anonymiser | None:
    if options.salt_file is None:
        if options.drop_texts:
            raise PlanError("--drop-texts needs --salt-file")
        return None
    return Anonymiser(read_salt(options.salt_file), drop_texts=options.drop_texts)


def _build_counter() -> Callable[[int], None]:
    shown = 0

    def report(selected: int) -> None:
        nonlocal shown
        if selected - shown >= PROGRESS_RECORDS:
            shown = selected
            sys.stderr.write(f"{selected:,} records\n")

    return report


@contextmanager
def _catch_end() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM instead of dying: a recording is ended in order."""
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda got, _frame: told.append(got))
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_cancellable(work: Coroutine[object, object, Result]) -> Result:
    """Run something that SIGINT and SIGTERM cancel, as often as they come.

    Raises:
        KeyboardInterrupt: it was cancelled, and did not take that for its end.
    """

    async def main() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _say(text: str) -> None:
    # Whoever reads may have seen enough; the verdict, the exit code, stands.
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
