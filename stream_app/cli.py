"""The command line `prism`. Thin: parse, call one function, turn errors into one line and an exit code."""

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import orjson
from pydantic import BaseModel

from stream_app.core.errors import ModelUnusableError, PrismError
from stream_app.core.events import DeadLetter, Explanation, RankingEvent
from stream_app.exit_codes import ExitCode

EXIT_INTERRUPTED: Final = 130

_CONTRACTS: Final[dict[str, type[BaseModel]]] = {
    "ranking-event": RankingEvent,
    "explanation": Explanation,
    "dead-letter": DeadLetter,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]  # argparse says NoReturn; exit() raises.
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"prism: {message}\n")


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
    parser = _Parser(prog="prism", description="A faithful explanation for every ranked item, as a stream.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_explain(commands)
    _add_demo(commands)
    worker = commands.add_parser("worker", help="explain the events of a Kafka topic (settings: prism config)")
    worker.set_defaults(command=_run_worker)
    config = commands.add_parser("config", help="print every setting with its value and meaning; secrets masked")
    config.set_defaults(command=_print_config)
    schema = commands.add_parser("schema", help="print the JSON Schema of a contract")
    schema.add_argument("contract", choices=sorted(_CONTRACTS), nargs="?", default="ranking-event")
    schema.set_defaults(command=_print_schema)
    _add_topics(commands)
    model = commands.add_parser("model", help="inspect model artifacts")
    verify = model.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser).add_parser(
        "verify", help="check every file of a model against its manifest, load it and write once"
    )
    verify.add_argument(
        "model", nargs="?", help="name/version or a directory; default: PRISM_MODEL, else the packaged one"
    )
    verify.set_defaults(command=_verify_model)
    return parser


def _add_explain(commands: "argparse._SubParsersAction[_Parser]") -> None:
    explain = commands.add_parser("explain", help="explain events from a file, without Kafka")
    explain.add_argument("file", help="JSON lines of ranking events; - for standard input")
    explain.add_argument("--dead-letters", type=Path, metavar="FILE", help="where to write what cannot be explained")
    explain.set_defaults(command=_explain_file)


def _add_demo(commands: "argparse._SubParsersAction[_Parser]") -> None:
    demo = commands.add_parser("demo", help="real ranking events through a real worker, on an embedded broker")
    demo.add_argument("--events", type=int, default=None, metavar="N", help="how many ranking events to send")
    demo.add_argument("--save", type=Path, metavar="FILE", help="also write events and explanations as JSON lines")
    demo.set_defaults(command=_run_demo)


def _add_topics(commands: "argparse._SubParsersAction[_Parser]") -> None:
    topics = commands.add_parser("topics", help="manage the topics that Prism uses")
    create = topics.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser).add_parser(
        "create", help="create the input, output and dead-letter topics where they are missing"
    )
    create.add_argument("--partitions", type=int, default=4)
    create.add_argument("--replication", type=int, default=1)
    create.set_defaults(command=_create_topics)


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
        pipeline = build_pipeline(settings.model, settings.inference_threads)
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
    from stream_app.bootstrap import build_pipeline
    from stream_app.kafka.worker import run_worker
    from stream_app.settings import load_settings

    settings = load_settings()
    return run_worker(settings, build_pipeline(settings.model, settings.inference_threads))


def _print_config(options: argparse.Namespace) -> int:
    del options
    from stream_app.settings import describe_settings, load_settings

    settings = load_settings()
    for name, value, origin, description in describe_settings(settings):
        sys.stdout.write(f"{name}={value}  # {origin}: {description}\n")
    return ExitCode.OK


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


def _verify_model(options: argparse.Namespace) -> int:
    from stream_app.bootstrap import build_generator
    from stream_app.runtime.artifact import load_artifact
    from stream_app.settings import load_settings

    model = options.model or load_settings().model
    artifact = load_artifact(model)
    build_generator(model, threads=1)
    manifest = artifact.manifest
    sys.stdout.write(f"{manifest.name}/{manifest.version}: {len(manifest.files)} files match, it loads and writes\n")
    return ExitCode.OK
