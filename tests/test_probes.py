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


def get(server: ProbeServer, path: str, method: str = "GET") -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
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


@pytest.mark.parametrize(
    ("field", "value", "reason"), [("is_model_warm", False, "model"), ("missing_topics", None, "broker")]
)
def test_a_worker_has_started_once_its_model_is_warm_and_the_broker_has_answered(
    field: str, value: object, reason: str
) -> None:
    health = build_ready_health(Clock())
    setattr(health, field, value)
    verdict = health.check_startup()
    assert not verdict.is_ok
    assert reason in verdict.reason


def test_what_only_keeps_a_worker_from_working_keeps_it_from_starting_no_more() -> None:
    health = build_ready_health(Clock())
    health.missing_topics, health.is_assigned = ("ranking-events",), False
    assert health.check_startup().is_ok
    assert not health.check_readiness().is_ok


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
        assert json.loads(get(server, "/startupz")[1]) == {"ok": True, "reason": "started"}
        assert json.loads(get(server, "/readyz?verbose")[1]) == {"ok": True, "reason": "ready"}
        assert b"prism_records_received_total" in get(server, "/metrics")[1]
        health.is_draining = True
        status, body = get(server, "/readyz")
        assert (status, json.loads(body)) == (503, {"ok": False, "reason": "draining"})


def test_what_is_not_there_is_answered_as_json_too() -> None:
    with ProbeServer(build_ready_health(Clock()), Metrics(), "127.0.0.1", 0) as server:
        for path, method, expected in (("/else", "GET", 404), ("/livez", "POST", 501)):
            status, body = get(server, path, method)
            assert status == expected
            answer = json.loads(body)
            assert answer["ok"] is False
            assert answer["reason"]
        assert "/startupz, /livez, /readyz and /metrics" in json.loads(get(server, "/else")[1])["reason"]


def test_a_scrape_says_whether_the_worker_is_ready() -> None:
    health = build_ready_health(Clock())
    with ProbeServer(health, Metrics(), "127.0.0.1", 0) as server:
        assert b"prism_ready 1.0" in get(server, "/metrics")[1]
        health.is_draining = True
        assert b"prism_ready 0.0" in get(server, "/metrics")[1]
