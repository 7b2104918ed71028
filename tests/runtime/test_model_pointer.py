"""A pointer says which model is meant, and is moved by one rename."""

from pathlib import Path

import pytest

from stream_app.core.errors import ModelUnusableError
from stream_app.runtime.artifact import DEFAULT_MODEL, find_artifact, locate_artifact
from stream_app.runtime.model_pointer import (
    POINTER_NAME,
    PREVIOUS_NAME,
    Pointer,
    PointerError,
    read_pointer,
    roll_back_pointer,
    roll_pointer,
)
from tests.fake_models import write_model


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for version in ("1.0.0", "2.0.0"):
        write_model(tmp_path, version)
    return tmp_path


@pytest.mark.parametrize("is_absolute", [False, True])
@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_or_a_link_leads_to_the_model(home: Path, is_absolute: bool, is_link: bool) -> None:
    target = home / "fake" / "2.0.0" if is_absolute else Path("fake/2.0.0")
    if is_link:
        (home / POINTER_NAME).symlink_to(target)
    else:
        (home / POINTER_NAME).write_text(f"{target}\n")
    assert find_artifact(str(home)) == home / "fake" / "2.0.0"


def test_the_volume_of_a_config_map_is_a_pointer_too(home: Path) -> None:
    # Kubernetes replaces the link `..data`; the file that one mounts is a link through it.
    for version in ("1.0.0", "2.0.0"):
        (home / f"..{version}").mkdir()
        (home / f"..{version}" / POINTER_NAME).write_text(f"fake/{version}")
    (home / "..data").symlink_to("..1.0.0")
    (home / POINTER_NAME).symlink_to(f"..data/{POINTER_NAME}")
    assert find_artifact(str(home)).name == "1.0.0"
    (home / "..new").symlink_to("..2.0.0")
    (home / "..new").replace(home / "..data")
    assert find_artifact(str(home)).name == "2.0.0"


def test_a_pointer_may_name_a_packaged_model(home: Path) -> None:
    roll_pointer(home, Pointer(DEFAULT_MODEL))
    assert find_artifact(str(home)) == find_artifact(DEFAULT_MODEL)


def test_a_pointer_with_a_checksum_leads_to_that_manifest_only(home: Path) -> None:
    checksum = locate_artifact(str(home / "fake" / "1.0.0")).manifest_sha256
    roll_pointer(home, Pointer("fake/1.0.0", checksum))
    assert locate_artifact(str(home)).manifest_sha256 == checksum
    roll_pointer(home, Pointer("fake/2.0.0", checksum))
    with pytest.raises(ModelUnusableError, match="the pointer means a model whose"):
        locate_artifact(str(home))


@pytest.mark.parametrize("line", ["", "fake/9.9.9", "one\ntwo", "fake/1.0.0 sha256:0", "."])
def test_a_pointer_that_leads_nowhere_is_one_clear_line(home: Path, line: str) -> None:
    (home / POINTER_NAME).write_text(line)
    with pytest.raises(ModelUnusableError) as caught:
        locate_artifact(str(home))
    assert "\n" not in str(caught.value)


def test_a_link_that_leads_nowhere_is_one_clear_line(home: Path) -> None:
    (home / POINTER_NAME).symlink_to("fake/9.9.9")
    with pytest.raises(ModelUnusableError, match="no model"):
        locate_artifact(str(home))


def test_a_pointer_that_is_no_text_is_one_clear_line(home: Path) -> None:
    (home / POINTER_NAME).write_bytes(b"\xff")
    with pytest.raises(ModelUnusableError, match="cannot be read"):
        read_pointer(home)


def test_the_way_back_is_the_model_before_and_once_more_is_forth(home: Path) -> None:
    for version in ("1.0.0", "2.0.0", "2.0.0"):
        roll_pointer(home, Pointer(f"fake/{version}", None))
    assert roll_back_pointer(home).target == "fake/1.0.0"
    assert read_pointer(home).target == "fake/1.0.0"
    assert roll_back_pointer(home).target == "fake/2.0.0"


def test_a_link_is_rolled_and_back_too(home: Path) -> None:
    (home / POINTER_NAME).symlink_to("fake/1.0.0")
    roll_pointer(home, Pointer("fake/2.0.0"))
    assert find_artifact(str(home)).name == "2.0.0"
    roll_back_pointer(home)
    assert find_artifact(str(home)).name == "1.0.0"


def test_there_is_no_way_back_before_the_first_roll(home: Path) -> None:
    roll_pointer(home, Pointer("fake/1.0.0"))
    with pytest.raises(PointerError, match="nothing to go back to"):
        roll_back_pointer(home)


def test_a_roll_that_crashed_before_its_last_step_has_changed_nothing_and_no_way_back(home: Path) -> None:
    roll_pointer(home, Pointer("fake/1.0.0"))
    (home / PREVIOUS_NAME).write_text("fake/1.0.0\n")
    assert find_artifact(str(home)).name == "1.0.0"
    with pytest.raises(PointerError, match="nothing to go back to"):
        roll_back_pointer(home)


def test_a_folder_that_takes_no_files_is_one_clear_line_and_leaves_none(home: Path) -> None:
    with pytest.raises(PointerError, match="cannot be written"):
        roll_pointer(home / "no-such-folder", Pointer("fake/1.0.0"))
    roll_pointer(home, Pointer("fake/1.0.0"))
    assert not [path for path in home.iterdir() if path.name.startswith(".")]
