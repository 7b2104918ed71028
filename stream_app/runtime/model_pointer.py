"""Which of several models is meant: a folder with a pointer `current`, which is moved by one atomic rename.

```text
models/
├── current            the pointer: a file with one line, or a symbolic link to a model's folder
├── previous           what `current` was before the last roll, for the way back
├── prism-small/0.3.0  models, wherever they lie: the pointer names them relative to this folder,
└── prism-small/0.6.0  by an absolute path, or by the name and version of a packaged one
```

The line is `TARGET` or `TARGET sha256:...`, with the checksum of the model's manifest: then every worker loads the very
files that were verified when the pointer was written, or none.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from stream_app.core.errors import ModelUnusableError, PrismError
from stream_app.exit_codes import ExitCode

POINTER_NAME: Final = "current"
PREVIOUS_NAME: Final = "previous"
_LINE: Final = re.compile(r"(\S.*?)(?:\s+sha256:([0-9a-f]{64}))?\s*")


class PointerError(PrismError):
    """The pointer cannot be moved."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a pointer points."""

    target: str
    manifest_sha256: str | None = None

    def render(self) -> str:
        """Render as the pointer's line."""
        return self.target + (f" sha256:{self.manifest_sha256}" if self.manifest_sha256 else "")


def has_pointer(home: Path) -> bool:
    """Tell whether a folder has a pointer, which may point nowhere."""
    return os.path.lexists(home / POINTER_NAME)


def read_pointer(home: Path, name: str = POINTER_NAME) -> Pointer:
    """Read a pointer.

    Raises:
        ModelUnusableError: there is none, or it cannot be read.
    """
    path = home / name
    # A link may lead to a file as well: the volumes of Kubernetes are made so.
    if path.is_symlink() and not path.is_file():
        return Pointer(str(path.resolve()))
    try:
        match = _LINE.fullmatch(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnusableError(f"the pointer {path} cannot be read: {type(error).__name__}") from error
    if match is None:
        raise ModelUnusableError(f"the pointer {path} is not one line 'TARGET' or 'TARGET sha256:...'")
    return Pointer(match[1], match[2])


def roll_pointer(home: Path, pointer: Pointer) -> None:
    """Point to another model; what was pointed to before is remembered.

    Raises:
        PointerError: the folder cannot be written to, or its pointer not be read.
    """
    if has_pointer(home) and (before := _read_for_move(home, POINTER_NAME)) != pointer:
        # First: a crash in between leaves a pointer that is right, and a way back that leads nowhere else.
        _write(home / PREVIOUS_NAME, before)
    _write(home / POINTER_NAME, pointer)


def roll_back_pointer(home: Path) -> Pointer:
    """Point back to what was pointed to before the last roll; done twice, it is undone.

    Raises:
        PointerError: nothing was pointed to before, or the folder cannot be written to.
    """
    if not (home / PREVIOUS_NAME).is_file():
        raise PointerError(f"{home} has no {PREVIOUS_NAME}: nothing to go back to")
    previous = _read_for_move(home, PREVIOUS_NAME)
    if previous == _read_for_move(home, POINTER_NAME):
        raise PointerError(f"{PREVIOUS_NAME} in {home} is what is pointed to already: nothing to go back to")
    roll_pointer(home, previous)
    return previous


def _read_for_move(home: Path, name: str) -> Pointer:
    try:
        return read_pointer(home, name)
    except ModelUnusableError as error:
        raise PointerError(str(error)) from error


def _write(path: Path, pointer: Pointer) -> None:
    # Of one file system with the pointer: only there a rename is atomic.
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(pointer.render() + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise PointerError(f"{path} cannot be written: {error.strerror}") from error
