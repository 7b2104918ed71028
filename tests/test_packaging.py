"""What is installed, locked and tracked."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stream_app import __version__
from stream_app.runtime.artifact import DEFAULT_MODEL

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "deploy" / "locks"
MAX_WHEEL_BYTES = 40_000_000
DATA_SUFFIXES = {".jsonl", ".csv", ".inter", ".parquet", ".pkl", ".safetensors", ".gguf"}
TRAINING_PACKAGES = {"torch", "transformers", "accelerate", "sentence-transformers", "triton"}

# Spelled in pieces, so that this file does not hold what it looks for.
_HOSTS = (
    ("pypi", "org"),
    ("files", "pythonhosted", "org"),
    ("registry", "npmjs", "org"),
    ("repo1", "maven", "org"),
    ("repo", "maven", "apache", "org"),
    ("proxy", "golang", "org"),
    ("crates", "io"),
    ("deb", "debian", "org"),
)
REGISTRY_HOST = re.compile("|".join(re.escape(".".join(host)) for host in _HOSTS))
MACHINE_PATH = re.compile(r"(?<![\w.${}-])/(?:work|root|home/\w+|Users/\w+|tmp)/\w")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_the_word_list_and_the_type_markers(wheel_names: set[str]) -> None:
    assert {"stream_app/core/common_words.txt", "stream_app/py.typed", "offline/py.typed"} <= wheel_names


def test_the_wheel_holds_every_module_of_both_packages(wheel_names: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix() for name in ("stream_app", "offline") for path in (ROOT / name).rglob("*.py")
    }
    assert modules <= wheel_names


@pytest.mark.skipif(not (ROOT / "models").is_dir(), reason="this checkout has no models/")
def test_the_wheel_holds_the_default_model_whole_and_no_other(wheel_names: set[str]) -> None:
    packaged = {name for name in wheel_names if name.startswith("stream_app/models/")}
    files = {path.name for path in (ROOT / "models" / DEFAULT_MODEL).iterdir()}
    assert {"manifest.json", "model.bin", "tokenizer.json"} <= files
    assert packaged == {f"stream_app/models/{DEFAULT_MODEL}/{name}" for name in files}


def test_the_wheel_holds_nothing_but_code_model_and_metadata(wheel_names: set[str]) -> None:
    metadata = f"prism_explain-{__version__}.dist-info"
    assert {name.split("/")[0] for name in wheel_names} == {"stream_app", "offline", metadata}
    data = {name for name in wheel_names if Path(name).suffix in DATA_SUFFIXES}
    assert data <= {"offline/oracle/examples.jsonl"}  # Invented, for the Oracle's prompt.


def test_the_wheel_is_small_enough_to_ship(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


@pytest.mark.parametrize("lock", ["worker", "demo"])
def test_worker_and_demo_install_no_training_library(lock: str) -> None:
    locked = _read_locked_names(lock)
    assert "ctranslate2" in locked
    assert not [name for name in locked if name in TRAINING_PACKAGES or name.startswith("nvidia-")]


@pytest.mark.parametrize("lock", ["worker", "demo", "dev"])
def test_every_locked_version_is_pinned_by_hash(lock: str) -> None:
    for requirement in _read_requirements(lock):
        assert re.match(r"[a-z0-9-]+==\S+ ", requirement), requirement
        assert " --hash=sha256:" in requirement, requirement


@pytest.mark.parametrize(("lock", "extras"), [("worker", []), ("demo", ["demo"]), ("dev", ["demo", "offline", "dev"])])
def test_a_lock_names_every_direct_dependency(lock: str, extras: list[str]) -> None:
    project = _read_project()
    direct = [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]
    wanted = {re.split(r"[\[<>=]", requirement)[0] for requirement in direct} - {project["name"]}
    assert wanted <= _read_locked_names(lock)


def test_no_tracked_file_names_a_registry_host_or_a_path_of_one_machine() -> None:
    found = [
        f"{path}:{number}: {line.strip()[:80]}"
        for path in _list_tracked_texts()
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if REGISTRY_HOST.search(line) or MACHINE_PATH.search(line)
    ]
    assert not found


def _read_project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _read_requirements(lock: str) -> list[str]:
    """Requirements of a lock file, each with its hashes on one line."""
    text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def _read_locked_names(lock: str) -> set[str]:
    return {requirement.split("==")[0] for requirement in _read_requirements(lock)}


def _list_tracked_texts() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # `-I` leaves binary files out, such as a model's weights.
    command = ["git", "grep", "-I", "--name-only", "-e", ""]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
