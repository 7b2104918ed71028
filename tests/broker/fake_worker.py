"""A worker process with a generator that needs no model: `python -m tests.broker.fake_worker`."""

import os
import sys
import time
from collections.abc import Sequence

from stream_app.core import events
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.worker import run_worker
from stream_app.settings import load_settings
from tests.fakes import ACCEPTED_TEXT

DELAY_VARIABLE = "FAKE_WORKER_DELAY_SECONDS"
LIMIT_VARIABLE = "FAKE_WORKER_MAX_RECORD_BYTES"
"""For a worker of a bad deploy, which turns down what others take."""


class FakeGenerator:
    """Writes the same faithful text for every prompt, after an optional pause."""

    identity = ModelIdentity(name="fake", version="1")

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._is_warm = False

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        # The first call is the warm-up, which no test wants to wait for.
        if prompts and self._is_warm:
            time.sleep(self._delay_seconds)
        self._is_warm = True
        return [Draft(ACCEPTED_TEXT) for _ in prompts]


if __name__ == "__main__":
    if limit := os.environ.get(LIMIT_VARIABLE):
        vars(events)["MAX_RECORD_BYTES"] = int(limit)
    generator = FakeGenerator(float(os.environ.get(DELAY_VARIABLE, "0")))
    sys.exit(run_worker(load_settings(), ExplanationPipeline(generator)))
