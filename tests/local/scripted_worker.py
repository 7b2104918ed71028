"""The real worker around a model without weights: `python -m tests.local.scripted_worker`, for tests of the demo."""

import sys
import time
from collections.abc import Sequence
from typing import Final

from stream_app.core.generation import Draft
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.worker import run_worker
from stream_app.local.tethered_worker import tie_to_parent
from stream_app.settings import load_settings
from tests.fakes import ScriptedGenerator, write_by_prompt

SECONDS_PER_TEXT: Final = 0.01
"""Slow enough that a kill finds a batch at work."""


class PacedGenerator(ScriptedGenerator):
    """Takes as long as a small model would."""

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        time.sleep(len(prompts) * SECONDS_PER_TEXT)
        return super().generate(prompts)


if __name__ == "__main__":
    tie_to_parent()
    sys.exit(run_worker(load_settings(), ExplanationPipeline(PacedGenerator(write_by_prompt))))
