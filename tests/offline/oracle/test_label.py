import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from offline.steps import StepError
from tests.offline.oracle.chat_server import COMPLETION_TOKENS, PROMPT_TOKENS, ChatServer
from tests.offline.oracle.label_run import read_candidates, read_rows, run_label, write_prepared

ROOT = Path(__file__).resolve().parents[3]


def build_options(url: str, **overrides: object) -> dict[str, object]:
    oracle = {"backend": "openai", "model": "teacher", "base_url": url, "concurrency": 2}
    return {"oracle": oracle, "candidates": 2, "batch_size": 3, **overrides}


def test_the_recorded_text_is_the_only_candidate(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=5, dev=2, recorded="  Film is one for you.\n")
    context = run_label(tmp_path, {"batch_size": 2, "candidates": 4})
    rows = read_rows(tmp_path / "label" / "train.jsonl")
    assert [row["candidates"] for row in rows] == [["Film is one for you."]] * 5
    assert [row["event"]["items"][0]["title"] for row in rows] == [f"Film {number}" for number in range(5)]
    assert {row["oracle"] for row in rows} == {"recorded"}
    assert len(read_rows(tmp_path / "label" / "dev.jsonl")) == 2
    assert context.counts["prompts"] == context.counts["candidates"] == 7


def test_a_row_without_a_recorded_text_is_kept_and_counted(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=2, dev=0)
    context = run_label(tmp_path, {})
    assert read_candidates(tmp_path / "label") == [[], []]
    assert context.counts["rows_without_candidate"] == 2


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    (tmp_path / "prepare" / "dev.jsonl").write_bytes(b'{"kind": "film"}\n')
    with pytest.raises(StepError, match=r"dev\.jsonl, line 1"):
        run_label(tmp_path, {})


def test_a_run_killed_half_way_ends_with_the_files_of_an_undisturbed_one(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=7, dev=4)
    with ChatServer(hangs_on="Film 7") as server:
        options = orjson.dumps(build_options(server.url)).decode()
        command = [sys.executable, "-m", "tests.offline.oracle.label_run", str(tmp_path), options, "killed"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
        )
        assert server.hanging.wait(timeout=120)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    finished = tmp_path / "killed" / "scratch" / "finished.jsonl"
    assert len(finished.read_bytes().splitlines()) == 2
    with finished.open("ab") as file:
        file.write(b'{"number":2,"answers":[{"candi')  # What a kill in the middle of a write leaves.

    with ChatServer() as server:
        resumed = run_label(tmp_path, build_options(server.url), "killed")
        assert len(server.bodies) == 5  # Batches of 3 + 2 rows were left of 11.
        whole = run_label(tmp_path, build_options(server.url), "whole")
    for name in ("train.jsonl", "dev.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert resumed.counts == whole.counts
    assert whole.counts["prompt_tokens"] == 11 * PROMPT_TOKENS
    assert whole.counts["completion_tokens"] == 11 * 2 * COMPLETION_TOKENS


def test_a_finished_log_needs_no_teacher(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=2, dev=1)
    with ChatServer() as server:
        options = build_options(server.url)
        run_label(tmp_path, options)
    before = read_candidates(tmp_path / "label")
    run_label(tmp_path, options)  # The server is gone.
    assert read_candidates(tmp_path / "label") == before


def test_worked_examples_reach_the_prompt_and_too_few_are_an_error(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    with ChatServer() as server:
        run_label(tmp_path, build_options(server.url, examples=2))
        assert [message["role"] for message in server.bodies[0]["messages"]].count("assistant") == 2
        with pytest.raises(StepError, match="has 3 examples, the recipe asks for 9"):
            run_label(tmp_path, build_options(server.url, examples=9), "other")
