"""From the records of a batch to settled outcomes: explain, build what is to be published, hand it to the guarantee.

Nothing is acknowledged here. Whoever calls `deliver` acknowledges after it returns, and ends the process when it
raises: what is not settled is done again by the next owner of the partition.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from stream_app.core.events import DeadLetter, Explanation, ModelIdentity
from stream_app.core.pipeline import Explained, Outcome, Rejected
from stream_app.kafka.breaker import count_failures
from stream_app.kafka.dead_letters import build_dead_letter_record
from stream_app.kafka.guarantees import Guarantee
from stream_app.kafka.models import Contender, Explainer, Lineup, Models, ModelUse
from stream_app.kafka.overload import EXPIRED_STAGE, OverloadPolicy, Treatment
from stream_app.kafka.publication import SizeLimits
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, Timing, build_explanation_record, estimate_size
from stream_app.kafka.spans import NO_TRACING, BatchTrace, Tracing
from stream_app.settings import Settings

PUBLISH_STAGE: Final = "publish"
"""The stage that dead letters name where explanations are too large for their topic."""


class Mirror(Protocol):
    """Takes copies of settled records; neither waits nor fails."""

    def offer(self, records: Sequence[IncomingRecord]) -> None:
        """Take records, or leave them."""
        ...


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch, in numbers."""

    outcomes: Counter[str]
    """Records, by `explained`, `dead_letter` and `expired`."""
    explanations: Counter[str]
    templates: Counter[str]
    violations: Counter[str]
    dead_letters: Counter[str]
    """Dead letters, by stage."""
    errors: Counter[str]
    """Types of errors that items met on the way, though they have their texts."""
    judged: int
    """Records that say something about the input and the model: all that were not expired."""
    failures: int
    """How many of them could not be decoded, or made generation fail."""
    inference_seconds: float
    records_by_model: Counter[ModelUse]
    """Records, by the model that they were given to; expired ones were given to none."""
    texts_by_model: Counter[tuple[ModelUse, str]]
    """Published explanations, by model and source."""
    source_tokens: int = 0
    """Of the prompts that the model wrote for."""


class Delivery:
    """Explains and settles batches, one at a time."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        guarantee: Guarantee,
        overload: OverloadPolicy,
        limits: SizeLimits,
        tracing: Tracing = NO_TRACING,
        mirror: Mirror | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._mirror = mirror
        self._guarantee = guarantee
        self._overload = overload
        self._limits = limits
        self._tracing = tracing
        # An own thread: the default executor is shared, and its size says nothing about inference.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="prism-inference")

    def close(self) -> None:
        """Wait for the inference thread to end."""
        self._executor.shutdown()

    async def deliver(self, records: Sequence[IncomingRecord]) -> Settlement:
        """Explain the records and settle them; returns when the broker has every outcome and the offsets.

        Raises:
            ModelUnusableError: the model is broken.
            DeliveryError, KafkaError: as `Guarantee.settle` does.
        """
        with self._tracing.trace_batch(records) as trace:
            return await self._deliver(trace.records, trace)

    async def _deliver(self, records: Sequence[IncomingRecord], trace: BatchTrace) -> Settlement:
        first_seen = datetime.now(UTC)
        started = time.perf_counter()
        treatments = self._overload.decide([record.timestamp_seconds for record in records])
        loop = asyncio.get_running_loop()
        # One lineup for the whole batch: a model that is rolled meanwhile begins with the next.
        lineup = self._models.lineup
        with trace.time_generation():
            answers = await loop.run_in_executor(self._executor, self._explain, records, treatments, lineup)
        timing = Timing(datetime.now(UTC), time.perf_counter() - started)
        shipments = [
            self._pack(record, answer, timing, first_seen) for record, answer in zip(records, answers, strict=True)
        ]
        await self._guarantee.settle(shipments)
        trace.note_letters(shipment.write_letter() for shipment in shipments)
        if self._mirror is not None:
            asked = [record for record, one in zip(records, treatments, strict=True) if one is Treatment.EXPLAIN]
            self._mirror.offer(asked)
        return _count(shipments, timing.inference_seconds)

    def _explain(
        self, records: Sequence[IncomingRecord], treatments: Sequence[Treatment], lineup: Lineup
    ) -> list["_Answer"]:
        chosen = [lineup.choose(record) for record in records]
        groups: dict[tuple[Treatment, Contender], list[int]] = defaultdict(list)
        for index, group in enumerate(zip(treatments, chosen, strict=True)):
            groups[group].append(index)
        outcomes: dict[int, Outcome] = {}
        for (treatment, contender), indices in groups.items():
            results = self._write(treatment, contender.explainer, [records[index].value for index in indices])
            outcomes.update(zip(indices, results, strict=True))
        return [_Answer(contender, outcomes[index]) for index, contender in enumerate(chosen)]

    def _write(self, treatment: Treatment, explainer: Explainer, values: Sequence[bytes | None]) -> Sequence[Outcome]:
        if treatment is Treatment.EXPLAIN:
            return explainer.explain(values)
        if treatment is Treatment.TEMPLATE:
            return explainer.explain_with_template(values)
        return [self._overload.build_expired()] * len(values)

    def _pack(self, record: IncomingRecord, answer: "_Answer", timing: Timing, first_seen: datetime) -> "_Shipment":
        topic, outcome, model = self._settings.output_topic, answer.outcome, answer.contender.model
        shipment = _Shipment(
            record,
            outcome,
            answer.contender.use,
            lambda letter, failed: self._post(record, letter, failed, first_seen, model),
        )
        for explanation in _list_texts(outcome):
            built = build_explanation_record(record, explanation, topic, timing)
            if estimate_size(built) > self._limits.get(topic):
                shipment.refuse(explanation.item_id)
            shipment.built[explanation.item_id] = built
        return shipment

    def _post(
        self,
        record: IncomingRecord,
        letter: DeadLetter,
        failed_item_ids: tuple[str, ...],
        first_seen: datetime,
        model: ModelIdentity,
    ) -> OutgoingRecord:
        return build_dead_letter_record(
            record,
            letter,
            self._settings.dead_letter_topic,
            model,
            family=self._settings.dlq_headers,
            application=self._settings.consumer_group,
            failed_item_ids=failed_item_ids,
            first_failure=first_seen,
            limit_bytes=self._limits.get(self._settings.dead_letter_topic),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """The outcome of one record, and who wrote it."""

    contender: Contender
    outcome: Outcome


@dataclass(slots=True)
class _Shipment:
    """What one record makes, on its way to the broker; see Parcel."""

    record: IncomingRecord
    outcome: Outcome
    use: ModelUse
    post: Callable[[DeadLetter, tuple[str, ...]], OutgoingRecord]
    built: dict[str, OutgoingRecord] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)

    def list_explanations(self) -> list[tuple[str, OutgoingRecord]]:
        return [(item_id, one) for item_id, one in self.built.items() if item_id not in self.refused]

    def refuse(self, item_id: str) -> None:
        self.refused.add(item_id)

    def build_letter(self) -> OutgoingRecord | None:
        letter = self.write_letter()
        return None if letter is None else self.post(letter, self._list_failed())

    def write_letter(self) -> DeadLetter | None:
        if self.refused:
            message = "explanations larger than max.message.bytes of the output topic"
            return DeadLetter(stage=PUBLISH_STAGE, error="ExplanationTooLarge", message=message)
        return self.outcome.letter

    @property
    def published(self) -> list[Explanation]:
        return [one for one in _list_texts(self.outcome) if one.item_id not in self.refused]

    def _list_failed(self) -> tuple[str, ...]:
        if isinstance(self.outcome, Rejected):
            return ()
        failed = self.refused.union(self.outcome.failed_item_ids)
        return tuple(item.item_id for item in self.outcome.event.items if item.item_id in failed)


def _list_texts(outcome: Outcome) -> Sequence[Explanation]:
    return outcome.explanations if isinstance(outcome, Explained) else ()


def _count(shipments: Sequence[_Shipment], inference_seconds: float) -> Settlement:
    letters = Counter(letter.stage for shipment in shipments if (letter := shipment.write_letter()))
    texts = [text for shipment in shipments for text in shipment.published]
    outcomes = [shipment.outcome for shipment in shipments]
    explained = [outcome for outcome in outcomes if isinstance(outcome, Explained)]
    judged, failures = count_failures(outcomes)
    expired = letters[EXPIRED_STAGE]
    return Settlement(
        outcomes=Counter(
            explained=len(shipments) - letters.total(), dead_letter=letters.total() - expired, expired=expired
        ),
        explanations=Counter(text.source for text in texts),
        templates=Counter(text.template_reason for text in texts if text.template_reason is not None),
        violations=sum((outcome.violations for outcome in explained), Counter[str]()),
        dead_letters=letters,
        errors=sum((outcome.errors for outcome in explained), Counter[str]()),
        judged=judged,
        failures=failures,
        inference_seconds=inference_seconds,
        source_tokens=sum(outcome.source_tokens for outcome in explained),
        records_by_model=Counter(one.use for one in shipments if not _is_expired(one)),
        texts_by_model=Counter((one.use, text.source) for one in shipments for text in one.published),
    )


def _is_expired(shipment: _Shipment) -> bool:
    letter = shipment.outcome.letter
    return letter is not None and letter.stage == EXPIRED_STAGE
