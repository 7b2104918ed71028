"""A worker process with a generator that needs no model: `python -m tests.broker.fake_worker`."""

import os
import sys

from stream_app.core import events
from stream_app.core.events import ModelIdentity
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.model_roll import Rolling
from stream_app.kafka.worker import run_worker
from stream_app.settings import load_settings
from tests.fake_models import FakeGenerator, FakeModels

DELAY_VARIABLE = "FAKE_WORKER_DELAY_SECONDS"
LIMIT_VARIABLE = "FAKE_WORKER_MAX_RECORD_BYTES"
"""For a worker of a bad deploy, which turns down what others take."""


def run() -> int:
    """Run the worker; with PRISM_MODEL, the models in that folder roll as real ones do."""
    settings = load_settings()
    if settings.model is None:
        delay_seconds = float(os.environ.get(DELAY_VARIABLE, "0"))
        generator = FakeGenerator(ModelIdentity(name="fake", version="1"), delay_seconds)
        return run_worker(settings, ExplanationPipeline(generator))
    source = FakeModels(settings.approved_models)
    serving = source.locate(settings.model)
    return run_worker(settings, source.load(serving, threads=1), Rolling(source, serving))


if __name__ == "__main__":
    if limit := os.environ.get(LIMIT_VARIABLE):
        vars(events)["MAX_RECORD_BYTES"] = int(limit)
    sys.exit(run())
