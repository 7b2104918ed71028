import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from stream_app.telemetry import NOISY_LINES_PER_MINUTE, Metrics, RateLimit, configure_logging

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
        assert "test_telemetry.py:" in str(line["at"])
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


def test_received_equals_settled_plus_in_flight() -> None:
    metrics = Metrics()
    metrics.count_received(5)
    assert "prism_records_in_flight 5.0" in metrics.render().decode()
    metrics.count_batch({"explained": 3, "dead_letter": 2}, end_to_end_seconds=[0.1] * 5)
    text = metrics.render().decode()
    assert "prism_records_received_total 5.0" in text
    assert 'prism_records_settled_total{outcome="explained"} 3.0' in text
    assert 'prism_records_settled_total{outcome="dead_letter"} 2.0' in text
    assert "prism_records_in_flight 0.0" in text


def test_texts_are_counted_by_source_reason_and_rule() -> None:
    metrics = Metrics()
    metrics.count_texts({"model": 2, "template": 1}, {"unknown_name": 1}, {"unknown_name": 4})
    metrics.set_model("prism-small", "1.2.3")
    text = metrics.render().decode()
    assert 'prism_explanations_total{source="model"} 2.0' in text
    assert 'prism_templates_total{reason="unknown_name"} 1.0' in text
    assert 'prism_gate_violations_total{rule="unknown_name"} 4.0' in text
    assert 'prism_model_info{name="prism-small",version="1.2.3"} 1.0' in text


def test_two_workers_in_one_process_do_not_share_metrics() -> None:
    Metrics().count_received(1)
    assert "prism_records_received_total 0.0" in Metrics().render().decode()
