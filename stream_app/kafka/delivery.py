"""From the records of a batch to published outcomes: explain, publish, wait for the broker.

Nothing is acknowledged here. Whoever calls `deliver` acknowledges after it returns, and ends the process when it
raises: what is not acknowledged is done again by the next owner of the partition.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog
from aiokafka.errors import MessageSizeTooLargeError

from stream_app.core.errors import ModelUnusableError, PrismError
from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.core.pipeline import Explained, Outcome, Rejected
from stream_app.kafka.dead_letters import build_dead_letter_record
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, Timing, build_explanation_record
from stream_app.settings import Settings

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
MAX_POISON_IN_A_ROW: Final = 20
"""So many unexpected failures one after the other are no longer the records' fault: the machine is broken."""

log = structlog.stdlib.get_logger(__name__)

Send = Callable[[OutgoingRecord], Awaitable[Awaitable[object]]]
"""Hands a record to the producer; what it returns is done when the broker has accepted the record."""


class DeliveryError(PrismError):
    """A batch could not be explained or published; the process has to end."""


class Explainer(Protocol):
    """What a delivery needs of ExplanationPipeline."""

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Explain records: one outcome each, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch, in numbers."""

    explained: int
    dead_letters: int
    explanations: Counter[str]
    templates: Counter[str]
    violations: Counter[str]
    inference_seconds: float


class Delivery:
    """Explains and publishes batches, one at a time."""

    def __init__(self, settings: Settings, explainer: Explainer, model: ModelIdentity, send: Send) -> None:
        self._settings = settings
        self._explainer = explainer
        self._model = model
        self._send = send
        self._poison_in_a_row = 0
        # An own thread: the default executor is shared, and its size says nothing about inference.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="prism-inference")

    def close(self) -> None:
        """Wait for the inference thread to end."""
        self._executor.shutdown()

    async def deliver(self, records: Sequence[IncomingRecord]) -> Settlement:
        """Explain the records and publish all outcomes; returns when the broker has accepted every one.

        Raises:
            ModelUnusableError: the model is broken.
            DeliveryError: the broker did not accept everything within the retry budget, or nothing can be explained.
        """
        started = time.perf_counter()
        loop = asyncio.get_running_loop()
        outcomes = await loop.run_in_executor(self._executor, self._explain, [record.value for record in records])
        timing = Timing(datetime.now(UTC), time.perf_counter() - started)
        outgoing = [
            built
            for record, outcome in zip(records, outcomes, strict=True)
            for built in self._build_records(record, outcome, timing)
        ]
        await publish_all(self._send, outgoing, self._settings.retry_budget_seconds)
        return _settle(outcomes, timing.inference_seconds)

    def _build_records(self, record: IncomingRecord, outcome: Outcome, timing: Timing) -> list[OutgoingRecord]:
        if isinstance(outcome, Rejected):
            return [build_dead_letter_record(record, outcome.letter, self._settings.dead_letter_topic, self._model)]
        topic = self._settings.output_topic
        return [build_explanation_record(record, explanation, topic, timing) for explanation in outcome.explanations]

    def _explain(self, values: list[bytes | None]) -> list[Outcome]:
        """Explain; where the pipeline fails against its promise, find the records at fault by bisection."""
        try:
            outcomes = self._explainer.explain(values)
        except (ModelUnusableError, MemoryError):
            raise
        except Exception as error:
            if len(values) > 1:
                middle = len(values) // 2
                return self._explain(values[:middle]) + self._explain(values[middle:])
            return [self._reject_poison(error)]
        self._poison_in_a_row = 0
        return outcomes

    def _reject_poison(self, error: Exception) -> Rejected:
        self._poison_in_a_row += 1
        # The message of the error may quote the record: it goes neither to the log nor into a header.
        log.error("record_poisonous", error=type(error).__name__)
        if self._poison_in_a_row > MAX_POISON_IN_A_ROW:
            raise DeliveryError(f"{self._poison_in_a_row} records in a row failed with {type(error).__name__}")
        return Rejected(DeadLetter(stage="explain", error=type(error).__name__, message="the pipeline failed"))


async def publish_all(send: Send, records: Sequence[OutgoingRecord], budget_seconds: float) -> None:
    """Publish records in order and wait until the broker has all; repeats those that failed, with pauses.

    Raises:
        DeliveryError: not all were accepted within the budget, or one is too large however it is cut.
    """
    pending, pause, failures = list(records), FIRST_PAUSE_SECONDS, Counter[str]()
    try:
        # Around sending too: `send` blocks while a topic does not exist.
        async with asyncio.timeout(budget_seconds):
            while pending:
                pending = await _publish_once(send, pending, failures)
                if pending:
                    log.warning("publish_repeated", records=len(pending), errors=dict(failures))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    except TimeoutError as error:
        raise DeliveryError(
            f"{len(pending)} of {len(records)} records were not accepted in {budget_seconds:.0f} s; {dict(failures)}"
        ) from error


async def _publish_once(send: Send, records: Sequence[OutgoingRecord], failures: Counter[str]) -> list[OutgoingRecord]:
    """Publish records once; returns those to publish again."""
    errors = await _send_and_wait(send, records)
    failures.update(type(error).__name__ for error in errors if error)
    again: list[OutgoingRecord] = []
    for record, error in zip(records, errors, strict=True):
        if error is not None and _is_too_large(error):
            # The limit applies to a batch of the producer: alone, most of these pass.
            again += await _publish_alone(send, record)
        elif error is not None:
            again.append(record)
    return again


async def _publish_alone(send: Send, record: OutgoingRecord) -> list[OutgoingRecord]:
    [error] = await _send_and_wait(send, [record])
    if error is None:
        return []
    if not _is_too_large(error):
        return [record]
    if record.shorter is None:
        raise DeliveryError(f"a record for {record.topic} of {len(record.value or b'')} bytes is too large")
    return [record.shorter]


async def _send_and_wait(send: Send, records: Sequence[OutgoingRecord]) -> list[BaseException | None]:
    # One after the other, so that records of one key keep their order; the waiting is for all together.
    sent: list[Awaitable[object] | Exception] = []
    for record in records:
        try:
            sent.append(await send(record))
        except Exception as error:
            sent.append(error)
    waiting = [one for one in sent if not isinstance(one, Exception)]
    results = iter(await asyncio.gather(*waiting, return_exceptions=True))
    outcomes = [one if isinstance(one, Exception) else next(results) for one in sent]
    return [outcome if isinstance(outcome, BaseException) else None for outcome in outcomes]


def _is_too_large(error: BaseException) -> bool:
    # Faust wraps what aiokafka raises at once; what the broker answers comes as it is.
    return isinstance(error, MessageSizeTooLargeError) or isinstance(error.__cause__, MessageSizeTooLargeError)


def _settle(outcomes: Sequence[Outcome], inference_seconds: float) -> Settlement:
    explained = [outcome for outcome in outcomes if isinstance(outcome, Explained)]
    explanations = [explanation for outcome in explained for explanation in outcome.explanations]
    return Settlement(
        explained=len(explained),
        dead_letters=len(outcomes) - len(explained),
        explanations=Counter(explanation.source for explanation in explanations),
        templates=Counter(one.template_reason for one in explanations if one.template_reason is not None),
        violations=sum((outcome.violations for outcome in explained), Counter[str]()),
        inference_seconds=inference_seconds,
    )
