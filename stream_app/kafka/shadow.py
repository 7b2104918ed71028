"""A shadow: a model that explains settled records again, for a side topic, to be compared with the serving one.

It never delays the worker nor fails it: it has a thread, an event loop and a producer of its own; its model computes
where nothing else wants the processor; what it cannot keep up with is dropped and counted; what fails is counted.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer

from stream_app.core.pipeline import Explained, Outcome
from stream_app.kafka.clients import MAX_REQUEST_BYTES, build_security
from stream_app.kafka.model_roll import Follower, ModelSource, Seat
from stream_app.kafka.models import Contender, Role
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, Timing, build_explanation_record
from stream_app.settings import Settings
from stream_app.telemetry import Metrics

MAX_WAITING_RECORDS: Final = 512
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""What may wait for the shadow; beyond either, records are dropped."""
PUBLISH_SECONDS: Final = 10.0
"""How long the side topic may take for the explanations of a batch."""
STOP_SECONDS: Final = 2.0

log = structlog.stdlib.get_logger(__name__)

Publish = Callable[[Sequence[OutgoingRecord]], Awaitable[None]]


class Shadow:
    """Takes copies of settled records, and explains them again on a thread of its own."""

    def __init__(
        self, settings: Settings, source: ModelSource, metrics: Metrics, publish: Publish | None = None
    ) -> None:
        self._topic = settings.shadow_topic or ""
        self._check_seconds = settings.model_check_seconds
        self._metrics = metrics
        self._outlet = _Outlet(settings)
        self._publish = publish or self._outlet.publish
        seat = Seat(Role.SHADOW, settings.shadow_model, threads=1)
        self._follower = Follower(seat, source, metrics, self._install)
        self._contender: Contender | None = None
        self._checked_at = -float("inf")
        self._trouble: str | None = None
        self._queue = BoundedQueue()
        self._thread = threading.Thread(target=self._run, name="prism-shadow", daemon=True)

    def start(self) -> None:
        """Begin; the model is loaded on the shadow's own thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what still waits is dropped."""
        self._queue.close()
        self._thread.join(STOP_SECONDS)

    async def work(self) -> None:
        """Load the model and explain what is offered, until it is stopped; on the loop of its own thread."""
        self._look()
        while (records := await self._queue.get()) is not None:
            self._look()
            await self._answer(records)
        await self._outlet.close()

    def offer(self, records: Sequence[IncomingRecord]) -> None:
        """Take records, or drop them where too many wait; returns at once."""
        if records and not self._queue.put(tuple(records)):
            self._metrics.count_shadow("dropped", len(records))

    def _install(self, contender: Contender) -> None:
        self._contender = contender

    def _run(self) -> None:
        asyncio.run(self.work())

    def _look(self) -> None:
        if time.monotonic() - self._checked_at >= self._check_seconds:
            self._follower.check()
            self._checked_at = time.monotonic()

    async def _answer(self, records: Sequence[IncomingRecord]) -> None:
        if self._contender is None:
            self._metrics.count_shadow("failed", len(records))
            return
        try:
            await self._explain(self._contender, records)
        except Exception as error:  # Whatever it is, it is no reason to disturb the worker.
            self._metrics.count_shadow("failed", len(records))
            self._note_trouble(type(error).__name__)
        else:
            self._note_trouble(None)

    async def _explain(self, contender: Contender, records: Sequence[IncomingRecord]) -> None:
        started = time.perf_counter()
        # On this thread: nothing else runs on its loop.
        outcomes = contender.explainer.explain([record.value for record in records])
        timing = Timing(datetime.now(UTC), time.perf_counter() - started)
        await self._publish(_build_records(records, outcomes, self._topic, timing))
        self._metrics.count_shadow("explained", len(records))
        self._metrics.count_model_records(*contender.use, len(records))
        for explained in (outcome for outcome in outcomes if isinstance(outcome, Explained)):
            for text in explained.explanations:
                self._metrics.count_model_texts(*contender.use, text.source, 1)

    def _note_trouble(self, trouble: str | None) -> None:
        # Once for each kind in a row: the shadow meets the same one with every batch.
        if trouble != self._trouble:
            log.warning("shadow_failing", error=trouble) if trouble else log.info("shadow_works_again")
        self._trouble = trouble


class BoundedQueue:
    """Batches on their way from the worker's thread to the shadow's; few, and not too large together."""

    def __init__(self, max_records: int = MAX_WAITING_RECORDS, max_bytes: int = MAX_WAITING_BYTES) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._batches: list[tuple[IncomingRecord, ...]] = []
        self._records = self._bytes = 0
        self._is_closed = False
        self._signal: Callable[[], object] | None = None

    def put(self, records: tuple[IncomingRecord, ...]) -> bool:
        """Put a batch at the end; returns whether there was room. From any thread, without waiting."""
        size = _measure(records)
        with self._lock:
            if self._records + len(records) > self._max_records or self._bytes + size > self._max_bytes:
                return False
            self._batches.append(records)
            self._records += len(records)
            self._bytes += size
            self._wake()
        return True

    def close(self) -> None:
        """Let the reader end, whatever still waits."""
        with self._lock:
            self._is_closed = True
            self._wake()

    async def get(self) -> tuple[IncomingRecord, ...] | None:
        """Wait for the next batch; None at the end. For one reader."""
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        while True:
            arrived.clear()
            with self._lock:
                if self._is_closed:
                    return None
                if self._batches:
                    return self._take()
                self._signal = lambda: loop.call_soon_threadsafe(arrived.set)
            await arrived.wait()

    def _take(self) -> tuple[IncomingRecord, ...]:
        records = self._batches.pop(0)
        self._records -= len(records)
        self._bytes -= _measure(records)
        return records

    def _wake(self) -> None:
        signal, self._signal = self._signal, None
        if signal is not None:
            signal()


class _Outlet:
    """A producer that is opened when it is needed, and anew after an error."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, records: Sequence[OutgoingRecord]) -> None:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._send(records)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _send(self, records: Sequence[OutgoingRecord]) -> None:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.bootstrap_servers,
                max_request_size=MAX_REQUEST_BYTES,
                request_timeout_ms=int(PUBLISH_SECONDS * 1000),
                **build_security(self._settings).build_aiokafka_arguments(),
            )
            await self._producer.start()
        sent = [
            await self._producer.send(one.topic, one.value, key=one.key, headers=list(one.headers)) for one in records
        ]
        await asyncio.gather(*sent)


def _build_records(
    records: Sequence[IncomingRecord], outcomes: Sequence[Outcome], topic: str, timing: Timing
) -> list[OutgoingRecord]:
    return [
        build_explanation_record(record, explanation, topic, timing)
        for record, outcome in zip(records, outcomes, strict=True)
        if isinstance(outcome, Explained)
        for explanation in outcome.explanations
    ]


def _measure(records: Sequence[IncomingRecord]) -> int:
    return sum(len(record.value or b"") for record in records)
