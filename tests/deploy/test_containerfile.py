"""What can be said of the image without building it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stream_app.runtime.artifact import DEFAULT_MODEL
from tests.deploy.built_image import CONTAINERFILE, ROOT

PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")
FAULTS = {
    "an unpinned base": ("FROM debian\n", "DL3006"),
    "root as the last user": ("FROM debian:13\nUSER root\n", "DL3002"),
    "a package manager that asks": ("FROM debian:13\nRUN apt-get install python3=3.13.5-1\n", "DL3014"),
}


@pytest.fixture(scope="module")
def text() -> str:
    return CONTAINERFILE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hadolint() -> str:
    found = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if found is None:
        pytest.skip("hadolint is not installed")
    return found


def test_hadolint_finds_nothing(hadolint: str) -> None:
    assert _lint(hadolint, CONTAINERFILE.read_text(encoding="utf-8")) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_hadolint_refuses_what_it_should(hadolint: str, fault: str) -> None:
    broken, rule = FAULTS[fault]
    assert rule in _lint(hadolint, broken)


def test_every_stage_starts_from_the_pinned_base_an_earlier_stage_or_nothing(text: str) -> None:
    known = {"scratch", "${BASE_IMAGE}"}
    for origin, name in re.findall(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE):
        assert origin in known
        known.add(name)
    assert len(re.findall(r"^FROM ", text, flags=re.MULTILINE)) == len(known) - 2


def test_the_base_is_pinned_by_digest(text: str) -> None:
    (default,) = re.findall(r"^ARG BASE_IMAGE=(.*)$", text, flags=re.MULTILINE)
    assert PINNED.fullmatch(default)


def test_the_default_image_is_the_worker_with_its_model(text: str) -> None:
    assert re.findall(r"^FROM \S+ AS (\S+)$", text, flags=re.MULTILINE)[-1] == "worker"


def test_no_image_runs_as_root(text: str) -> None:
    users = re.findall(r"^USER (.*)$", text, flags=re.MULTILINE)
    shipped = [stage for stage in re.split(r"^FROM ", text, flags=re.MULTILINE) if stage.startswith("scratch AS")]
    assert users == ["65532:65532"] * len(shipped)
    assert all("\nUSER 65532:65532\n" in stage for stage in shipped)


def test_the_model_image_holds_the_default_model(text: str) -> None:
    assert f"\nARG MODEL={DEFAULT_MODEL}\n" in text


def test_pip_installs_only_locked_wheels_by_hash(text: str) -> None:
    installs = [
        command for command in re.findall(r"pip install ((?:[^\\\n&]|\\\n)*)", text) if "--no-index" not in command
    ]
    assert len(installs) == 2
    for command in installs:
        assert "--require-hashes" in command
        assert "--only-binary :all:" in command


def test_the_build_sees_what_it_copies(text: str) -> None:
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, flags=re.MULTILINE)
        for source in sources.replace("${MODEL}", DEFAULT_MODEL).split()
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source == path or source.startswith(f"{path}/") for path in seen), source


def _lint(hadolint: str, containerfile: str) -> str:
    done = subprocess.run([hadolint, "-"], input=containerfile, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) == (done.stdout == "")
    return done.stdout
