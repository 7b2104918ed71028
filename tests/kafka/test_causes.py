import asyncio
import logging

import pytest

from stream_app.kafka.causes import collect_causes

log = logging.getLogger("aiokafka")


def test_errors_logged_in_this_task_are_collected_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    first, second = ValueError("first"), OSError("second")
    with collect_causes() as causes:
        log.error("Unable connect to %s: %s", "a", first)
        log.warning("without an error")
        log.error("Unable connect to %s: %s", "b", second)
    assert causes == [first, second]
    assert caplog.records == []


def test_other_tasks_log_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    async def log_elsewhere(started: asyncio.Event) -> None:
        await started.wait()
        log.error("elsewhere: %s", ValueError("other"))

    async def run() -> list[BaseException]:
        started = asyncio.Event()
        other = asyncio.create_task(log_elsewhere(started))
        with collect_causes() as causes:
            started.set()
            await other
        return causes

    assert asyncio.run(run()) == []
    assert [record.getMessage() for record in caplog.records] == ["elsewhere: other"]


def test_nothing_is_collected_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError), collect_causes() as causes:
        raise RuntimeError
    log.error("later: %s", ValueError("later"))
    assert causes == []
    assert len(caplog.records) == 1
