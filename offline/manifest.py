"""The manifest's side of an artifact in the making: where it is written, once for drafts and for releases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from stream_app.core.manifest import MANIFEST_NAME, Manifest, encode_manifest
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.runtime.artifact import hash_file

MAX_SOURCE_TOKENS: Final = 320
MAX_TARGET_TOKENS: Final = 80
DRAFT_LICENCE: Final = "A draft: not released."


def draft_manifest(folder: Path, files: Sequence[str], *, sure_from: float | None = None) -> Manifest:
    """Write a manifest for weights that are not evaluated yet, so that the worker's own loader can load them."""
    return write_manifest(
        folder, files, name="candidate", version="0.0.0", licence=DRAFT_LICENCE, training={}, sure_from=sure_from
    )


def write_manifest(
    folder: Path,
    files: Sequence[str],
    *,
    name: str,
    version: str,
    licence: str,
    training: Mapping[str, str | int | float],
    sure_from: float | None,
) -> Manifest:
    """Write `manifest.json` over files that are there already: its presence means that the artifact is complete."""
    manifest = Manifest(
        name=name,
        version=version,
        prompt_fingerprint=compute_prompt_fingerprint(),
        licence=licence,
        max_source_tokens=MAX_SOURCE_TOKENS,
        max_target_tokens=MAX_TARGET_TOKENS,
        sure_from=sure_from,
        training=dict(training),
        files={file: hash_file(folder / file) for file in files},
    )
    (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
    return manifest
