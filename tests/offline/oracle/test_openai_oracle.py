import asyncio
from pathlib import Path
from typing import Any

import pytest

from offline.oracle.openai_oracle import RequestPacer
from offline.oracle.port import OracleError
from tests.offline.oracle.chat_server import COMPLETION_TOKENS, PROMPT_TOKENS, ChatServer, Failure
from tests.offline.oracle.label_run import read_candidates, run_label, write_prepared


def build_options(url: str, **oracle: Any) -> dict[str, Any]:
    shared = {"backend": "openai", "model": "teacher", "base_url": url}
    return {"oracle": shared | oracle, "candidates": 3, "batch_size": 2}


def test_too_many_requests_are_repeated_until_they_succeed(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=2, dev=0)
    with ChatServer(fail=lambda body, before: Failure(429) if before < 3 else None) as server:
        run_label(tmp_path, build_options(server.url))
        assert len(server.bodies) == 5
    assert [len(candidates) for candidates in read_candidates(tmp_path / "label")] == [3, 3]


def test_an_endpoint_that_keeps_failing_ends_the_step_and_keeps_what_is_finished(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=4, dev=0)

    def fail(body: dict[str, Any], before: int) -> Failure | None:
        return Failure(503) if "Film 2" in body["messages"][-1]["content"] else None

    with ChatServer(fail=fail) as server:
        options = build_options(server.url, max_retries=1)
        with pytest.raises(OracleError, match=r"failed after 1 retries: InternalServerError.*kept"):
            run_label(tmp_path, options)
        server.fail = lambda body, before: None
        asked = len(server.bodies)
        run_label(tmp_path, options)
        assert len(server.bodies) == asked + 2
    assert [len(candidates) for candidates in read_candidates(tmp_path / "label")] == [3] * 4


def test_the_cost_is_counted_from_tokens_and_prices(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=3, dev=1)
    with ChatServer() as server:
        prices = {"usd_per_million_prompt_tokens": 0.5, "usd_per_million_completion_tokens": 2}
        context = run_label(tmp_path, build_options(server.url, **prices))
    assert context.counts["prompt_tokens"] == 4 * PROMPT_TOKENS
    assert context.counts["cost_micro_usd"] == 4 * (PROMPT_TOKENS * 0.5 + 3 * COMPLETION_TOKENS * 2)


def test_candidates_can_be_asked_for_one_by_one_each_with_its_seed(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    with ChatServer() as server:
        context = run_label(tmp_path, build_options(server.url, candidates_per_request=1))
        assert [body["n"] for body in server.bodies] == [1, 1, 1]
        first, *others = (body["seed"] for body in server.bodies)
        assert others == [first + 1, first + 2]
    assert context.counts["prompt_tokens"] == 3 * PROMPT_TOKENS
    assert context.counts["repeated_candidates"] == 2


def test_the_key_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    monkeypatch.setenv("TEACHER_KEY", "secret")
    with ChatServer() as server:
        options = build_options(server.url, api_key_variable="TEACHER_KEY")
        run_label(tmp_path, options)
        assert server.keys == ["Bearer secret"]
        monkeypatch.delenv("TEACHER_KEY")
        with pytest.raises(OracleError, match="TEACHER_KEY"):
            run_label(tmp_path, options, "other")


def test_requests_are_spread_evenly_over_a_minute() -> None:
    now = 100.0
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pacer = RequestPacer(30, clock=lambda: now, sleep=sleep)

    async def ask_three_times() -> None:
        for _ in range(3):
            await pacer.wait()

    asyncio.run(ask_three_times())
    assert slept == [2.0, 4.0]


def test_a_request_that_comes_late_does_not_wait() -> None:
    times = iter([100.0, 103.0])
    pacer = RequestPacer(30, clock=lambda: next(times))

    async def ask_twice() -> None:
        await pacer.wait()
        await pacer.wait()

    asyncio.run(ask_twice())
