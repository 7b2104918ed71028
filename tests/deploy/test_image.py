"""The image, built and run with buildah, where a base image is at hand; skipped with the reason elsewhere."""

import os
from collections.abc import Iterator

import orjson
import pytest

from stream_app import __version__
from stream_app.local.broker import EmbeddedBroker
from stream_app.runtime.artifact import DEFAULT_MODEL
from tests.broker.harness import build_event
from tests.deploy.built_image import BuiltImage, ImageUnavailableError, build_image, open_image
from tests.deploy.image_worker import ImageWorker

pytestmark = pytest.mark.slow

TAG = "localhost/prism-explain:test"
# Modules of the standard library that need what no server has, or that do something when they are imported.
NOT_IMPORTED = "antigravity this turtle _tkinter _gdbm _ios_support"
IMPORT_ALL = f"""
import importlib.util, importlib, os, sys, warnings
warnings.simplefilter("ignore")
for name in sorted(sys.stdlib_module_names - set("{NOT_IMPORTED}".split())):
    if importlib.util.find_spec(name):
        importlib.import_module(name)
print(os.getuid())
"""
LIST_TRUSTED = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


def _build(folder: pytest.TempPathFactory, target: str) -> str:
    try:
        build_image(folder.mktemp("build"), f"{TAG}-{target}", target)
    except ImageUnavailableError as error:
        if os.environ.get("PRISM_REQUIRE_IMAGE") == "1":
            pytest.fail(f"PRISM_REQUIRE_IMAGE=1, but {error}")
        pytest.skip(f"no image: {error}")
    return f"{TAG}-{target}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    with open_image(_build(tmp_path_factory, "worker")) as opened:
        yield opened


@pytest.fixture(scope="module")
def bare_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    with open_image(_build(tmp_path_factory, "worker-without-model")) as opened:
        yield opened


@pytest.fixture(scope="module")
def model_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltImage]:
    with open_image(_build(tmp_path_factory, "model")) as opened:
        yield opened


def test_it_explains_with_the_packaged_model_on_a_root_that_nobody_can_write(image: BuiltImage) -> None:
    written = image.run("explain", "-", stdin=build_event(1, items=2) + b"\n").splitlines()
    assert [orjson.loads(line)["source"] for line in written] == ["model", "model"]


def test_the_worker_becomes_ready_and_ends_in_order_when_it_is_told_to(image: BuiltImage) -> None:
    with EmbeddedBroker() as broker:
        worker = ImageWorker(image, broker.bootstrap_servers)
        try:
            worker.wait_until_ready()
        finally:
            assert worker.stop() == 0


def test_it_is_not_root_and_every_module_of_its_python_can_be_imported(image: BuiltImage) -> None:
    assert image.run("-c", IMPORT_ALL, python=True).split()[-1] == b"65532"


def test_it_trusts_the_usual_authorities(image: BuiltImage) -> None:
    assert int(image.run("-c", LIST_TRUSTED, python=True)) > 100


def test_it_has_no_shell_no_package_manager_no_compiler_and_no_training_code(image: BuiltImage) -> None:
    programs = {path.name for folder in ("bin", "sbin") for path in (image.folder / "usr").joinpath(folder).glob("*")}
    assert programs
    assert {name for name in programs if not name.startswith("py")} == set()
    packages = {path.name for path in (image.folder / "opt/prism/dependencies").iterdir()}
    assert "ctranslate2" in packages
    assert not packages & {"torch", "transformers", "pip", "hatchling"}
    assert not (image.folder / "opt/prism/program/offline").exists()


def test_no_file_makes_whoever_starts_it_somebody_else(image: BuiltImage) -> None:
    found = [path for path in image.folder.rglob("*") if path.is_file() and path.lstat().st_mode & 0o6000]
    assert not found


def test_every_file_belongs_to_root_and_only_tmp_is_open_to_all(image: BuiltImage) -> None:
    entries = [path for path in image.folder.rglob("*") if not path.is_symlink()]
    assert not [path for path in entries if path.stat().st_uid != 0]
    writable = {path.relative_to(image.folder).as_posix() for path in entries if path.stat().st_mode & 0o002}
    assert writable <= {"tmp", "var/tmp", "run/lock"}


def test_without_its_model_it_takes_the_mounted_one(bare_image: BuiltImage, model_image: BuiltImage) -> None:
    model = model_image.folder / "model"
    assert (model / "manifest.json").is_file()
    assert not (bare_image.folder / "opt/prism/program/stream_app/models").exists()
    printed = bare_image.run("model", "verify", "/mnt/model", mounts={model: "/mnt/model"}).decode()
    assert printed.startswith(f"{DEFAULT_MODEL}: ")


def test_the_init_container_copies_the_model_with_what_it_brings_along(
    model_image: BuiltImage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    volume = tmp_path_factory.mktemp("volume")
    volume.chmod(0o777)
    model_image.run("/bin/cp", "-r", "/model/.", "/models", mounts={volume: "/models"})
    copied = {path.name: path.read_bytes() for path in volume.iterdir()}
    assert copied == {path.name: path.read_bytes() for path in (model_image.folder / "model").iterdir()}


def test_its_metadata_names_the_version_of_the_program(image: BuiltImage) -> None:
    script = "from importlib.metadata import version; print(version('prism-explain'))"
    assert image.run("-c", script, python=True).decode().strip() == __version__
