"""`prism model`: checked first, pointed to then; with the packaged model."""

import shutil
from pathlib import Path

import pytest

from stream_app.cli import main
from stream_app.exit_codes import ExitCode
from stream_app.runtime.artifact import DEFAULT_MODEL, find_artifact, locate_artifact
from stream_app.runtime.model_pointer import POINTER_NAME, Pointer, read_pointer, roll_pointer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(find_artifact(), tmp_path / "candidate")
    monkeypatch.setenv("PRISM_MODEL", str(tmp_path))
    return tmp_path


def test_a_model_is_checked_and_pointed_to_with_its_checksum_and_back(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    roll_pointer(home, Pointer(DEFAULT_MODEL))
    assert main(["model", "roll", "candidate"]) == ExitCode.OK
    pointer = read_pointer(home)
    assert pointer == Pointer("candidate", locate_artifact(str(home / "candidate")).manifest_sha256)
    assert find_artifact(str(home)) == home / "candidate"
    assert main(["model", "rollback"]) == ExitCode.OK
    assert find_artifact(str(home)) == find_artifact(DEFAULT_MODEL)
    assert capsys.readouterr().out.splitlines() == [
        f"{home} points to {DEFAULT_MODEL}",
        f"{home} points to {DEFAULT_MODEL} again",
    ]


def test_a_model_that_does_not_pass_is_not_pointed_to(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "candidate" / "model.bin").write_bytes(b"altered")
    assert main(["model", "roll", "candidate"]) == ExitCode.CONFIGURATION
    assert not (home / POINTER_NAME).exists()
    assert "altered" in capsys.readouterr().err


def test_a_model_that_is_not_approved_is_not_pointed_to_nor_verified(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_MODEL_SHA256", "0" * 64)
    assert main(["model", "roll", "candidate"]) == ExitCode.CONFIGURATION
    assert main(["model", "verify", str(home / "candidate")]) == ExitCode.CONFIGURATION
    assert not (home / POINTER_NAME).exists()
    assert capsys.readouterr().err.count("PRISM_MODEL_SHA256") == 2


def test_verify_tells_the_checksum_that_approves_the_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "verify"]) == ExitCode.OK
    checksum = capsys.readouterr().out.splitlines()[1].split()[0]
    monkeypatch.setenv("PRISM_MODEL_SHA256", f"{'0' * 64}, {checksum}")
    assert main(["model", "verify"]) == ExitCode.OK


@pytest.mark.parametrize("command", [["roll", "candidate"], ["rollback"]])
@pytest.mark.parametrize("model", ["", DEFAULT_MODEL, "candidate"])
def test_without_a_folder_for_the_pointer_there_is_one_clear_line(
    command: list[str], model: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_MODEL", str(home / model) if model == "candidate" else model)
    assert main(["model", *command]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 1


def test_going_back_where_nothing_was_before_is_one_clear_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "rollback"]) == ExitCode.USAGE
    assert "nothing to go back to" in capsys.readouterr().err
