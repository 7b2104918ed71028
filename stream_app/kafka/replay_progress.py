"""How far a replay of dead letters has come, as one committed offset and a short text beside it.

Filters pass letters over, and Kafka commits one number a partition. So the number is the first letter that is still
open, and the metadata of the commit tells, in turns, how many offsets from there on are open and how many are done.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

VERSION: Final = "prism1:"
MAX_METADATA_BYTES: Final = 4_096
"""Kafka's default for `offset.metadata.max.bytes`."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Progress:
    """What of a partition is done: all below `position` except what is `open`, ranges in order and apart."""

    position: int = 0
    open: tuple[range, ...] = ()

    @property
    def first_open(self) -> int:
        """The offset to commit: where the next replay begins to read."""
        return self.open[0].start if self.open else self.position

    def is_done(self, offset: int) -> bool:
        """Whether a letter was replayed, or reported as one that never can be."""
        index = bisect_right(self.open, offset, key=lambda one: one.start) - 1
        return offset < self.position and not (index >= 0 and offset in self.open[index])

    def advance(self, until: int, left_open: Iterable[range]) -> "Progress":
        """Note that all below `until` was looked at again, and which of these offsets are (still) open."""
        later = [range(max(one.start, until), one.stop) for one in self.open if one.stop > until]
        return Progress(max(self.position, until), _join([*left_open, *later]))

    def start_at(self, begin: int) -> "Progress":
        """Forget what the topic no longer has."""
        later = [range(max(one.start, begin), one.stop) for one in self.open if one.stop > begin]
        return Progress(max(self.position, begin), tuple(later))

    def render_metadata(self) -> str:
        """Render what the committed offset alone does not tell."""
        edges = [edge for one in self.open for edge in (one.start, one.stop)]
        lengths = [right - left for left, right in pairwise([*edges, self.position])]
        return VERSION + ".".join(map(_render_number, lengths)) if self.open else ""


@dataclass(slots=True)
class Walk:
    """What one replay finds open on its way through a partition."""

    open: list[range] = field(default_factory=list)
    _was_open: bool = False

    def note(self, offset: int, is_open: bool) -> None:
        """Note what becomes of the next letter."""
        if is_open and self._was_open:
            # Between two open letters lie marks of transactions at most: one range, and a shorter text.
            self.open[-1] = range(self.open[-1].start, offset + 1)
        elif is_open:
            self.open.append(range(offset, offset + 1))
        self._was_open = is_open


def parse_progress(offset: int, metadata: str) -> Progress:
    """Parse a commit; one that somebody else made, such as Kafka's own tools, means what it says: all below is done."""
    if not metadata.startswith(VERSION):
        return Progress(offset)
    try:
        lengths = [int(number, 36) for number in metadata.removeprefix(VERSION).split(".")]
    except ValueError:
        return Progress(offset)
    position, ranges = offset, []
    for index, length in enumerate(lengths):
        if index % 2 == 0:
            ranges.append(range(position, position + length))
        position += length
    return Progress(position, tuple(ranges))


def _join(ranges: Iterable[range]) -> tuple[range, ...]:
    joined: list[range] = []
    for one in ranges:
        if joined and joined[-1].stop == one.start:
            joined[-1] = range(joined[-1].start, one.stop)
        else:
            joined.append(one)
    return tuple(joined)


def _render_number(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits
