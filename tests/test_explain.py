"""`prism explain`: JSON lines in, JSON lines out, an outcome for every line."""

import base64
import gzip
import io
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from stream_app.core.pipeline import ExplanationPipeline
from stream_app.explain import BATCH_LINES, explain_lines
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator

ROWS = Path(__file__).parents[1] / "offline" / "recipes" / "data" / "invented_dev.jsonl.gz"
EVENTS = [orjson.dumps(orjson.loads(line)["event"]) for line in gzip.decompress(ROWS.read_bytes()).splitlines()[:24]]


@pytest.fixture(scope="module")
def pipeline() -> ExplanationPipeline:
    return ExplanationPipeline(CTranslate2Generator(load_artifact()))


def _explain(
    pipeline: ExplanationPipeline, lines: list[bytes]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    output, letters = io.BytesIO(), io.BytesIO()
    explain_lines(pipeline, lines, output, letters)
    return (
        [orjson.loads(line) for line in output.getvalue().splitlines()],
        [orjson.loads(line) for line in letters.getvalue().splitlines()],
    )


def test_explanations_keep_the_order_of_the_lines(pipeline: ExplanationPipeline) -> None:
    explanations, letters = _explain(pipeline, EVENTS)
    assert [explanation["event_id"] for explanation in explanations] == [orjson.loads(e)["event_id"] for e in EVENTS]
    assert letters == []


def test_a_bad_line_is_a_letter_and_harms_no_neighbour(pipeline: ExplanationPipeline) -> None:
    explanations, letters = _explain(pipeline, [EVENTS[0] + b"\r\n", b"\xff{\n", b"\n", b"  \n", b"{}\n", EVENTS[1]])
    assert len(explanations) == 2
    assert [(letter["line"], letter["stage"], letter["error"]) for letter in letters] == [
        (2, "decode", "DecodeError"),
        (5, "schema", "SchemaError"),
    ]
    assert base64.b64decode(str(letters[0]["raw_base64"])) == b"\xff{"
    assert set(letters[0]) == {"line", "stage", "error", "message", "attempts", "raw_base64"}


def test_more_lines_than_a_batch_all_have_their_outcome(pipeline: ExplanationPipeline) -> None:
    explanations, letters = _explain(pipeline, [EVENTS[0]] * (BATCH_LINES + 1) + [b"nonsense"])
    assert (len(explanations), len(letters)) == (BATCH_LINES + 1, 1)
    assert letters[0]["line"] == BATCH_LINES + 2


def test_the_command_reads_standard_input_and_exits_0_when_every_line_has_its_outcome(tmp_path: Path) -> None:
    letters = tmp_path / "letters.jsonl"
    command = [sys.executable, "-m", "stream_app", "explain", "-", "--dead-letters", str(letters)]
    done = subprocess.run(
        command, input=b"\n".join([*EVENTS[:3], b"broken"]), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert len(letters.read_bytes().splitlines()) == 1


def test_letters_go_to_standard_error_unless_a_file_is_named() -> None:
    command = [sys.executable, "-m", "stream_app", "explain", "-"]
    done = subprocess.run(command, input=b"broken\n", capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert orjson.loads(done.stderr.splitlines()[-1])["line"] == 1


def test_a_file_that_is_not_there_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "stream_app", "explain", "no-such-file.jsonl"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 64
    assert b"no-such-file.jsonl" in done.stderr
