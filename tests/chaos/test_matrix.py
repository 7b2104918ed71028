"""A few rows of the matrix with fewer events, and a worker that is wrong on purpose."""

from dataclasses import replace
from pathlib import Path
from signal import SIGKILL

import pytest

from tests.broker.conftest import skip_without_kafka
from tests.broker.kafka_server import install_kafka
from tests.chaos.broker_faults import restart_broker
from tests.chaos.cluster import Broker
from tests.chaos.rows import ROWS, Row
from tests.chaos.run import Result, run_row
from tests.chaos.stage import Delivery
from tests.chaos.worker_faults import freeze, per_lane, signal_repeatedly

EVENTS = 1_200
ROW_BY_NAME = {row.name: row for row in ROWS}
KILL = replace(ROW_BY_NAME["kill"], act=per_lane(signal_repeatedly(SIGKILL, 2)))

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def _kafka() -> None:
    with skip_without_kafka():
        install_kafka()


def run_briefly(row: Row, delivery: Delivery, folder: Path) -> Result:
    return run_row(row, delivery, folder / "row", EVENTS, runs=1)


@pytest.mark.parametrize(
    ("row", "delivery"),
    [
        (KILL, "at-least-once"),
        (KILL, "exactly-once"),
        (replace(ROW_BY_NAME["freeze"], act=per_lane(freeze(1))), "exactly-once"),
        (replace(ROW_BY_NAME["broker-kill"], act=restart_broker(Broker.kill, 1)), "at-least-once"),
        (ROW_BY_NAME["poison-100"], "at-least-once"),
        (ROW_BY_NAME["refused-size"], "exactly-once"),
    ],
    ids=lambda one: one.name if isinstance(one, Row) else one,
)
def test_a_row_of_the_matrix_is_as_expected(row: Row, delivery: Delivery, tmp_path: Path) -> None:
    result = run_briefly(row, delivery, tmp_path)
    assert not result.problems
    assert result.lost == result.duplicates_differ == result.out_of_order == 0
    assert result.events >= EVENTS


def test_the_matrix_catches_a_worker_that_commits_before_it_publishes(tmp_path: Path) -> None:
    wrong = replace(KILL, command=("-m", "tests.chaos.wrong_worker"))
    result = run_briefly(wrong, "at-least-once", tmp_path)
    assert result.lost > 0
    assert f"lost: {result.lost}" in result.problems
