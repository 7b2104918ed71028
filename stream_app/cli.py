"""The command line `prism`. Thin: parse, call one function, turn errors into one line and an exit code."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel

from stream_app.command_parser import CommandParser
from stream_app.core.errors import ModelUnusableError, PrismError
from stream_app.core.events import DeadLetter, Explanation, RankingEvent
from stream_app.exit_codes import DoctorCode, ExitCode
from stream_app.model_commands import add_model
from stream_app.replay.cli import add_load_test
from stream_app.replay.measurements import Report

EXIT_INTERRUPTED: Final = 130

_CONTRACTS: Final[dict[str, type[BaseModel]]] = {
    "ranking-event": RankingEvent,
    "explanation": Explanation,
    "dead-letter": DeadLetter,
    "load-test-report": Report,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ModelUnusableError as error:
        return _fail(error, ExitCode.CONFIGURATION)
    except PrismError as error:
        # Errors of the settings and of the broker know their code; the rest is a broken machine.
        return _fail(error, getattr(error, "exit_code", ExitCode.BROKEN_MACHINE))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`prism explain ... | head`); nothing is left to be told.
        with suppress(OSError):
            sys.stdout.close()
        return ExitCode.OK


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write(f"prism: {error}\n")
    return code


def _build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="prism", description="A faithful explanation for every ranked item, as a stream.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    _add_explain(commands)
    _add_demo(commands)
    worker = commands.add_parser("worker", help="explain the events of a Kafka topic (settings: prism config)")
    worker.set_defaults(command=_run_worker)
    config = commands.add_parser("config", help="print every setting with its value and meaning; secrets masked")
    config.set_defaults(command=_print_config)
    _add_doctor(commands)
    schema = commands.add_parser("schema", help="print the JSON Schema of a contract")
    schema.add_argument("contract", choices=sorted(_CONTRACTS), nargs="?", default="ranking-event")
    schema.set_defaults(command=_print_schema)
    _add_topics(commands)
    _add_dead_letters(commands)
    add_load_test(commands)
    add_model(commands)
    return parser


def _add_explain(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    explain = commands.add_parser("explain", help="explain events from a file, without Kafka")
    explain.add_argument("file", help="JSON lines of ranking events; - for standard input")
    explain.add_argument("--dead-letters", type=Path, metavar="FILE", help="where to write what cannot be explained")
    explain.set_defaults(command=_explain_file)


def _add_demo(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    demo = commands.add_parser("demo", help="real ranking events through a real worker, on an embedded broker")
    demo.add_argument("--events", type=int, default=None, metavar="N", help="how many ranking events to send")
    demo.add_argument("--save", type=Path, metavar="FILE", help="also write events and explanations as JSON lines")
    demo.set_defaults(command=_run_demo)


def _add_doctor(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    doctor = commands.add_parser(
        "doctor",
        help="check settings, machine, model, broker and topics, and say what to change",
        description="Check everything that a worker needs with the settings of the environment; changes nothing. Ends "
        "with 1 if there is a problem, with 0 if there are at most warnings.",
    )
    doctor.add_argument("--replicas", type=_parse_count, metavar="N", help="how many workers are to run at most")
    doctor.add_argument("--json", action="store_true", help="one JSON document")
    doctor.set_defaults(command=_run_doctor)


def _add_topics(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    topics = commands.add_parser("topics", help="manage the topics that Prism uses")
    create = topics.add_subparsers(required=True, metavar="ACTION", parser_class=CommandParser).add_parser(
        "create", help="create the input, output and dead-letter topics where they are missing"
    )
    create.add_argument("--partitions", type=int, default=4)
    create.add_argument("--replication", type=int, default=1)
    create.set_defaults(command=_create_topics)


def _add_dead_letters(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    dlq = commands.add_parser("dlq", help="look into the dead-letter topic, and send dead letters back")
    actions = dlq.add_subparsers(required=True, metavar="ACTION", parser_class=CommandParser)
    filters = CommandParser(add_help=False)
    filters.add_argument("--stage", help="only letters of this stage, such as decode, schema or explain")
    filters.add_argument("--error", help="only letters with this error, such as SchemaError")
    filters.add_argument("--since", metavar="TIME", help="only letters written since 2026-03-01T12:00:00Z, or 2h ago")
    filters.add_argument("--until", metavar="TIME", help="only letters written before")
    filters.add_argument("--limit", type=_parse_count, metavar="N", help="at most so many letters")
    shown = actions.add_parser("list", parents=[filters], help="one line for each dead letter, without key and value")
    shown.add_argument("--json", action="store_true", help="JSON lines")
    shown.set_defaults(command=_list_dead_letters)
    show = actions.add_parser("show", help="everything of one dead letter, its key and value too: personal data")
    show.add_argument("letter", metavar="PARTITION:OFFSET", help="as `prism dlq list` names it")
    show.set_defaults(command=_show_dead_letter)
    replay = actions.add_parser(
        "replay",
        parents=[filters],
        help="send dead letters back to the topic that they came from, each one once",
        description="Send dead letters that are there now back to the topic and partition that they came from. Letters "
        "that do not match, were replayed too often or are refused are left for a later replay; letters that were cut "
        "can never be replayed: they are reported once. The group remembers what is done: a second run sends nothing "
        "twice, a run that was killed has sent at most its last batch too often. Kafka forgets a group that is unused "
        "for offsets.retention.minutes (7 days). Of an event some of whose items failed, all are explained again.",
    )
    replay.add_argument("--group", help="the group that keeps the progress; default: PRISM_CONSUMER_GROUP-dlq-replay")
    replay.add_argument("--max-attempts", type=_parse_count, default=3, metavar="N", help="replays of one record (3)")
    replay.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    replay.set_defaults(command=_replay_dead_letters)


def _parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


# Imports inside the commands keep `prism schema` and `prism explain` free of Kafka, and `prism --help` instant.


def _explain_file(options: argparse.Namespace) -> int:
    from stream_app.bootstrap import build_pipeline
    from stream_app.explain import explain_lines
    from stream_app.settings import load_settings

    settings = load_settings()
    with ExitStack() as files:
        try:
            source = sys.stdin.buffer if options.file == "-" else files.enter_context(Path(options.file).open("rb"))
            letters = sys.stderr.buffer
            if options.dead_letters:
                letters = files.enter_context(options.dead_letters.open("wb"))
        except OSError as error:
            return _fail(error, ExitCode.USAGE)
        pipeline = build_pipeline(settings.model, settings.inference_threads, settings.approved_models)
        explain_lines(pipeline, source, sys.stdout.buffer, letters)
    return ExitCode.OK


def _run_demo(options: argparse.Namespace) -> int:
    try:
        from stream_app.local.demo import DEFAULT_EVENTS, run_demo
    except ModuleNotFoundError as error:
        sys.stderr.write(f"prism: the demo needs {error.name}: pip install 'prism-explain[demo]', or make demo\n")
        return ExitCode.CONFIGURATION
    return run_demo(options.save, DEFAULT_EVENTS if options.events is None else options.events)


def _run_worker(options: argparse.Namespace) -> int:
    del options
    # From here on, and not only when Faust runs: the first process of a container ignores SIGTERM without a handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.OK))
    from stream_app.bootstrap import ModelFolders
    from stream_app.kafka.model_roll import Rolling
    from stream_app.kafka.worker import run_worker
    from stream_app.settings import load_settings

    settings = load_settings()
    source = ModelFolders(settings.approved_models)
    serving = source.locate(settings.model)
    pipeline = source.load(serving, settings.inference_threads)
    return run_worker(settings, pipeline, Rolling(source, serving))


def _print_config(options: argparse.Namespace) -> int:
    del options
    from stream_app.settings import describe_settings, load_settings

    settings = load_settings()
    for name, value, origin, description in describe_settings(settings):
        sys.stdout.write(f"{name}={value}  # {origin}: {description}\n")
    return ExitCode.OK


def _run_doctor(options: argparse.Namespace) -> int:
    from stream_app.doctor.examination import examine
    from stream_app.doctor.findings import render_report

    report = examine(os.environ, options.replicas)
    sys.stdout.write(report.model_dump_json(indent=2) + "\n" if options.json else render_report(report))
    return DoctorCode.FINE if report.ok else DoctorCode.PROBLEMS


def _print_schema(options: argparse.Namespace) -> int:
    schema = _CONTRACTS[options.contract].model_json_schema()
    sys.stdout.buffer.write(orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return ExitCode.OK


def _create_topics(options: argparse.Namespace) -> int:
    from stream_app.kafka.clients import create_topics
    from stream_app.settings import load_settings

    created = create_topics(load_settings(), options.partitions, options.replication)
    sys.stdout.write("".join(f"created {topic}\n" for topic in created) or "all topics exist\n")
    return ExitCode.OK


def _list_dead_letters(options: argparse.Namespace) -> int:
    from stream_app.kafka.dead_letter_tool import build_filter, list_letters
    from stream_app.settings import load_settings

    list_letters(load_settings(), build_filter(**_read_filter(options)), options.limit, options.json, sys.stdout.write)
    return ExitCode.OK


def _show_dead_letter(options: argparse.Namespace) -> int:
    from stream_app.kafka.dead_letter_tool import show_letter
    from stream_app.settings import load_settings

    show_letter(load_settings(), options.letter, sys.stdout.write)
    return ExitCode.OK


def _replay_dead_letters(options: argparse.Namespace) -> int:
    from stream_app.kafka.dead_letter_tool import ReplayOptions, build_filter, replay_letters
    from stream_app.settings import load_settings

    settings = load_settings()
    replay = ReplayOptions(
        group=options.group or f"{settings.consumer_group}-dlq-replay",
        filter=build_filter(**_read_filter(options)),
        limit=options.limit,
        max_attempts=options.max_attempts,
        is_dry_run=options.dry_run,
    )
    replay_letters(settings, replay, sys.stdout.write)
    return ExitCode.OK


def _read_filter(options: argparse.Namespace) -> dict[str, str | None]:
    return {name: getattr(options, name) for name in ("stage", "error", "since", "until")}
