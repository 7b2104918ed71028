"""Find a model artifact and verify it before anything is loaded from it."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from stream_app.core.errors import ModelUnusableError
from stream_app.core.manifest import MANIFEST_NAME, Manifest, decode_manifest
from stream_app.core.prompt import compute_prompt_fingerprint

DEFAULT_MODEL: Final = "prism-small/0.4.0"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact: its folder and its manifest."""

    folder: Path
    manifest: Manifest


def find_artifact(model: str | None = None) -> Path:
    """Find the folder of a model: `name/version` (a packaged model), a directory, or None for the packaged default.

    Raises:
        ModelUnusableError: there is no such folder.
    """
    model = model or DEFAULT_MODEL
    as_directory = Path(model)
    if (as_directory / MANIFEST_NAME).is_file():
        return as_directory
    for root in _list_model_roots():
        if (root / model / MANIFEST_NAME).is_file():
            return root / model
    raise ModelUnusableError(
        f"no model {model!r}: neither a packaged name/version nor a directory with {MANIFEST_NAME}"
    )


def _list_model_roots() -> list[Path]:
    package = Path(str(resources.files("stream_app")))
    # A wheel carries the models inside the package; a checkout has them beside it.
    return [package / "models", package.parent / "models"]


def load_artifact(model: str | None = None) -> Artifact:
    """Find an artifact and verify it: every file by its checksum, and the prompt that it was trained for.

    Raises:
        ModelUnusableError: a file is missing or altered, or the artifact was made for another prompt.
    """
    folder = find_artifact(model)
    manifest = decode_manifest((folder / MANIFEST_NAME).read_bytes())
    for name, expected in manifest.files.items():
        _ensure_file(folder, name, expected)
    if manifest.prompt_fingerprint != compute_prompt_fingerprint():
        raise ModelUnusableError(
            f"model {manifest.name}/{manifest.version} was made for prompt {manifest.prompt_fingerprint}, "
            f"this program writes prompt {compute_prompt_fingerprint()}"
        )
    return Artifact(folder, manifest)


def _ensure_file(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if path.parent != folder or not path.is_file():
        raise ModelUnusableError(f"the model's file {name} is missing from {folder}")
    if hash_file(path) != expected:
        raise ModelUnusableError(f"the model's file {name} in {folder} was altered: its SHA-256 is not the manifest's")


def hash_file(path: Path) -> str:
    """Compute the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
