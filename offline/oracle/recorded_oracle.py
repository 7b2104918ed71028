"""No teacher at all: what the data brought with it."""

from collections.abc import Sequence

from offline.oracle.options import RecordedOptions
from offline.oracle.port import Answer, Request


class RecordedOracle:
    """Answers with the recorded text; a row without one has no candidate."""

    def __init__(self, options: RecordedOptions) -> None:
        self.name = options.name or "recorded"

    def answer(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        """Give back the recorded texts; count and seed change nothing."""
        return [Answer(() if request.recorded is None else (request.recorded,)) for request in requests]
