"""Which rows are reported together."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

ALL: Final = "all"
INVENTED: Final = "invented"
DEFAULT_GROUPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "film_full": "films",
        "film_thin": "films",
        "book": "reviews",
        "restaurant_review": "reviews",
        "local_business": "reviews",
    }
)
OtherKinds = Literal["invented", "by_kind"]
"""Kinds without a group: together as `invented`, or each as a group of its own."""


def name_group(kind: str, groups: Mapping[str, str], other_kinds: OtherKinds) -> str:
    """Name the group that a kind is reported in."""
    return groups.get(kind, INVENTED if other_kinds == "invented" else kind)
