"""RecBole atomic files: tab-separated, with headers such as `item_id:token` that name and type each column.

The `.user` file is not read: age, gender and occupation are no reasons to give to anyone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offline.datasets.interaction_store import Interaction, InteractionData, parse_interaction
from offline.datasets.lines import BAD_LINE, Place, ensure_any, read_lines
from offline.datasets.rows import DropLog, SourceError, ensure_files, parse_item
from offline.datasets.sources import RecBoleSource
from stream_app.core.events import RankedItem, RatingScale
from stream_app.core.film_titles import name_genre, restore_article

_TYPES: Final = frozenset({"token", "token_seq", "float", "float_seq"})
_TITLES: Final = ("title", "name")
_UNKNOWN: Final = frozenset({"", "unknown", "nan", "none"})
PLAIN_NAMES: Final = {
    "class": "genre",
    "genres": "genre",
    "release_year": "year",
    "categories": "category",
    "authors": "author",
}
"""Columns of well-known data sets, and the attribute names that the texts were learned with."""


@dataclass(frozen=True, slots=True)
class AtomicFile:
    """A file and the type of each of its columns."""

    path: Path
    types: Mapping[str, str]

    def read(self, drops: DropLog) -> Iterator[tuple[Place, dict[str, str]]]:
        """Read the rows below the header.

        Raises:
            SourceError: there is none.
        """
        lines = read_lines(self.path, drops)
        next(lines)
        yield from ensure_any(self._read_rows(lines, drops), self.path, f"rows of {len(self.types)} columns")

    def _read_rows(self, lines: Iterator[tuple[Place, str]], drops: DropLog) -> Iterator[tuple[Place, dict[str, str]]]:
        for place, line in lines:
            values = line.split("\t")
            if len(values) == len(self.types):
                yield place, dict(zip(self.types, values, strict=True))
            else:
                drops.note(BAD_LINE, f"{place}: {len(values)} columns instead of {len(self.types)}")


def read_recbole(source: RecBoleSource, path: Path, kind: str, drops: DropLog) -> InteractionData:
    """Open the interactions and items of a data set.

    Raises:
        SourceError: a file or a column is missing, or a header is not that of an atomic file.
    """
    interaction_path = _find_interactions(path)
    item_path = interaction_path.with_suffix(".item")
    ensure_files("RecBole's item file beside the .inter file", item_path)
    interactions = _open(interaction_path, (source.user_column, source.item_column, source.time_column), drops)
    items = _open(item_path, (source.item_column,), drops)
    scale = source.choose_scale(RatingScale(minimum=1, maximum=5))
    return InteractionData(
        _read_items(items, source, _find_title(items, source), kind, drops),
        _read_interactions(interactions, source, scale, kind, drops),
        scale,
    )


def _find_interactions(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.inter"))
    if len(found) != 1:
        raise SourceError(f"{path}: expected one .inter file, found {len(found)}")
    return found[0]


def _open(path: Path, required: tuple[str, ...], drops: DropLog) -> AtomicFile:
    header = next((line for _, line in read_lines(path, drops)), "")
    pairs = [column.rpartition(":") for column in header.split("\t")]
    if not all(name and kind in _TYPES for name, _, kind in pairs):
        raise SourceError(f"{path}: expected a header of tab-separated columns such as {required[0]}:token")
    types = {name: kind for name, _, kind in pairs}
    missing = [name for name in required if name not in types]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; there are {', '.join(types)}")
    return AtomicFile(path, types)


def _find_title(items: AtomicFile, source: RecBoleSource) -> str:
    if source.title_column is None:
        names = (name for word in _TITLES for name in items.types if name.lower().split("_")[-1] == word)
        title = next(names, None)
    else:
        title = source.title_column if source.title_column in items.types else None
    if title is None:
        raise SourceError(f"{items.path}: no title column; set title_column to one of {', '.join(items.types)}")
    return title


def _read_interactions(
    table: AtomicFile, source: RecBoleSource, scale: RatingScale, kind: str, drops: DropLog
) -> Iterator[Interaction]:
    for place, row in table.read(drops):
        user_id, item_id = f"{kind}-u{row[source.user_column]}", f"{kind}-{row[source.item_column]}"
        try:
            yield parse_interaction(user_id, item_id, row.get(source.rating_column), row[source.time_column], scale)
        except ValueError as error:
            drops.note(BAD_LINE, f"{place}: {error}")


def _read_items(
    table: AtomicFile, source: RecBoleSource, title_column: str, kind: str, drops: DropLog
) -> Iterator[RankedItem]:
    names = _name_attributes(table, source, title_column)
    for place, row in table.read(drops):
        attributes = {
            name: _read_value(row[column], name, table.types[column], source.sequence_separator)
            for column, name in names.items()
        }
        title = row[title_column]
        known_title = "" if title.lower() in _UNKNOWN else restore_article(title)
        item = parse_item(f"{kind}-{row[source.item_column]}", known_title, attributes, None, str(place), drops)
        if item is not None:
            yield item


def _name_attributes(table: AtomicFile, source: RecBoleSource, title_column: str) -> Mapping[str, str]:
    if source.attributes is None:
        taken = {source.item_column, title_column}
        return {
            name: PLAIN_NAMES.get(name, name)
            for name, kind in table.types.items()
            if name not in taken and kind != "float_seq"  # Vectors are nothing to speak of.
        }
    missing = [column for column in source.attributes if column not in table.types]
    if missing:
        raise SourceError(f"{table.path}: no column {', '.join(missing)}; there are {', '.join(table.types)}")
    return source.attributes


def _read_value(text: str, name: str, kind: str, separator: str) -> str | list[str]:
    parts = text.split(separator) if kind == "token_seq" else [text]
    known = [part.strip() for part in parts if part.strip().lower() not in _UNKNOWN]
    if name == "genre":
        known = [name_genre(part) for part in known]
    return known if kind == "token_seq" else "".join(known)
