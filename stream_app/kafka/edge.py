"""The worker's edge to Faust: the agent that takes batches of raw records, the listeners, the watch over topics.

Explain, publish, wait for the broker, acknowledge in order, commit. No exception leaves the agent: Faust would go on
acknowledging records behind a failed one. What cannot be settled ends the process, and the next owner does it again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

import faust
import structlog
from aiokafka.structs import TopicPartition

from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import SettlingConsumer
from stream_app.kafka.batches import FlushReason, name_reason, split_by_items
from stream_app.kafka.breaker import CircuitBreaker
from stream_app.kafka.clients import (
    BrokerUnreachableError,
    PermissionDeniedError,
    classify,
    find_denial,
    find_missing_topics,
    read_max_message_bytes,
)
from stream_app.kafka.delivery import Delivery, Settlement
from stream_app.kafka.guarantees import Guarantee
from stream_app.kafka.lag import GroupWatch
from stream_app.kafka.membership import Membership
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.publication import SizeLimits
from stream_app.kafka.records import IncomingRecord
from stream_app.kafka.shutdown import end_process
from stream_app.probes import Health
from stream_app.settings import Settings, SettingsError
from stream_app.telemetry import Metrics

TICK_SECONDS: Final = 1.0
TOPIC_WAIT_SECONDS: Final = 2.0
TOPIC_CHECK_SECONDS: Final = 60.0
BREAKER_TICK_SECONDS: Final = 0.2
APPEND_TIME: Final = 1
"""Kafka's number for a time stamp that the broker gave."""

log = structlog.stdlib.get_logger(__name__)


async def read_limits(settings: Settings) -> dict[str, int]:
    """Read how large the records of the output and dead-letter topics may be; errors as read_max_message_bytes."""
    return await read_max_message_bytes(settings, (settings.output_topic, settings.dead_letter_topic))


class Edge:
    """Attaches the worker's parts to a Faust app: the agent, the listeners, the watch over topics."""

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        delivery: Delivery,
        guarantee: Guarantee,
        overload: OverloadPolicy,
        limits: SizeLimits,
        metrics: Metrics,
        health: Health,
    ) -> None:
        self._app = app
        self._settings = settings
        self._delivery = delivery
        self._guarantee = guarantee
        self._overload = overload
        self._limits = limits
        self._metrics = metrics
        self._health = health
        self._was_overloaded, self._clock_jumps, self._breaker_openings = False, 0, 0
        self._group = GroupWatch(lambda: cast(SettlingConsumer, app.consumer), metrics)
        self._settled_generation = -1
        self._membership = Membership(is_static=settings.instance_id is not None)
        self._breaker = CircuitBreaker(
            share=settings.breaker_share,
            min_records=settings.breaker_min_records,
            window_seconds=settings.breaker_window_seconds,
            pause_seconds=settings.breaker_pause_seconds,
        )

    def attach(self) -> None:
        """Attach everything; before the app starts."""
        topic = self._app.topic(
            self._settings.input_topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self._app.agent(topic, name="explain", concurrency=1)(self._consume)
        self._app.task(self._watch_topics)
        self._app.task(self._watch_overload)
        self._app.task(self._group.run)
        # As Any: Faust's type of a signal's handler fits no function that names its arguments.
        handlers: dict[Any, Any] = {
            self._app.on_partitions_assigned: self._note_assigned,
            self._app.on_partitions_revoked: self._note_revoked,
            self._app.on_rebalance_complete: self._open_guarantee,
            self._app.on_before_shutdown: self._close_guarantee,
        }
        for signal, handler in handlers.items():
            signal.connect(handler, weak=False)

    async def _consume(self, stream: Any) -> None:
        manual = stream.noack()
        takes: AsyncIterator[Sequence[Any]] = manual.noack_take(
            self._settings.batch_records, within=self._settings.batch_wait_seconds
        )
        async for taken in takes:
            try:
                for batch in split_by_items([event.message.value for event in taken]):
                    await self._wait_for_breaker()
                    await self._settle(taken[batch], name_reason(batch, len(taken), self._settings.batch_records))
                    for event in taken[batch]:
                        await manual.ack(event)
                    # Commits nothing, but empties Faust's book of what was acknowledged.
                    await self._app.consumer.commit()
            except Exception as error:
                # After a crash of Faust this error is only its consequence.
                cause = self._app.crash_reason or error
                end_process(find_exit_code(cause), "batch_not_settled", find_denial(cause) or error)

    async def _settle(self, events: Sequence[Any], reason: FlushReason) -> None:
        records = [_read_record(event.message) for event in events if self._is_ours(event.message.generation_id)]
        if not records:
            return
        if not self._app.rebalancing:
            self._settled_generation = self._app.consumer_generation_id
        self._health.begin_batch()
        self._metrics.count_received(len(records))
        self._group.note_begun(records, reason)
        settlement = await self._delivery.deliver(records)
        self._group.note_settled(records)
        now = time.time()
        self._metrics.count_batch(
            settlement.outcomes,
            [now - record.timestamp_seconds for record in records if record.timestamp_seconds],
        )
        self._metrics.count_texts(settlement.explanations, settlement.templates, settlement.violations)
        self._metrics.count_letters(settlement.dead_letters)
        self._count_models(settlement)
        self._metrics.inference_seconds.observe(settlement.inference_seconds)
        self._metrics.batch_tokens.observe(settlement.source_tokens)
        self._show_overload()
        self._metrics.commits.inc()
        self._health.end_batch()
        log.info("batch_settled", **settlement.outcomes, explanations=settlement.explanations.total())
        if settlement.errors:
            log.error("items_failed", errors=dict(settlement.errors))
        self._breaker.note(settlement.judged, settlement.failures)
        self._show_breaker()

    def _count_models(self, settlement: Settlement) -> None:
        for use, records in settlement.records_by_model.items():
            self._metrics.count_model_records(*use, records)
        for (use, source), texts in settlement.texts_by_model.items():
            self._metrics.count_model_texts(*use, source, texts)

    def _is_ours(self, generation: int) -> bool:
        """Whether records that were fetched in a generation of the group are still to be settled here.

        Others are left: nothing of them is committed, and whoever owns the partition next fetches them again. Who is
        about to give up its partitions, or to end, begins nothing new: the others wait for it.
        """
        if self._health.is_draining or generation != self._app.consumer_generation_id:
            return False
        # Of a generation in which nothing was settled before the rebalance, nobody knows whether it is the one that
        # ends or the next: Faust lets new records in a moment before it says that the rebalance is over.
        return not self._app.rebalancing or generation != self._settled_generation

    async def _wait_for_breaker(self) -> None:
        """Settle nothing while the breaker is open."""
        while (seconds := self._breaker.seconds_until_probe()) > 0:
            if self._app.rebalancing or self._health.is_draining:
                return
            await asyncio.sleep(min(seconds, BREAKER_TICK_SECONDS))
        self._show_breaker()

    def _show_breaker(self) -> None:
        reason = self._breaker.reason
        if bool(reason) != bool(self._health.breaker_reason):
            log.error("breaker_opened", reason=reason) if reason else log.info("breaker_closed")
        self._health.breaker_reason = reason
        self._metrics.set_breaker(self._breaker.state)
        self._metrics.breaker_openings.inc(self._breaker.openings - self._breaker_openings)
        self._breaker_openings = self._breaker.openings

    def _show_overload(self) -> None:
        overload = self._overload
        if overload.is_overloaded != self._was_overloaded:
            log.warning("overload_begun" if overload.is_overloaded else "overload_ended")
        if overload.clock_jumps > self._clock_jumps:
            log.warning("clock_jumped", jumps=overload.clock_jumps)
        self._metrics.clock_jumps.inc(overload.clock_jumps - self._clock_jumps)
        self._was_overloaded, self._clock_jumps = overload.is_overloaded, overload.clock_jumps
        self._metrics.overloaded.set(overload.is_overloaded)
        self._metrics.oldest_record_seconds.set(overload.oldest_seconds)

    async def _watch_overload(self) -> None:
        # Without batches nothing else says that an overload is over.
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._health.batch_started_at is None:
                self._overload.decide([])
                self._show_overload()

    async def _watch_topics(self) -> None:
        # Faust says once that a topic is missing, then looks healthy with an empty assignment.
        while True:
            await asyncio.sleep(TOPIC_WAIT_SECONDS if self._health.missing_topics else TOPIC_CHECK_SECONDS)
            try:
                self._health.missing_topics = await find_missing_topics(self._settings)
                if not self._health.missing_topics:
                    self._limits.max_message_bytes = await read_limits(self._settings)
            except PermissionDeniedError as error:
                # aiokafka tries refused credentials again for ever, and says so only in its log.
                end_process(ExitCode.PERMISSION, "permission_denied", error)
            except BrokerUnreachableError:
                # A broker that is away for a while makes no topic disappear; the delivery waits for it.
                continue
            except SettingsError as error:
                # Certificates are replaced while the worker runs: half of a file is no file, for a moment.
                log.error("settings_unusable", reason=str(error))

    async def _note_assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        log.info("partitions_assigned", partitions=sorted(partition.partition for partition in assigned))
        self._health.is_assigned = True
        self._group.note_assigned(len(assigned))
        if self._membership.note_join():
            end_process(ExitCode.BROKEN_MACHINE, "static_id_shared", None)

    async def _note_revoked(self, _app: Any, _revoked: Any, **_: Any) -> None:
        self._health.is_assigned = False
        self._group.note_revoked()

    async def _open_guarantee(self, _app: Any, **_: Any) -> None:
        """Get ready to settle; Faust reads the committed offsets after this, so that a fenced owner moves none."""
        try:
            owned = self._app.consumer.assignment()
            await self._guarantee.open(TopicPartition(one.topic, one.partition) for one in owned)
        except Exception as error:
            end_process(find_exit_code(error), "producer_not_started", find_denial(error) or error)

    async def _close_guarantee(self, _app: Any, **_: Any) -> None:
        await self._guarantee.close()


def find_exit_code(error: BaseException) -> ExitCode:
    """Find the exit code for an error that ends the worker."""
    return classify(error) or ExitCode.BROKEN_MACHINE


def _read_record(message: Any) -> IncomingRecord:
    return IncomingRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
        timestamp_seconds=message.timestamp,
        is_append_time=message.timestamp_type == APPEND_TIME,
    )
