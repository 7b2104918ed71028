"""A real Prometheus scrapes a real worker: the dashboard has data, and alerts fire when the broker is killed."""

import math
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.broker.conftest import skip_without_kafka
from tests.broker.harness import Broker, Lane, WorkerProcess, build_events
from tests.broker.kafka_server import run_kafka
from tests.deploy.monitored import run_embedded_broker, run_real_worker, send_wave
from tests.deploy.monitoring import (
    RULES,
    Prometheus,
    find_program,
    load_panels,
    run_prometheus,
    wait_until,
    write_hasty_rules,
)

VARIABLES = {"$job": "prism", "$instance": ".*", "$__rate_interval": "30s"}
BACKLOG = 3_000
RETRY_BUDGET_SECONDS = 45
QUIET_SECONDS = 10.0
"""Longer than it takes any alert of the hasty rules to begin firing for what is there all the time."""


def find_empty_queries(prometheus: Prometheus) -> list[str]:
    """Find queries of the dashboard for which there is no number; 0 is one, and 0 / 0 is none."""
    return [
        f"{panel.title}: {expr}"
        for panel in load_panels(VARIABLES)
        for expr, _ in panel.queries
        if all(math.isnan(value) for series in prometheus.query(expr) for _, value in series.points)
    ]


@pytest.mark.slow
def test_every_query_of_the_dashboard_has_data_from_a_worker_with_its_model(tmp_path: Path) -> None:
    find_program("prometheus")
    with (
        run_embedded_broker(tmp_path) as servers,
        run_real_worker(lane := build_lane(servers, tmp_path)) as address,
        run_prometheus(tmp_path, [address], RULES) as prometheus,
    ):
        empty = find_empty_queries(prometheus)
        deadline = time.monotonic() + 120
        for wave in count():
            send_wave(lane, wave)
            empty = find_empty_queries(prometheus)
            if not empty or time.monotonic() > deadline:
                break
        assert empty == []
        assert [dict(one.labels)["job"] for one in prometheus.query("prism_model_info")] == ["prism"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_alerts_fire_when_the_broker_is_killed_and_not_before(kind: str, tmp_path: Path) -> None:
    find_program("prometheus")
    with ExitStack() as stack:
        broker = stack.enter_context(ExitStack())
        lane = build_lane(start_broker(kind, broker, tmp_path), tmp_path)
        worker = lane.start_worker(0.3, PRISM_RETRY_BUDGET_SECONDS=str(RETRY_BUDGET_SECONDS))
        stack.callback(worker.end)
        worker.wait_until_ready()
        rules = write_hasty_rules(tmp_path)
        prometheus = stack.enter_context(run_prometheus(tmp_path, [read_address(worker)], rules))
        lane.send(build_events(BACKLOG))
        wait_until(lambda: has_settled(prometheus), "Prometheus has seen the worker settle records")
        until = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < until:
            assert prometheus.list_alerts() == set()
            time.sleep(0.5)
        broker.close()
        wait_until(
            lambda: {"PrismStalled", "PrismBrokerSilent"} <= prometheus.list_alerts(),
            "alerts of the silent broker fire",
        )
        assert worker.is_running
        wait_until(lambda: not worker.is_running, "the worker has used up its retry budget")
        wait_until(lambda: "PrismNoWorkerReady" in prometheus.list_alerts(), "the alert of no worker fires")


def start_broker(kind: str, stack: ExitStack, folder: Path) -> str:
    if kind == "embedded":
        return stack.enter_context(run_embedded_broker(folder))
    with skip_without_kafka():
        return stack.enter_context(run_kafka(folder))


def build_lane(servers: str, folder: Path) -> Lane:
    lane = Lane(Broker(servers, forgets=True), "monitored", folder)
    lane.create_topics()
    return lane


def read_address(worker: WorkerProcess) -> str:
    [port] = [entry["port"] for entry in worker.read_entries() if entry["message"] == "probes_listening"]
    return f"127.0.0.1:{port}"


def has_settled(prometheus: Prometheus) -> bool:
    return any(value > 0 for one in prometheus.query("sum(prism_records_settled_total)") for _, value in one.points)
