"""Find a model artifact and verify it before anything is loaded from it.

A model is named by `name/version` (a packaged one), by its folder, or by a folder in which a pointer says which model
is meant just now; see `stream_app.runtime.model_pointer`.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from stream_app.core.errors import ModelUnusableError
from stream_app.core.manifest import MANIFEST_NAME, Edition, Manifest, decode_manifest
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.runtime.model_pointer import Pointer, has_pointer, read_pointer

DEFAULT_MODEL: Final = "prism-small/0.6.0"


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
    return Path(locate_artifact(model).folder)


def locate_artifact(model: str | None = None) -> Edition:
    """Find which artifact a model stands for just now. Cheap: only its manifest is read, nothing is verified.

    Raises:
        ModelUnusableError: there is no such folder, or it is not the one that the pointer means.
    """
    model = model or DEFAULT_MODEL
    home = Path(model)
    if (home / MANIFEST_NAME).is_file() or not has_pointer(home):
        return _describe_edition(_find_folder(model, home))
    return locate_target(home, read_pointer(home))


def locate_target(home: Path, pointer: Pointer) -> Edition:
    """Find the artifact that a pointer in a folder leads to.

    Raises:
        ModelUnusableError: there is none, or its manifest is not the one that the pointer means.
    """
    edition = _describe_edition(_find_folder(pointer.target, home / pointer.target))
    if pointer.manifest_sha256 not in (None, edition.manifest_sha256):
        raise ModelUnusableError(
            f"the pointer means a model whose {MANIFEST_NAME} has the SHA-256 {pointer.manifest_sha256}, "
            f"{edition.folder} has {edition.manifest_sha256}"
        )
    return edition


def _describe_edition(folder: Path) -> Edition:
    # The folder itself, not a link to it: what is read from it later is all of one artifact.
    return Edition(str(folder.resolve()), hash_file(folder / MANIFEST_NAME))


def _find_folder(model: str, as_directory: Path) -> Path:
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


def load_artifact(model: str | None = None, approved: frozenset[str] = frozenset()) -> Artifact:
    """Find an artifact and verify it; see `verify_artifact`."""
    return verify_artifact(locate_artifact(model), approved)


def verify_artifact(edition: Edition, approved: frozenset[str] = frozenset()) -> Artifact:
    """Verify an artifact: its manifest, every file by its checksum, and the prompt that it was trained for.

    Args:
        edition: what was located.
        approved: SHA-256 of the manifests that may be used; empty: any.

    Raises:
        ModelUnusableError: a file is missing or altered, the artifact was made for another prompt or is not approved.
    """
    folder = Path(edition.folder)
    content = _read_manifest(edition)
    if approved and edition.manifest_sha256 not in approved:
        raise ModelUnusableError(
            f"the model in {folder} is not approved: the SHA-256 of its {MANIFEST_NAME}, {edition.manifest_sha256}, "
            "is not in PRISM_MODEL_SHA256"
        )
    manifest = decode_manifest(content)
    for name, expected in manifest.files.items():
        _ensure_file(folder, name, expected)
    if manifest.prompt_fingerprint != compute_prompt_fingerprint():
        raise ModelUnusableError(
            f"model {manifest.name}/{manifest.version} was made for prompt {manifest.prompt_fingerprint}, "
            f"this program writes prompt {compute_prompt_fingerprint()}"
        )
    return Artifact(folder, manifest)


def _read_manifest(edition: Edition) -> bytes:
    path = Path(edition.folder) / MANIFEST_NAME
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != edition.manifest_sha256:
        raise ModelUnusableError(f"the model in {edition.folder} was replaced while it was looked at")
    return content


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
