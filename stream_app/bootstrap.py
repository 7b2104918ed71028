"""The only place that wires: settings to a model, a model to the pipeline."""

import time

from stream_app.core.pipeline import ExplanationPipeline
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator


def build_generator(model: str | None, threads: int) -> CTranslate2Generator:
    """Verify, load and warm up a model.

    Raises:
        ModelUnusableError: the artifact is missing, altered, for another prompt, or does not work.
    """
    generator = CTranslate2Generator(load_artifact(model), threads)
    generator.warm_up()
    return generator


def build_pipeline(model: str | None, threads: int) -> ExplanationPipeline:
    """Build the pipeline around a verified and warmed model."""
    return ExplanationPipeline(build_generator(model, threads), pause=time.sleep)
