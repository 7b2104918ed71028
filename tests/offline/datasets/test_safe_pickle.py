"""Tables come out of pickles; nothing that a pickle names is imported or run.

The two `frame_protocol_*.pkl` were written by pandas 3 from three invented rows, as text columns of objects.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from offline.datasets.rows import SourceError
from offline.datasets.safe_pickle import UnsafePickleError, read_table

FOLDER = Path(__file__).parent


class Call:
    """Pickles as a call of any function: what an attacker writes."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


def write(folder: Path, document: object, protocol: int | None = None) -> Path:
    path = folder / "table.pkl"
    path.write_bytes(pickle.dumps(document, protocol))
    return path


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_data_frame_is_read_without_pandas(protocol: int) -> None:
    table = read_table(FOLDER / f"frame_protocol_{protocol}.pkl")
    assert table["uid"] == [7, 7, 8]
    assert table["iid"] == [12, 11, 12]
    assert table["title"] == ["Harbour Lights", "The Quiet Mill", "Harbour Lights"]
    assert set(table) == {"uid", "iid", "title", "user_summary", "item_summary", "explanation"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_rows_and_columns_of_plain_values_are_read(tmp_path: Path, protocol: int) -> None:
    columns = {"uid": [1, 2], "title": ["A", None]}
    rows = [{"uid": 1, "title": "A"}, {"uid": 2}]
    assert read_table(write(tmp_path, columns, protocol)) == columns
    assert read_table(write(tmp_path, rows, protocol)) == columns


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    path = write(tmp_path, {"uid": [Call(os.mkdir, str(trace))]}, protocol)
    with pytest.raises(UnsafePickleError, match=r"table\.pkl is refused: it names (posix|nt)\.mkdir"):
        read_table(path)
    assert not trace.exists()


@pytest.mark.parametrize("function", [eval, getattr, __import__, pickle.loads])
def test_ways_round_are_refused_too(tmp_path: Path, function: Callable[..., object]) -> None:
    with pytest.raises(UnsafePickleError):
        read_table(write(tmp_path, Call(function, "1")))


def test_a_dotted_name_does_not_reach_through_a_stand_in(tmp_path: Path) -> None:
    path = tmp_path / "table.pkl"
    path.write_bytes(b"\x80\x04\x8c\x06pandas\x8c\x12DataFrame.__init__\x93.")
    with pytest.raises(UnsafePickleError, match=r"DataFrame\.__init__"):
        read_table(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a pickle",
        b"\x80\x04.",
        pickle.dumps([1]),
        pickle.dumps("text"),
        pickle.dumps({"uid": [1, 2], "title": ["A"]}),
        b"\x80\x04\x8c\x06pandas\x8c\x09DataFrame\x93)\x81.",
    ],
)
def test_a_broken_pickle_or_another_content_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.pkl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"table\.pkl: expected a pickled table"):
        read_table(path)
