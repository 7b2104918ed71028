"""Models on the disk that are verified as real ones are, and need no weights: what they do stands in their manifest."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft
from stream_app.core.manifest import MANIFEST_NAME, Edition, Manifest, encode_manifest
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.runtime.artifact import locate_artifact, verify_artifact
from tests.fakes import ACCEPTED_TEXT

WEIGHTS_NAME = "weights.bin"


def write_model(home: Path, version: str, delay_seconds: float = 0.0, works: bool = True) -> Path:
    """Write a model to HOME/fake/VERSION; returns its folder."""
    folder = home / "fake" / version
    folder.mkdir(parents=True)
    weights = version.encode()
    (folder / WEIGHTS_NAME).write_bytes(weights)
    manifest = Manifest(
        name="fake",
        version=version,
        prompt_fingerprint=compute_prompt_fingerprint(),
        licence="none",
        max_source_tokens=16,
        max_target_tokens=16,
        training={"delay_seconds": delay_seconds, "works": int(works)},
        files={WEIGHTS_NAME: hashlib.sha256(weights).hexdigest()},
    )
    (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
    return folder


@dataclass
class FakeGenerator:
    """Writes the same faithful text for every prompt, after a pause."""

    identity: ModelIdentity
    delay_seconds: float = 0.0
    is_warm: bool = False

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write; the first call is the warm-up, which no test wants to wait for."""
        if prompts and self.is_warm:
            time.sleep(self.delay_seconds)
        self.is_warm = True
        return [Draft(ACCEPTED_TEXT) for _ in prompts]


@dataclass(frozen=True)
class FakeModels:
    """A ModelSource: finds and verifies as the real one, then stands a fake generator in for the weights."""

    approved: frozenset[str] = frozenset()
    on_load: Callable[[], None] = lambda: None

    def locate(self, model: str | None) -> Edition:
        """Find; see ModelSource."""
        return locate_artifact(model)

    def load(self, edition: Edition, threads: int, is_background: bool = False) -> ExplanationPipeline:
        """Verify and build; see ModelSource."""
        del threads, is_background
        self.on_load()
        manifest = verify_artifact(edition, self.approved).manifest
        if not manifest.training["works"]:
            raise ModelUnusableError("the model loads but cannot write")
        return ExplanationPipeline(FakeGenerator(manifest.identity, float(manifest.training["delay_seconds"])))
