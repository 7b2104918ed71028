"""The worker: a Faust app that takes batches of raw records, and settles each before it takes the next.

Explain, publish, wait for the broker, acknowledge in order, commit. No exception leaves the agent: Faust would go on
acknowledging records behind a failed one. What cannot be settled ends the process, and the next owner does it again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import faust
import structlog
from aiokafka.structs import TopicPartition

from stream_app.core.errors import ModelUnusableError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import DrainingWorker, Positions, build_app
from stream_app.kafka.batches import split_by_items
from stream_app.kafka.breaker import CircuitBreaker
from stream_app.kafka.clients import (
    BrokerUnreachableError,
    PermissionDeniedError,
    classify,
    find_denial,
    find_missing_topics,
    read_max_message_bytes,
)
from stream_app.kafka.delivery import Delivery, Explainer
from stream_app.kafka.guarantees import Guarantee, SizeLimits, build_guarantee
from stream_app.kafka.membership import Membership
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.records import IncomingRecord
from stream_app.kafka.shutdown import Drain, end_process
from stream_app.kafka.warm_up import warm_up
from stream_app.probes import Health, ProbeServer
from stream_app.settings import Settings, SettingsError
from stream_app.telemetry import Metrics, configure_logging

TICK_SECONDS: Final = 1.0
TOPIC_WAIT_SECONDS: Final = 2.0
TOPIC_CHECK_SECONDS: Final = 60.0
BREAKER_TICK_SECONDS: Final = 0.2
APPEND_TIME: Final = 1
"""Kafka's number for a time stamp that the broker gave."""
INFERENCE_LIMIT_SECONDS: Final = 180.0
"""No batch of MAX_BATCH_ITEMS needs longer for inference, unless generation fails on many of its items; with the retry
budget it bounds how long a batch may be at work."""

log = structlog.stdlib.get_logger(__name__)


def run_worker(settings: Settings, pipeline: Explainer) -> int:
    """Run the worker until SIGTERM or SIGINT; returns the exit code.

    Ends the process itself (exit code 70) when a batch cannot be settled, or (75) when draining takes too long.
    """
    configure_logging(settings.log_level)
    metrics = Metrics()
    health = Health(settings.retry_budget_seconds + INFERENCE_LIMIT_SECONDS)
    try:
        with ProbeServer(health, metrics, settings.http_host, settings.http_port) as probes:
            log.info("probes_listening", port=probes.port)
            return _run_warm(settings, pipeline, metrics, health)
    except PermissionDeniedError as error:
        log.critical("permission_denied", reason=str(error))
        return error.exit_code
    except BrokerUnreachableError as error:
        log.critical("broker_unreachable", reason=str(error))
        return error.exit_code
    except SettingsError as error:
        log.critical("settings_unusable", reason=str(error))
        return error.exit_code
    except ModelUnusableError as error:
        log.critical("model_unusable", reason=str(error))
        return ExitCode.BROKEN_MACHINE
    except OSError as error:
        log.critical("port_unusable", port=settings.http_port, reason=error.strerror)
        return ExitCode.CONFIGURATION


def _run_warm(settings: Settings, pipeline: Explainer, metrics: Metrics, health: Health) -> int:
    model = warm_up(pipeline)
    metrics.set_model(model.name, model.version)
    health.is_model_warm = True
    # Before Faust starts: its own complaint about a broker that is not there is pages long.
    health.missing_topics = asyncio.run(find_missing_topics(settings))
    limits = SizeLimits()
    if not health.missing_topics:
        limits.max_message_bytes = asyncio.run(_read_limits(settings))
    app = build_app(settings)
    overload = OverloadPolicy(settings.overload, settings.overload_deadline_seconds)
    guarantee = build_guarantee(settings, limits, lambda positions: _commit(app, positions))
    delivery = Delivery(settings, pipeline, model, guarantee, overload, limits)
    drain = Drain(health, settings.drain_seconds)
    _Edge(app, settings, delivery, guarantee, overload, limits, metrics, health).attach()
    try:
        return _run_app(app, health, drain)
    finally:
        delivery.close()
        drain.finish()


def _run_app(app: faust.App, health: Health, drain: Drain) -> int:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = DrainingWorker(app, drain, loop)

    def tick() -> None:
        health.tick()
        if app.crashed or worker.crashed:
            # Faust stops by itself after a crash; this is for when it hangs while it does.
            drain.begin(ExitCode.BROKEN_MACHINE)
        loop.call_later(TICK_SECONDS, tick)

    loop.call_soon(tick)
    try:
        worker.execute_from_commandline()
    except SystemExit as ending:
        is_clean = ending.code in (0, None) and not (app.crashed or worker.crashed)
        log.info("worker_ended", clean=is_clean)
        if is_clean:
            return ExitCode.OK
        reason = app.crash_reason or worker.crash_reason
        if reason is not None and (denial := find_denial(reason)):
            log.critical("permission_denied", reason=str(denial))
            return denial.exit_code
        return ExitCode.BROKEN_MACHINE


async def _read_limits(settings: Settings) -> dict[str, int]:
    return await read_max_message_bytes(settings, (settings.output_topic, settings.dead_letter_topic))


async def _commit(app: faust.App, positions: Positions) -> None:
    consumer: Any = app.consumer
    await consumer.commit_positions(positions)


class _Edge:
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
        self._was_overloaded, self._clock_jumps = False, 0
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
                    # Who is about to give up its partitions begins nothing new, and keeps nobody waiting: nothing of
                    # the batch is committed, and the next owner fetches it again.
                    if not self._is_leaving:
                        await self._settle(taken[batch])
                    for event in taken[batch]:
                        await manual.ack(event)
                    # Commits nothing, but empties Faust's book of what was acknowledged.
                    await self._app.consumer.commit()
            except Exception as error:
                # After a crash of Faust this error is only its consequence.
                cause = self._app.crash_reason or error
                end_process(find_exit_code(cause), "batch_not_settled", find_denial(cause) or error)

    async def _settle(self, events: Sequence[Any]) -> None:
        # What was fetched before a rebalance belongs to whoever owns its partition now, and is fetched again.
        generation = self._app.consumer_generation_id
        records = [_read_record(event.message) for event in events if event.message.generation_id == generation]
        if not records:
            return
        self._health.begin_batch()
        self._metrics.count_received(len(records))
        settlement = await self._delivery.deliver(records)
        now = time.time()
        self._metrics.count_batch(
            settlement.outcomes,
            [now - record.timestamp_seconds for record in records if record.timestamp_seconds],
        )
        self._metrics.count_texts(settlement.explanations, settlement.templates, settlement.violations)
        self._metrics.count_letters(settlement.dead_letters)
        self._metrics.inference_seconds.observe(settlement.inference_seconds)
        self._show_overload()
        self._metrics.commits.inc()
        self._health.end_batch()
        log.info("batch_settled", **settlement.outcomes, explanations=settlement.explanations.total())
        if settlement.errors:
            log.error("items_failed", errors=dict(settlement.errors))
        self._breaker.note(settlement.judged, settlement.failures)
        self._show_breaker()

    @property
    def _is_leaving(self) -> bool:
        """Whether the partitions are about to be given up: by a rebalance, or because the process is to end."""
        return bool(self._app.rebalancing) or self._health.is_draining

    async def _wait_for_breaker(self) -> None:
        """Settle nothing while the breaker is open."""
        while (seconds := self._breaker.seconds_until_probe()) > 0:
            if self._is_leaving:
                return
            await asyncio.sleep(min(seconds, BREAKER_TICK_SECONDS))
        self._show_breaker()

    def _show_breaker(self) -> None:
        reason = self._breaker.reason
        if bool(reason) != bool(self._health.breaker_reason):
            log.error("breaker_opened", reason=reason) if reason else log.info("breaker_closed")
        self._health.breaker_reason = reason
        self._metrics.set_breaker(self._breaker.state)
        self._metrics.breaker_openings.set(self._breaker.openings)

    def _show_overload(self) -> None:
        overload = self._overload
        if overload.is_overloaded != self._was_overloaded:
            log.warning("overload_begun" if overload.is_overloaded else "overload_ended")
        if overload.clock_jumps > self._clock_jumps:
            log.warning("clock_jumped", jumps=overload.clock_jumps)
        self._was_overloaded, self._clock_jumps = overload.is_overloaded, overload.clock_jumps
        self._metrics.overloaded.set(overload.is_overloaded)
        self._metrics.oldest_record_seconds.set(overload.oldest_seconds)
        self._metrics.clock_jumps.set(overload.clock_jumps)

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
                    self._limits.max_message_bytes = await _read_limits(self._settings)
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
        if self._membership.note_join():
            end_process(ExitCode.BROKEN_MACHINE, "static_id_shared", None)

    async def _note_revoked(self, _app: Any, _revoked: Any, **_: Any) -> None:
        self._health.is_assigned = False

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
