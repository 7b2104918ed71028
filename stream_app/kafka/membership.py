"""Does this worker still have a place in its group? Two live workers with one static id take turns, for ever."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from stream_app.core.errors import PrismError

MAX_REFUSED_IN_A_ROW: Final = 3
"""One is usual in a rebalance, when Faust's own commit of the same offsets comes first."""

MAX_JOINS: Final = 20
JOIN_WINDOW_SECONDS: Final = 60.0
"""Two workers with the same static id join about once a second; a rolling update of static members joins hardly."""


class CommitRefusedError(PrismError):
    """The broker takes this worker's offsets no longer: somebody else owns its partitions."""


class Membership:
    """Counts refused commits and joins, and says when they are too many."""

    def __init__(self, is_static: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_static = is_static
        self._clock = clock
        self._refused_in_a_row = 0
        self._joins: deque[float] = deque(maxlen=MAX_JOINS)

    def note_commit(self, is_accepted: bool) -> None:
        """Note the result of a commit.

        Raises:
            CommitRefusedError: too many in a row were refused.
        """
        self._refused_in_a_row = 0 if is_accepted else self._refused_in_a_row + 1
        if self._refused_in_a_row >= MAX_REFUSED_IN_A_ROW:
            raise CommitRefusedError(f"{self._refused_in_a_row} commits in a row were refused")

    def note_join(self) -> bool:
        """Note that the group was joined; returns whether a static member joins suspiciously often."""
        now = self._clock()
        is_full = len(self._joins) == MAX_JOINS
        is_often = is_full and now - self._joins[0] < JOIN_WINDOW_SECONDS
        self._joins.append(now)
        return self._is_static and is_often
