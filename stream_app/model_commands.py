"""The commands `prism model ...`: check a model, point the workers to another one, point them back."""

import argparse
import sys
from pathlib import Path

from stream_app.command_parser import CommandParser
from stream_app.core.manifest import Edition, Manifest
from stream_app.exit_codes import ExitCode

# Imports inside the commands keep `prism --help` instant.


def add_model(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    """Add `prism model` to the command line."""
    model = commands.add_parser("model", help="check models, roll the workers to another one, and back")
    actions = model.add_subparsers(required=True, metavar="ACTION", parser_class=CommandParser)
    verify = actions.add_parser(
        "verify", help="check every file of a model against its manifest, load it and write once"
    )
    verify.add_argument(
        "model", nargs="?", help="name/version or a directory; default: PRISM_MODEL, else the packaged one"
    )
    verify.set_defaults(command=_verify)
    roll = actions.add_parser(
        "roll",
        help="point the workers to another model",
        description="Check a model as `prism model verify` does, then move the pointer to it, with the checksum of its "
        "manifest. Workers whose PRISM_MODEL is that folder load it within PRISM_MODEL_CHECK_SECONDS, or at SIGHUP.",
    )
    roll.add_argument(
        "model", help="as the pointer names it: relative to its folder, an absolute path, or name/version"
    )
    back = actions.add_parser("rollback", help="point the workers back to the model before the last roll")
    for action, command in ((roll, _roll), (back, _roll_back)):
        action.add_argument("--home", type=Path, help="the folder of the pointer `current`; default: PRISM_MODEL")
        action.set_defaults(command=command)


def _verify(options: argparse.Namespace) -> int:
    from stream_app.runtime.artifact import locate_artifact
    from stream_app.settings import load_settings

    settings = load_settings()
    edition = locate_artifact(options.model or settings.model)
    manifest = _ensure_usable(edition, settings.approved_models)
    sys.stdout.write(
        f"{manifest.name}/{manifest.version}: {len(manifest.files)} files match, it loads and writes\n"
        f"sha256:{edition.manifest_sha256} (of its manifest, for PRISM_MODEL_SHA256)\n"
    )
    return ExitCode.OK


def _roll(options: argparse.Namespace) -> int:
    from stream_app.runtime.artifact import locate_target
    from stream_app.runtime.model_pointer import Pointer, roll_pointer
    from stream_app.settings import load_settings

    settings = load_settings()
    home = _find_home(options.home, settings.model)
    edition = locate_target(home, Pointer(options.model))
    manifest = _ensure_usable(edition, settings.approved_models)
    roll_pointer(home, Pointer(options.model, edition.manifest_sha256))
    sys.stdout.write(f"{home} points to {manifest.name}/{manifest.version}\n")
    return ExitCode.OK


def _roll_back(options: argparse.Namespace) -> int:
    from stream_app.runtime.model_pointer import roll_back_pointer
    from stream_app.settings import load_settings

    home = _find_home(options.home, load_settings().model)
    sys.stdout.write(f"{home} points to {roll_back_pointer(home).target} again\n")
    return ExitCode.OK


def _find_home(home: Path | None, model: str | None) -> Path:
    from stream_app.core.manifest import MANIFEST_NAME
    from stream_app.runtime.model_pointer import PointerError

    found = home or (Path(model) if model else None)
    if found is None or not found.is_dir() or (found / MANIFEST_NAME).exists():
        raise PointerError("no folder for the pointer: name it with --home or PRISM_MODEL; it holds models and is none")
    return found


def _ensure_usable(edition: Edition, approved: frozenset[str]) -> Manifest:
    """Verify, load and write once; returns what the model says of itself."""
    from stream_app.bootstrap import ModelFolders
    from stream_app.runtime.artifact import verify_artifact

    ModelFolders(approved).load(edition, threads=1)
    return verify_artifact(edition, approved).manifest
