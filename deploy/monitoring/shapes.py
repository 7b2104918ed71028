"""What a panel can be: a number, or a graph; and the rows that they stand in."""

from dataclasses import dataclass
from typing import Literal

from deploy.monitoring.queries import Query

Unit = Literal["short", "s", "percentunit", "cps", "bytes", "dtdurations"]


@dataclass(frozen=True, slots=True)
class Stat:
    """One number; green below `warn_from`, orange from there on, and the other way round with `is_better_high`."""

    title: str
    what: str
    query: Query
    unit: Unit = "short"
    warn_from: float | None = None
    is_better_high: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """Lines over time, or areas one upon the other."""

    title: str
    what: str
    queries: tuple[Query, ...]
    unit: Unit = "short"
    is_stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of stats and graphs, each as wide as the others."""

    title: str
    panels: tuple[Stat | Graph, ...]
