"""The manifest of a model artifact: what it is, what it was made for, and the checksum of each of its files."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import ModelIdentity

MANIFEST_NAME: Final = "manifest.json"


class Manifest(BaseModel):
    """`manifest.json` of an artifact. It is written last: its presence means that the artifact is complete."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    prompt_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    licence: str
    """Under which terms the weights may be used, in words."""
    max_source_tokens: Annotated[int, Field(ge=16)]
    max_target_tokens: Annotated[int, Field(ge=16)]
    sure_from: Annotated[float, Field(le=0)] | None = None
    """Mean log-probability of a text's tokens from which it counts as sure; None: all texts do."""
    training: dict[str, str | int | float]
    """Facts of the training run: data, counts, seed, duration."""
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]
    """File name to SHA-256, hexadecimal."""

    @property
    def identity(self) -> ModelIdentity:
        """Name and version as explanations carry them."""
        return ModelIdentity(name=self.name, version=self.version)


@dataclass(frozen=True, slots=True)
class Edition:
    """Which artifact the name of a model stands for just now. Two of the same content in one place are equal."""

    folder: str
    manifest_sha256: str
    """Hexadecimal. The manifest holds the checksums of all other files, so this one vouches for them all."""


def decode_manifest(content: bytes) -> Manifest:
    """Decode a manifest.

    Raises:
        ModelUnusableError: the content is not a manifest of this format.
    """
    try:
        return Manifest.model_validate(orjson.loads(content))
    except (orjson.JSONDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ModelUnusableError(f"{MANIFEST_NAME} is not a model manifest: {reason}") from error


def encode_manifest(manifest: Manifest) -> bytes:
    """Encode a manifest for people and programs: indented JSON."""
    return orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
