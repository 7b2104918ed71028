"""Reads pickled tables without running anything that they name.

A pickle is a program. Here it can call stand-ins only: small classes of this file under the names that pandas and numpy
give theirs, which remember what they were given. Neither library is imported; every other name is refused.
"""

import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from offline.datasets.rows import SourceError


class UnsafePickleError(SourceError):
    """A pickle names something that a table does not need."""


Table = dict[str, list[Any]]
"""Columns of equal length, by name."""

_NUMBER_FORMATS: Final = {
    "b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f4": "f", "f8": "d",
}  # fmt: skip


class _Name:
    """A class or function that is only mentioned, such as `numpy.ndarray`; calling it is an error."""


@dataclass
class _DType:
    code: str = "O8"
    align: bool = False
    copy: bool = True
    byte_order: str = "|"

    def __setstate__(self, state: Sequence[Any]) -> None:
        self.byte_order = str(state[1])


class _Array:
    """A numpy array: its shape, and its values in rows."""

    def __init__(self, *_: object) -> None:
        self.shape: tuple[int, ...] = ()
        self.values: list[Any] = []

    def __setstate__(self, state: Sequence[Any]) -> None:
        _, shape, dtype, is_column_major, data = state
        self._fill(data, dtype, shape, is_column_major)

    def _fill(self, data: Any, dtype: _DType, shape: tuple[int, ...], is_column_major: bool) -> None:
        values = data if isinstance(data, list) else _unpack(data, dtype, prod(shape))
        if len(values) != prod(shape):
            raise ValueError("an array has another shape than it says")
        if is_column_major and len(shape) == 2:
            values = [values[column * shape[0] + row] for row in range(shape[0]) for column in range(shape[1])]
        self.shape, self.values = shape, values

    @property
    def rows(self) -> list[list[Any]]:
        width = self.shape[-1] if self.shape else 0
        return [self.values[start : start + width] for start in range(0, len(self.values), width or 1)]


def _unpack(data: Any, dtype: _DType, count: int) -> list[Any]:
    if dtype.code not in _NUMBER_FORMATS:
        raise ValueError(f"an array of the type {dtype.code!r} is not supported")
    order = dtype.byte_order if dtype.byte_order in "<>" else "<"
    return list(struct.unpack(f"{order}{count}{_NUMBER_FORMATS[dtype.code]}", bytes(data)))


def _read_buffer(data: Any, dtype: _DType, shape: tuple[int, ...], order: str) -> _Array:
    array = _Array()
    array._fill(data, dtype, shape, order == "F")
    return array


@dataclass
class _Block:
    values: _Array
    placement: Any
    ndim: int


@dataclass
class _Blocks:
    blocks: Sequence[_Block]
    axes: Sequence[Any]


class _Index:
    """An axis; only that of the columns, an array of names, is looked at."""

    def __init__(self, _: object, state: dict[str, Any]) -> None:
        self.labels = state.get("data")


class _Frame:
    """A pandas DataFrame."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def read_columns(self) -> Table:
        manager: _Blocks = self.state["_mgr"]
        names = [str(name) for name in manager.axes[0].labels.values]
        columns: Table = {}
        for block in manager.blocks:
            for position, values in zip(_list_positions(block.placement), block.values.rows, strict=True):
                columns[names[position]] = values
        return columns


def _list_positions(placement: Any) -> list[int]:
    if isinstance(placement, slice):
        return list(range(placement.start, placement.stop, placement.step or 1))
    return [int(position) for position in placement.values]


# Names of pandas 1 to 3 and numpy 1 and 2. Text in Arrow's memory, the default of pandas 3, is refused.
_STAND_INS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("builtins", "slice"): slice,
    ("pandas", "DataFrame"): _Frame,
    ("pandas", "Index"): _Name,
    ("pandas", "RangeIndex"): _Name,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.internals.managers", "BlockManager"): _Blocks,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    ("pandas.core.indexes.base", "_new_Index"): _Index,
    ("pandas.core.indexes.base", "Index"): _Name,
    ("pandas.core.indexes.range", "RangeIndex"): _Name,
    ("pandas.core.indexes.numeric", "Int64Index"): _Name,
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _read_buffer,
    ("numpy._core.numeric", "_frombuffer"): _read_buffer,
}


class _TableUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        """Look a name up among the stand-ins; nothing is imported."""
        try:
            return _STAND_INS[module_name, global_name]
        except KeyError:
            raise UnsafePickleError(f"it names {module_name}.{global_name}") from None


def read_table(path: Path) -> Table:
    """Read a pickled table: a DataFrame, a list of dictionaries, or a dictionary of lists.

    Raises:
        UnsafePickleError: the pickle names something other than what such tables need. Nothing was run.
        SourceError: it is no pickle, or holds something else.
    """
    with path.open("rb") as file:
        try:
            return _ensure_equal_lengths(_read_columns(_TableUnpickler(file).load()))
        except UnsafePickleError as error:
            raise UnsafePickleError(
                f"{path} is refused: {error}, and only tables of text and numbers are read from pickles. "
                "If you trust it, save it as JSON lines instead."
            ) from None
        except Exception as error:  # A broken pickle can raise nearly anything; none of it is the program's own state.
            raise SourceError(f"{path}: expected a pickled table of text and numbers ({error})") from error


def _read_columns(document: object) -> Table:
    if isinstance(document, _Frame):
        return document.read_columns()
    if isinstance(document, dict) and all(isinstance(values, list) for values in document.values()):
        return {str(name): values for name, values in document.items()}
    if isinstance(document, list) and document and all(isinstance(row, dict) for row in document):
        return {str(name): [row.get(name) for row in document] for name in document[0]}
    raise ValueError(f"found a {type(document).__name__}")


def _ensure_equal_lengths(table: Table) -> Table:
    if len({len(values) for values in table.values()}) > 1:
        raise ValueError("its columns differ in length")
    return table
