"""The only place that wires: settings to a model, a model to the pipeline."""

import time
from dataclasses import dataclass

from stream_app.core.manifest import Edition
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.runtime.artifact import Artifact, load_artifact, locate_artifact, verify_artifact
from stream_app.runtime.generator import CTranslate2Generator
from stream_app.runtime.memory import release_freed_memory


def build_generator(model: str | None, threads: int, approved: frozenset[str] = frozenset()) -> CTranslate2Generator:
    """Verify, load and warm up a model.

    Raises:
        ModelUnusableError: the artifact is missing, altered, for another prompt, not approved, or does not work.
    """
    return _load_warm(load_artifact(model, approved), threads)


def build_pipeline(model: str | None, threads: int, approved: frozenset[str] = frozenset()) -> ExplanationPipeline:
    """Build the pipeline around a verified and warmed model; `approved` as for `verify_artifact`."""
    return ExplanationPipeline(build_generator(model, threads, approved), pause=time.sleep)


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """Models on the disk, for a worker whose models may be replaced while it runs."""

    approved: frozenset[str] = frozenset()

    def locate(self, model: str | None) -> Edition:
        """Find which artifact a model stands for just now; see `locate_artifact`."""
        return locate_artifact(model)

    def load(self, edition: Edition, threads: int, is_background: bool = False) -> ExplanationPipeline:
        """Build the pipeline around an artifact, verified and warmed; errors as `build_generator`."""
        # What earlier models have left; so a worker never needs room for more than one beside those at work.
        release_freed_memory()
        artifact = verify_artifact(edition, self.approved)
        return ExplanationPipeline(_load_warm(artifact, threads, is_background), pause=time.sleep)


def _load_warm(artifact: Artifact, threads: int, is_background: bool = False) -> CTranslate2Generator:
    generator = CTranslate2Generator(artifact, threads, is_background=is_background)
    generator.warm_up()
    return generator
