"""Does this worker share its static id with another? Two live workers with one id take turns, for ever."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

MAX_JOINS: Final = 20
JOIN_WINDOW_SECONDS: Final = 60.0
"""Two workers with the same static id join about once a second; a rolling update of static members joins hardly."""


class Membership:
    """Counts joins, and says when they are too many. Workers that settle records notice sooner: a commit is refused."""

    def __init__(self, is_static: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_static = is_static
        self._clock = clock
        self._joins: deque[float] = deque(maxlen=MAX_JOINS)

    def note_join(self) -> bool:
        """Note that the group was joined; returns whether a static member joins suspiciously often."""
        now = self._clock()
        is_full = len(self._joins) == MAX_JOINS
        is_often = is_full and now - self._joins[0] < JOIN_WINDOW_SECONDS
        self._joins.append(now)
        return self._is_static and is_often
