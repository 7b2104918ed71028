"""Whether outcomes come in the order of what they are outcomes of."""

from array import array
from collections import defaultdict
from typing import Final

from stream_app.replay.link import Arrival
from stream_app.replay.outcomes import Source

ITEMS_PER_OFFSET: Final = 65_536
"""More than an event can have, so that offset and item make one number."""

_Lane = tuple[int, int, bool]
"""Partition of the input, partition of the output, and whether that is the dead-letter topic: one order each."""


class OutcomeOrder:
    """Counts items whose first outcome came before that of an item that stands before them in the input.

    Per lane stand the items that nothing earlier has followed so far, which rise from bottom to top: what comes takes
    those above it off, each once. That is 8 bytes an item.
    """

    def __init__(self) -> None:
        self.out_of_order = 0
        self._stacks: defaultdict[_Lane, array[int]] = defaultdict(lambda: array("q"))

    def note(self, arrival: Arrival, source: Source, index: int) -> None:
        """Note the first outcome of the item that is the `index`-th of those asked for."""
        stack = self._stacks[source.partition, arrival.partition, arrival.is_dead_letter]
        position = source.offset * ITEMS_PER_OFFSET + index
        while stack and stack[-1] > position:
            stack.pop()
            self.out_of_order += 1
        stack.append(position)
