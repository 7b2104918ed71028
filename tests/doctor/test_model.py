"""The model is verified, and its speed judged by how long the largest batch takes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_app.core.pipeline import ExplanationPipeline
from stream_app.doctor.findings import Level
from stream_app.doctor.model import check_model, judge_rate, measure_rate
from stream_app.settings import Settings
from tests.fakes import ScriptedGenerator


def tick(seconds: float) -> Iterator[float]:
    return itertools.count(0.0, seconds)


@pytest.mark.parametrize(("step", "rounds"), [(0.01, 8), (3.0, 1)])
def test_the_rate_counts_the_texts_of_all_threads_and_a_slow_machine_does_not_go_on(step: float, rounds: int) -> None:
    generator = ScriptedGenerator()
    times = tick(step)
    rate = measure_rate(ExplanationPipeline(generator), 4, lambda: next(times))
    written = sum(map(len, generator.calls))
    assert written >= 4 * rounds
    # The clock is read once at the start, once a round, and once at the end.
    assert rate == pytest.approx(4 * rounds / (step * (rounds + 1)))


@pytest.mark.parametrize(("rate", "level"), [(100.0, Level.OK), (9.0, Level.WARNING), (1.0, Level.WARNING)])
def test_a_rate_is_too_low_where_a_batch_outlasts_draining(rate: float, level: Level) -> None:
    finding = judge_rate(rate, Settings(drain_seconds=20, inference_threads=2))
    assert finding.level is level
    assert f"{rate:.1f} texts/s" in finding.message


def test_the_packaged_model_is_fine() -> None:
    verified, speed = check_model(Settings(inference_threads=1))
    assert verified.level is Level.OK
    assert "files match their checksums" in verified.message
    assert "texts/s" in speed.message


def test_a_model_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    [finding] = check_model(Settings(model=str(tmp_path)))
    assert finding.level is Level.PROBLEM
    assert "PRISM_MODEL" in finding.advice
