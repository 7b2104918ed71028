"""`prism demo`: real ranking events through a real worker process, on a broker of its own or a given one.

MovieLens-100k -> ranker -> ranking events -> Kafka -> worker process -> Kafka -> the screen, and a verdict at the end.
"""

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

import orjson

from stream_app.core.events import RankingEvent
from stream_app.exit_codes import ExitCode
from stream_app.kafka.clients import BrokerUnreachableError, create_topics
from stream_app.kafka.counterparts import open_sender, open_tail
from stream_app.local.broker import EmbeddedBroker
from stream_app.local.exchange import Exchange
from stream_app.local.ledger import Arrival
from stream_app.local.movielens import DemoDataError, ensure_movielens, find_cache_directory, read_movielens
from stream_app.local.ranker import FilmRanker
from stream_app.local.screen import Screen, open_screen
from stream_app.local.traffic import build_events
from stream_app.local.worker_process import WORKER_COMMAND, WorkerFailedError, WorkerProcess, find_free_port
from stream_app.settings import ENVIRONMENT_PREFIX, Settings, SettingsError, load_settings

DEFAULT_EVENTS: Final = 120
PARTITIONS: Final = 4
REPLICATION: Final = 1
SESSION_TIMEOUT_SECONDS: Final = 10.0
"""How long a killed worker's successor waits for its partitions: short, because people like to try `kill -9`."""

_DECIDED: Final = {
    "bootstrap_servers",
    "input_topic",
    "output_topic",
    "dead_letter_topic",
    "consumer_group",
    "session_timeout_seconds",
    "http_host",
    "http_port",
}

EXIT_INCOMPLETE: Final = 1
EXIT_INTERRUPTED: Final = 130


def run_demo(
    save: Path | None,
    events: int = DEFAULT_EVENTS,
    *,
    worker_command: Sequence[str] = WORKER_COMMAND,
    output: TextIO = sys.stdout,
) -> int:
    """Run the demo.

    Args:
        save: where to write events and explanations as JSON lines, or None.
        events: how many ranking events to send, of five items each.
        worker_command: how to start the worker; tests start one with another model.
        output: where to print.

    Returns:
        0 if nothing is missing, 1 if something is, 130 after Ctrl-C, else one of ExitCode.
    """
    try:
        if events < 1:
            return _fail("at least one event is needed", ExitCode.USAGE)
        if save is not None:
            save.write_bytes(b"")  # Better to know now than after the run that it cannot be written.
        return _run(save, _prepare_events(events, output), worker_command, output)
    except OSError as error:
        return _fail(str(error), ExitCode.USAGE)
    except DemoDataError as error:
        return _fail(str(error), ExitCode.BROKEN_MACHINE)
    except (BrokerUnreachableError, SettingsError) as error:
        return _fail(str(error), error.exit_code)
    except WorkerFailedError as error:
        is_known = error.exit_code in set(ExitCode)
        return _fail(str(error), error.exit_code if error.exit_code and is_known else ExitCode.BROKEN_MACHINE)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)


def _fail(reason: str, code: int) -> int:
    sys.stderr.write(f"prism demo: {reason}\n")
    return code


def _prepare_events(number: int, output: TextIO) -> list[RankingEvent]:
    directory = find_cache_directory(os.environ, Path.cwd())
    _say(output, f"MovieLens-100k: from {directory}, or else from the PyPI package recbole (2 MB)")
    data = read_movielens(ensure_movielens(directory))
    start = time.monotonic()
    ranker = FilmRanker(data.ratings)
    seconds = time.monotonic() - start
    _say(output, f"{len(data.films):,} films, {len(data.ratings):,} ratings; ranker trained in {seconds:.1f} s")
    return build_events(data, ranker, number)


def _say(output: TextIO, message: str) -> None:
    output.write(f"{message}\n")
    output.flush()


def _run(save: Path | None, events: Sequence[RankingEvent], worker_command: Sequence[str], output: TextIO) -> int:
    with _find_broker() as bootstrap_servers, tempfile.TemporaryDirectory(prefix="prism-demo-") as folder:
        settings = _build_settings(bootstrap_servers)
        create_topics(settings, PARTITIONS, REPLICATION)
        log_path = Path(folder) / "worker.log"
        worker = WorkerProcess(_build_environment(settings), settings.http_port, log_path, worker_command)
        expected = sum(len(event.items_to_explain) for event in events)
        with open_screen(expected, output) as screen:
            exchange = Exchange(events, uuid.uuid4().hex, worker, screen)
            was_interrupted = _exchange(exchange, settings, worker, screen)
    if save is not None:
        _save(save, exchange.ledger.arrivals)
    verdict = exchange.ledger.conclude()
    _say(output, verdict.render())
    if was_interrupted:
        return EXIT_INTERRUPTED
    return ExitCode.OK if verdict.is_complete else EXIT_INCOMPLETE


@contextmanager
def _find_broker() -> Iterator[str]:
    if given := os.environ.get("PRISM_BOOTSTRAP_SERVERS"):
        yield given
        return
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


def _build_settings(bootstrap_servers: str) -> Settings:
    load_settings()  # Names what is wrong with the environment, which fills all that is not given here.
    return Settings(
        bootstrap_servers=bootstrap_servers,
        # Topics of its own: on a given broker the demo must not write into what others read.
        input_topic="prism-demo-ranking-events",
        output_topic="prism-demo-explanations",
        dead_letter_topic="prism-demo-dead-letters",
        consumer_group="prism-demo",
        session_timeout_seconds=SESSION_TIMEOUT_SECONDS,
        http_host="127.0.0.1",
        http_port=find_free_port(),
    )


def _build_environment(settings: Settings) -> dict[str, str]:
    """Build the worker's environment: this process's own, and over it what the demo decides."""
    decided = settings.model_dump(include=_DECIDED)
    return {**os.environ, **{f"{ENVIRONMENT_PREFIX}{name.upper()}": str(value) for name, value in decided.items()}}


def _exchange(exchange: Exchange, settings: Settings, worker: WorkerProcess, screen: Screen) -> bool:
    """Start the worker, let the traffic flow, stop the worker; says whether Ctrl-C cut it short."""
    try:
        worker.start()
        worker.wait_until_ready()
        screen.note(f"worker process {worker.pid} is ready; traffic on {settings.bootstrap_servers}")
        asyncio.run(_connect(exchange, settings))
    except KeyboardInterrupt:
        screen.note("interrupted; stopping the worker")
        return True
    finally:
        worker.stop()
    return False


async def _connect(exchange: Exchange, settings: Settings) -> None:
    async with open_tail(settings) as tail, open_sender(settings) as sender:
        await exchange.run(sender, tail, settings.output_topic)


def _save(path: Path, arrivals: Sequence[Arrival]) -> None:
    rows = (
        {
            "event": arrival.event.model_dump(mode="json"),
            "explanation": arrival.explanation.model_dump(mode="json"),
            "headers": dict(arrival.headers),
        }
        for arrival in arrivals
    )
    with path.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
