"""The model: are its files what its manifest says, does it write, and how fast."""

import time
from collections.abc import Callable
from typing import Final

from stream_app.bootstrap import build_pipeline
from stream_app.core.errors import ModelUnusableError
from stream_app.doctor.findings import Finding, approve, refuse, warn
from stream_app.kafka.batches import MAX_BATCH_ITEMS
from stream_app.kafka.models import Explainer
from stream_app.kafka.warm_up import WARM_UP_EVENT, warm_up
from stream_app.kafka.worker import INFERENCE_LIMIT_SECONDS
from stream_app.runtime.artifact import load_artifact
from stream_app.settings import Settings

MODEL: Final = "model"
SPEED: Final = "speed"
ROUNDS: Final = 8
MEASURE_SECONDS: Final = 2.0
"""After so long no further round is begun: on a machine that is slow or busy, few texts tell enough."""


def check_model(settings: Settings) -> list[Finding]:
    """Verify the model, load it, let it write and take the time."""
    try:
        manifest = load_artifact(settings.model).manifest
        pipeline = build_pipeline(settings.model, settings.inference_threads)
        warm_up(pipeline)
    except ModelUnusableError as error:
        return [refuse(MODEL, str(error), "install the model anew, or set PRISM_MODEL to another")]
    verified = f"{manifest.name}/{manifest.version}: {len(manifest.files)} files match their checksums, and it writes"
    rate = measure_rate(pipeline, settings.inference_threads)
    return [approve(MODEL, verified), judge_rate(rate, settings)]


def measure_rate(explainer: Explainer, threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Measure how many items are explained in a second, with all threads at work, by events that are easy."""
    started, explained = clock(), 0
    for _ in range(ROUNDS):
        explained += len(explainer.explain([WARM_UP_EVENT] * threads))
        if clock() - started > MEASURE_SECONDS:
            break
    return explained / (clock() - started)


def judge_rate(rate: float, settings: Settings) -> Finding:
    """Judge a rate by how long the largest batch takes: a rebalance and the end of the process wait for it.

    Never a problem: on a machine that is busy for a moment, a container that must pass this first would not start.

    Args:
        rate: items a second; an easy item is not written faster than others.
        settings: threads, and how long draining may take.
    """
    seconds = MAX_BATCH_ITEMS / rate
    speed = f"{rate:.1f} texts/s with {settings.inference_threads} threads"
    message = f"{speed}: a batch of {MAX_BATCH_ITEMS} items takes {seconds:.0f} s or more"
    advice = "give the worker more cores (PRISM_INFERENCE_THREADS), or find out who else uses them"
    if seconds > INFERENCE_LIMIT_SECONDS:
        return warn(SPEED, f"{message}, and /livez calls that stuck", advice)
    if seconds > settings.drain_seconds:
        return warn(SPEED, f"{message}, and draining ends after {settings.drain_seconds:g} s", advice)
    return approve(SPEED, speed)
