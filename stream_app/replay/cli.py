"""`prism replay` and `prism capacity`: what they take. What they do stands in `commands`, which is loaded when it runs.

Exit codes: 0 all objectives met, 1 one was missed, 2 usage, 3 no result (invalid or interrupted).
"""

import argparse
from pathlib import Path
from typing import Final

from stream_app.command_parser import CommandParser
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.arguments import parse_count, parse_duration, parse_rate, parse_share, parse_speed
from stream_app.replay.installed import ensure_installed

PROFILES: Final = ("constant", "step", "ramp", "spike", "recorded")
RANGE: Final = "2026-03-01T12:00:00Z, 2h (ago), or an offset of each partition"


class LoadTestParser(CommandParser):
    """A parser whose usage errors have the exit code that tools that judge use."""

    usage_code = LoadTestCode.USAGE


def add_load_test(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    """Add the commands of the load test."""
    replay = commands.add_parser("replay", help="record traffic, replay it on schedule, get a verdict")
    replay.usage_code = LoadTestCode.USAGE
    actions = replay.add_subparsers(required=True, metavar="ACTION", parser_class=LoadTestParser)
    _add_record(actions)
    _add_generate(actions)
    _add_run(actions)
    _add_verify(actions)
    _add_report(actions)
    capacity = commands.add_parser("capacity", help="turn a load test's report into replicas, partitions and costs")
    capacity.usage_code = LoadTestCode.USAGE
    _add_capacity(capacity)


def _add_record(actions: "argparse._SubParsersAction[LoadTestParser]") -> None:
    record = actions.add_parser("record", help="record a topic into a file: records with headers, times, partitions")
    record.add_argument("file", type=Path, metavar="FILE", help="NAME.jsonl.zst or NAME.parquet")
    record.add_argument("--topic", help="which topic; default: PRISM_INPUT_TOPIC")
    record.add_argument("--from", dest="begin", metavar="BOUND", help=f"the first records: {RANGE}")
    record.add_argument("--to", dest="end", metavar="BOUND", help="the first records to leave out, likewise")
    record.add_argument("--follow", action="store_true", help="go on until Ctrl-C, or until --to")
    record.add_argument("--salt-file", type=Path, metavar="FILE", help="hide users behind hashes with the salt in it")
    record.add_argument("--drop-texts", action="store_true", help="with a salt: replace texts of users by other words")
    record.set_defaults(command=_record_topic)


def _add_generate(actions: "argparse._SubParsersAction[LoadTestParser]") -> None:
    generate = actions.add_parser("generate", help="invent traffic with the shapes of real traffic")
    generate.add_argument("file", type=Path, metavar="FILE", help="NAME.jsonl.zst or NAME.parquet")
    generate.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same traffic (0)")
    for flag, kind, text in (
        ("events", parse_count, "how many events (10000)"),
        ("partitions", parse_count, "partitions of the topic (4)"),
        ("rate", parse_rate, "mean events per second, such as 50/s"),
        ("users", parse_count, "how many users there are (2000)"),
        ("items", parse_count, "how many items the catalogue has (3000)"),
        ("mean-list", float, "items of an event, on average (5)"),
        ("max-list", parse_count, "items of an event, at most (50)"),
        ("explain-top-k", parse_count, "explain only so many of an event's items"),
        ("max-history", int, "entries of a user's history, at most (60)"),
        ("median-characters", float, "length of summaries and preferences (140)"),
        ("diurnal-share", parse_share, "how far the rate follows the time of day (60%%)"),
        ("day", parse_duration, "the length of a day (24h)"),
        ("bursts-per-hour", float, "how often traffic bursts (12)"),
        ("burst-factor", float, "how much higher the rate is then (3)"),
    ):
        generate.add_argument(f"--{flag}", type=kind, metavar="N", help=text)
    generate.set_defaults(command=_generate_traffic)


def _add_run(actions: "argparse._SubParsersAction[LoadTestParser]") -> None:
    run = actions.add_parser(
        "run",
        help="send a recording on schedule, whatever the system does, and judge what comes out",
        description="Broker, topics, credentials and guarantee are those of the PRISM_* settings; see prism config.",
    )
    run.add_argument("file", type=Path, metavar="FILE", help="a recording")
    run.add_argument("--speed", type=parse_speed, help="of the recording's own times, such as 10x")
    run.add_argument("--rate", type=parse_rate, help="events per second, such as 200/s")
    run.add_argument("--profile", choices=PROFILES, help="default: constant with a rate, otherwise recorded")
    run.add_argument("--duration", type=parse_duration, help="such as 60s; the recording is repeated if need be")
    run.add_argument("--from", dest="begin", type=parse_duration, default=0.0, help="the part of the recording from")
    run.add_argument("--to", dest="end", type=parse_duration, help="... and to, in time since its first record")
    run.add_argument("--run-id", help="tells the outcomes of this run from all others; default: made of the time")
    run.add_argument("--patience", type=parse_duration, default=60.0, help="how long to wait for the last outcomes")
    run.add_argument("--max-lateness", type=parse_duration, default=0.05, help="of the generator, p99 (50ms)")
    run.add_argument("--report", type=Path, metavar="FOLDER", help="where to write; default: replay-RUN_ID")
    run.add_argument("--allow-remote", action="store_true", help="brokers need not be on this machine")
    run.add_argument("--dry-run", action="store_true", help="tell what would be sent, and connect to nothing")
    workers = run.add_argument_group("workers of its own")
    workers.add_argument("--workers", type=parse_count, default=0, metavar="N", help="start so many, and end them")
    workers.add_argument("--threads", type=parse_count, metavar="N", help="of the model, in each of them")
    workers.add_argument("--fault", metavar="LIST", help="such as kill@30s,freeze@60s:10s,scale=3@90s")
    _add_search(run)
    _add_objectives(run)
    run.set_defaults(command=_run_load)


def _add_search(run: argparse.ArgumentParser) -> None:
    search = run.add_argument_group("search for the capacity")
    search.add_argument("--find-capacity", action="store_true", help="find the highest rate that is sustained")
    search.add_argument("--start-rate", type=parse_rate, metavar="RATE", help="the first rate to try (10/s)")
    search.add_argument("--max-rate", type=parse_rate, metavar="RATE", help="the highest to try (10000/s)")
    search.add_argument("--step", type=parse_duration, metavar="TIME", help="how long a rate is measured (30s)")
    search.add_argument("--warm-up", type=parse_duration, metavar="TIME", help="what precedes that (10s)")
    search.add_argument("--tolerance", type=parse_share, metavar="SHARE", help="how close to come (5%%)")


def _add_objectives(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("objectives: a number of items, or a share of all such as 5%")
    group.add_argument("--slo", action="append", default=[], metavar="LIMIT", help="latency: p99=2s, p50=300ms, max=1m")
    group.add_argument("--max-lost", metavar="LIMIT", help="items without any outcome")
    group.add_argument("--max-template", metavar="LIMIT", help="items that the template answered")
    group.add_argument("--max-dead-letters", metavar="LIMIT", help="items that a dead letter answers for")
    group.add_argument("--max-duplicates", metavar="LIMIT", help="further outcomes of an item")
    group.add_argument("--max-out-of-order", metavar="LIMIT", help="items whose outcome came too early")


def _add_verify(actions: "argparse._SubParsersAction[LoadTestParser]") -> None:
    verify = actions.add_parser("verify", help="judge a run again, by what its topics have now")
    verify.add_argument("folder", type=Path, metavar="FOLDER", help="that the run wrote")
    _add_objectives(verify)
    verify.set_defaults(command=_verify_run)


def _add_report(actions: "argparse._SubParsersAction[LoadTestParser]") -> None:
    report = actions.add_parser("report", help="draw a report again, or compare two")
    report.add_argument("first", type=Path, metavar="A", help="the folder of a run, or its report.json")
    report.add_argument("second", type=Path, metavar="B", nargs="?", help="another, to compare")
    report.add_argument("--folder", type=Path, metavar="FOLDER", help="where to write; default: beside A; compared: .")
    report.set_defaults(command=_draw)


def _add_capacity(capacity: argparse.ArgumentParser) -> None:
    capacity.add_argument("report", type=Path, metavar="REPORT", help="the folder of a run, or its report.json")
    capacity.add_argument("--events-per-second", type=parse_rate, required=True, metavar="N", help="at the peak")
    capacity.add_argument("--items-per-event", type=float, metavar="N", help="default: as in the report")
    capacity.add_argument("--headroom", type=parse_share, default=0.3, metavar="SHARE", help="on top of it (30%%)")
    capacity.add_argument("--p99", type=parse_duration, metavar="TIME", help="target for the latency, such as 2s")
    capacity.add_argument("--threads", type=parse_count, default=1, metavar="N", help="cores that a worker asks for")
    capacity.add_argument("--workers", type=parse_count, metavar="N", help="that the run had; default: that it started")
    capacity.add_argument("--json", action="store_true", help="one JSON document")
    capacity.set_defaults(command=_size_deployment)


# Imports inside the commands keep `prism --help` quick, and let it say what is not installed.


def _record_topic(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import record_topic

    return record_topic(options)


def _generate_traffic(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import generate_traffic

    return generate_traffic(options)


def _run_load(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import run_load

    return run_load(options)


def _verify_run(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import verify_run

    return verify_run(options)


def _draw(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import draw

    return draw(options)


def _size_deployment(options: argparse.Namespace) -> int:
    ensure_installed()
    from stream_app.replay.commands import size_deployment

    return size_deployment(options)
