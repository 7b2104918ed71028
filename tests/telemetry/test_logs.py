import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from stream_app.telemetry.logs import NOISY_LINES_PER_MINUTE, RateLimit, configure_logging

CANARY = "canary-title-7c"


class Quoting:
    def __repr__(self) -> str:
        return CANARY


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    for name in ("aiokafka", "faust", "mode"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.level = [], True, logging.NOTSET
    structlog.reset_defaults()


def read_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_own_and_foreign_logs_are_json_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    structlog.stdlib.get_logger("stream_app.x").info("batch_settled", explained=3)
    logging.getLogger("other.library").warning("it is %s", "late")
    own, foreign = read_lines(capsys)
    assert (own["message"], own["explained"], own["level"]) == ("batch_settled", 3, "info")
    assert (foreign["message"], foreign["logger"]) == ("it is late", "other.library")


def test_an_exception_is_logged_by_type_and_place_never_by_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("other.library").exception("failed")
        structlog.stdlib.get_logger("stream_app.x").error("failed", exc_info=True)
    for line in read_lines(capsys):
        assert line["error"] == "ValueError"
        assert "test_logs.py:" in str(line["at"])
        assert CANARY not in json.dumps(line)


@pytest.mark.parametrize("library", ["faust.transport.consumer", "mode.services"])
def test_messages_that_faust_quotes_are_reduced_to_their_type(capsys: pytest.CaptureFixture[str], library: str) -> None:
    configure_logging("INFO")
    logging.getLogger(library).warning("Waiting for tasks %r", [Quoting()])
    logging.getLogger(library).error("Crashed reason=%r", ValueError(CANARY))
    logging.getLogger(library).error("Got %r", {"title": CANARY})
    lines = read_lines(capsys)
    assert len(lines) == 3
    assert CANARY not in json.dumps(lines)


@pytest.mark.parametrize("library", ["aiokafka.conn", "faust", "mode.worker"])
def test_kafka_libraries_are_limited_in_level_and_number(capsys: pytest.CaptureFixture[str], library: str) -> None:
    configure_logging("INFO")
    logging.getLogger(library).info("not worth it")
    for number in range(10 * NOISY_LINES_PER_MINUTE):
        logging.getLogger(library).error("outage %d", number)
    assert len(read_lines(capsys)) == NOISY_LINES_PER_MINUTE


def test_a_new_minute_opens_the_limit_and_tells_what_was_left_out() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    records = [logging.makeLogRecord({"msg": str(number)}) for number in range(5)]
    assert [limit.filter(record) for record in records] == [True, True, False, False, False]
    now = 61.0
    late = logging.makeLogRecord({"msg": "late"})
    assert limit.filter(late)
    assert vars(late)["left_out"] == 3
