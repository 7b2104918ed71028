"""Steps of the pipeline: what went in, what came out, and nothing done twice.

A step writes `started.json` first and `step.json` last. A step with a valid `step.json` is skipped; one without it is
run again in the same folder and goes on from what it finds there; one whose options or inputs changed is refused.
"""

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from tqdm import tqdm

from stream_app.runtime.artifact import hash_file

STARTED_NAME: Final = "started.json"
DONE_NAME: Final = "step.json"
_RECORDED_PACKAGES: Final = ("prism-explain", "torch", "transformers", "ctranslate2", "tokenizers")
_LINE_INTERVAL_SECONDS: Final = 10
T = TypeVar("T")


class StepError(Exception):
    """A step cannot run or go on; the message says what to do."""


class InputsChangedError(StepError):
    """Options or inputs are not those that the step began with."""


class StepPlan(BaseModel):
    """What a step depends on: `started.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: str
    options: dict[str, JsonValue]
    seed: int
    inputs: dict[str, str]
    """SHA-256 of every input file, by step and path."""


class StepManifest(StepPlan):
    """What a step did: `step.json`, written last."""

    counts: dict[str, int]
    """What was kept and what was dropped, by reason."""
    outputs: dict[str, str]
    """SHA-256 of every file that the step wrote, by path."""
    seconds: float
    """Of the run that finished; an interrupted one before it is not counted."""
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step function works with."""

    folder: Path
    inputs: Mapping[str, Path] = field(default_factory=dict)
    """Folders of earlier steps, by the step's name."""
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    base: Path = Path()
    """What relative paths in the recipe are relative to."""

    def track(self, iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Iterate with a progress bar on stderr; without a terminal it is a line every ten seconds."""
        interval = 0.1 if sys.stderr.isatty() else _LINE_INTERVAL_SECONDS
        yield from tqdm(iterable, desc=description, total=total, mininterval=interval, dynamic_ncols=True)


def is_main_process() -> bool:
    """Whether this process writes files; of several started by `torchrun`, the first one does."""
    return os.environ.get("RANK", "0") == "0"


def run_step(
    name: str,
    options: BaseModel,
    context: StepContext,
    work: Callable[[Any, StepContext], None],
    files: Sequence[Path] = (),
) -> StepManifest:
    """Run a step, go on with an interrupted one, or skip one that is done.

    Args:
        name: the step's name.
        options: its table of the recipe.
        context: where it reads and writes.
        work: the step itself; it may find its own partial files in the folder.
        files: files from outside that it reads.

    Raises:
        InputsChangedError: the folder holds work on other options or inputs.
    """
    plan = StepPlan(
        step=name,
        options=options.model_dump(mode="json"),
        seed=context.seed,
        inputs={
            f"{step}/{path}": digest
            for step, folder in sorted(context.inputs.items())
            for path, digest in load_manifest(folder).outputs.items()
        }
        # By the way from the recipe, so that a run goes on after checkout and data moved together.
        | {f"file:{os.path.relpath(path, context.base)}": hash_file(path) for path in files},
    )
    context.folder.mkdir(parents=True, exist_ok=True)
    done = _find_done(context.folder, plan)
    if done is not None:
        return done
    _ensure_same(context.folder / STARTED_NAME, plan)
    if is_main_process():
        _write_atomically(context.folder / STARTED_NAME, plan)
    started = time.monotonic()
    work(options, context)
    manifest = StepManifest(
        **plan.model_dump(),
        counts=dict(sorted(context.counts.items())),
        # Other processes would read what the first one is still writing.
        outputs=_hash_outputs(context.folder) if is_main_process() else {},
        seconds=round(time.monotonic() - started, 1),
        versions=_list_versions(),
    )
    if is_main_process():
        _write_atomically(context.folder / DONE_NAME, manifest)
    return manifest


def read_manifest(folder: Path) -> StepManifest:
    """Read the manifest of a finished step; its files are not looked at.

    Raises:
        StepError: the step is not finished.
    """
    try:
        return StepManifest.model_validate_json((folder / DONE_NAME).read_bytes())
    except FileNotFoundError:
        raise StepError(f"{folder} holds no finished step: run `prism-offline {folder.name}` first") from None
    except ValidationError as error:
        raise StepError(f"{folder / DONE_NAME} is not a manifest: {error}") from error


def load_manifest(folder: Path) -> StepManifest:
    """Read the manifest of a finished step and check that its files are still what it wrote.

    Raises:
        StepError: the step is not finished.
        InputsChangedError: a file changed, or is gone.
    """
    manifest = read_manifest(folder)
    changed = [path for path, digest in manifest.outputs.items() if _hash_if_there(folder / path) != digest]
    if changed:
        raise InputsChangedError(f"{folder}: {', '.join(changed)} changed since the step wrote it; delete the folder")
    return manifest


def cut_torn_line(path: Path) -> int:
    """Cut off a last line that a killed run left unfinished.

    Returns:
        The number of whole lines that the file holds now; 0 where there is no file.
    """
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        whole = [len(line) for line in file if line.endswith(b"\n")]
        file.truncate(sum(whole))
    return len(whole)


def _find_done(folder: Path, plan: StepPlan) -> StepManifest | None:
    if not (folder / DONE_NAME).exists():
        return None
    manifest = load_manifest(folder)
    _compare(folder, plan, StepPlan(**manifest.model_dump(include=set(StepPlan.model_fields))))
    return manifest


def _ensure_same(path: Path, plan: StepPlan) -> None:
    if path.exists():
        _compare(path.parent, plan, StepPlan.model_validate_json(path.read_bytes()))


def _compare(folder: Path, now: StepPlan, then: StepPlan) -> None:
    if now == then:
        return
    changed = [
        f"{part}.{key}"
        for part, new, old in (("options", now.options, then.options), ("inputs", now.inputs, then.inputs))
        for key in sorted(new.keys() | old.keys())
        if new.get(key) != old.get(key)
    ]
    changed += ["seed"] if now.seed != then.seed else []
    raise InputsChangedError(
        f"{folder} holds work on other {', '.join(changed) or 'settings'}; delete the folder to do the step again"
    )


def _hash_outputs(folder: Path) -> dict[str, str]:
    own = {STARTED_NAME, DONE_NAME, *(_name_scratch(Path(name)).name for name in (STARTED_NAME, DONE_NAME))}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in own)
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in paths if not _is_scratch(path, folder)}


def _is_scratch(path: Path, folder: Path) -> bool:
    """Checkpoints are for going on, not for the next step."""
    return path.relative_to(folder).parts[0] in ("checkpoints", "scratch")


def _hash_if_there(path: Path) -> str | None:
    return hash_file(path) if path.is_file() else None


def _list_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _name_scratch(path: Path) -> Path:
    return path.with_suffix(".tmp")


def _write_atomically(path: Path, document: BaseModel) -> None:
    scratch = _name_scratch(path)
    with scratch.open("w", encoding="utf-8") as file:
        file.write(document.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
