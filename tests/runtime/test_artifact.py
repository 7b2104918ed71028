"""Artifacts are verified before anything is loaded from them."""

import shutil
from pathlib import Path

import orjson
import pytest

from stream_app.cli import main
from stream_app.core.errors import ModelUnusableError
from stream_app.core.manifest import MANIFEST_NAME
from stream_app.exit_codes import ExitCode
from stream_app.runtime.artifact import find_artifact, load_artifact


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(find_artifact(), tmp_path / "model"))


def _edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / MANIFEST_NAME
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | changes))


def test_the_packaged_model_is_whole_and_small() -> None:
    artifact = load_artifact()
    size = sum((artifact.folder / name).stat().st_size for name in artifact.manifest.files)
    assert size <= 30 * 1024 * 1024


def test_a_model_is_found_by_name_and_version_or_by_directory(copy: Path) -> None:
    manifest = load_artifact().manifest
    assert load_artifact(f"{manifest.name}/{manifest.version}").manifest == manifest
    assert load_artifact(str(copy)).manifest == manifest


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json", "config.json", "shared_vocabulary.json"])
def test_one_flipped_byte_makes_the_model_unusable(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelUnusableError, match=rf"{name} .*altered"):
        load_artifact(str(copy))


def test_a_missing_file_makes_the_model_unusable(copy: Path) -> None:
    (copy / "model.bin").unlink()
    with pytest.raises(ModelUnusableError, match=r"model\.bin is missing"):
        load_artifact(str(copy))


def test_a_model_for_another_prompt_is_refused(copy: Path) -> None:
    _edit_manifest(copy, prompt_fingerprint="0" * 16)
    with pytest.raises(ModelUnusableError, match="made for prompt 0000000000000000"):
        load_artifact(str(copy))


def test_a_manifest_cannot_name_files_outside_its_folder(copy: Path) -> None:
    outside = copy.parent / "outside"
    outside.write_bytes(b"x")
    _edit_manifest(copy, files={"../outside": "0" * 64})
    with pytest.raises(ModelUnusableError, match="is missing"):
        load_artifact(str(copy))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_manifest_that_is_none_is_one_clear_line(copy: Path, content: bytes) -> None:
    (copy / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ModelUnusableError, match="is not a model manifest") as caught:
        load_artifact(str(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("command", [["model", "verify"], ["explain", "-"], ["worker"]])
def test_an_unusable_model_ends_each_command_with_one_line_and_code_78(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_MODEL", "no-such-model/9.9.9")
    assert main(command) == ExitCode.CONFIGURATION
    assert capsys.readouterr().err.count("\n") == 1


def test_verify_says_what_it_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "verify"]) == ExitCode.OK
    assert "it loads and writes" in capsys.readouterr().out
