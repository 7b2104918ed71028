import json
import urllib.error
import urllib.request

import pytest

from stream_app.probes import TICK_LIMIT_SECONDS, Health, ProbeServer
from stream_app.telemetry import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def build_ready_health(clock: Clock) -> Health:
    health = Health(batch_limit_seconds=50.0, clock=clock)
    health.is_model_warm = health.is_assigned = True
    health.missing_topics = ()
    return health


def get(server: ProbeServer, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("is_draining", True, "draining"),
        ("is_model_warm", False, "model"),
        ("missing_topics", None, "broker"),
        ("missing_topics", ("ranking-events",), "ranking-events"),
        ("is_assigned", False, "assignment"),
    ],
)
def test_readiness_names_what_is_missing(field: str, value: object, reason: str) -> None:
    health = build_ready_health(Clock())
    assert health.check_readiness().is_ok
    setattr(health, field, value)
    verdict = health.check_readiness()
    assert not verdict.is_ok
    assert reason in verdict.reason


def test_a_loop_that_stops_ticking_is_dead_until_it_ticks_again() -> None:
    clock = Clock()
    health = build_ready_health(clock)
    clock.now += TICK_LIMIT_SECONDS + 1
    assert not health.check_liveness().is_ok
    health.tick()
    assert health.check_liveness().is_ok


def test_a_stuck_batch_is_dead_although_the_loop_ticks() -> None:
    clock = Clock()
    health = build_ready_health(clock)
    health.begin_batch()
    clock.now += 51
    health.tick()
    assert not health.check_liveness().is_ok
    health.end_batch()
    assert health.check_liveness().is_ok


def test_a_worker_that_is_not_ready_is_still_alive() -> None:
    assert Health(batch_limit_seconds=1.0, clock=Clock()).check_liveness().is_ok


def test_the_server_answers_probes_and_metrics() -> None:
    health = build_ready_health(Clock())
    with ProbeServer(health, Metrics(), "127.0.0.1", 0) as server:
        assert get(server, "/livez")[0] == 200
        assert json.loads(get(server, "/readyz?verbose")[1]) == {"ok": True, "reason": "ready"}
        assert b"prism_records_received_total" in get(server, "/metrics")[1]
        assert get(server, "/else")[0] == 404
        health.is_draining = True
        assert get(server, "/readyz")[0] == 503
