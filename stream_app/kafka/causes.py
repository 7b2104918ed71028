"""Why a client of aiokafka cannot connect: that stands in what it logs, not in what it raises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


@contextmanager
def collect_causes() -> Iterator[list[BaseException]]:
    """Collect the errors that aiokafka logs in this task, in order; these lines do not reach the log."""
    causes: list[BaseException] = []

    def is_not_ours(record: logging.LogRecord) -> bool:
        # Other clients log here at the same time, from other tasks and threads.
        if _collected.get() is not causes:
            return True
        arguments = record.args if isinstance(record.args, tuple) else ()
        causes.extend(one for one in arguments if isinstance(one, BaseException))
        return False

    # Connecting is logged by this logger itself; a filter does not see what its children log.
    logger = logging.getLogger("aiokafka")
    logger.addFilter(is_not_ours)
    token = _collected.set(causes)
    try:
        yield causes
    finally:
        _collected.reset(token)
        logger.removeFilter(is_not_ours)


_collected: ContextVar[list[BaseException] | None] = ContextVar("_collected", default=None)
