"""A worker whose generator breaks its promise on some prompts, quoting them: `python -m tests.broker.canary_worker`."""

import sys
from collections.abc import Sequence

from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.worker import run_worker
from stream_app.settings import load_settings
from tests.fakes import ACCEPTED_TEXT

POISON = "arsenic"
INVENTED_TEXT = "Canary-Invented-Name wrote it for you."
"""Names what no event holds: the faithfulness gate turns it down."""


class QuotingGenerator:
    """Fails on prompts that name the poison, with an error that quotes them; of the others every second text lies."""

    identity = ModelIdentity(name="quoting", version="1")

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        for prompt in prompts:
            if POISON in prompt:
                raise ValueError(f"cannot write for {prompt}")
        return [Draft(INVENTED_TEXT if number % 2 else ACCEPTED_TEXT) for number, _ in enumerate(prompts)]


if __name__ == "__main__":
    sys.exit(run_worker(load_settings(), ExplanationPipeline(QuotingGenerator())))
