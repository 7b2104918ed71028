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

from stream_app.core.errors import ModelUnusableError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import DrainingWorker, build_app
from stream_app.kafka.clients import BrokerUnreachableError, find_missing_topics
from stream_app.kafka.delivery import Delivery, Explainer
from stream_app.kafka.membership import Membership
from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.kafka.shutdown import Drain, end_process
from stream_app.kafka.warm_up import warm_up
from stream_app.probes import Health, ProbeServer
from stream_app.settings import Settings, SettingsError
from stream_app.telemetry import Metrics, configure_logging

TICK_SECONDS: Final = 1.0
TOPIC_WAIT_SECONDS: Final = 2.0
TOPIC_CHECK_SECONDS: Final = 60.0
INFERENCE_LIMIT_SECONDS: Final = 180.0
"""No batch needs longer for inference; with the retry budget it bounds how long a batch may be at work."""

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
    app = build_app(settings)
    delivery = Delivery(settings, pipeline, model, lambda record: _send(app, record))
    drain = Drain(health, settings.drain_seconds)
    _Edge(app, settings, delivery, metrics, health).attach()
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
        return ExitCode.OK if is_clean else ExitCode.BROKEN_MACHINE


async def _send(app: faust.App, record: OutgoingRecord) -> Any:
    producer: Any = app.producer
    return await producer.send(record.topic, record.key, record.value, None, None, list(record.headers))


class _Edge:
    """Attaches the worker's parts to a Faust app: the agent, the listeners, the watch over topics."""

    def __init__(
        self, app: faust.App, settings: Settings, delivery: Delivery, metrics: Metrics, health: Health
    ) -> None:
        self._app = app
        self._settings = settings
        self._delivery = delivery
        self._metrics = metrics
        self._health = health
        self._membership = Membership(is_static=settings.instance_id is not None)

    def attach(self) -> None:
        """Attach everything; before the app starts."""
        topic = self._app.topic(
            self._settings.input_topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self._app.agent(topic, name="explain", concurrency=1)(self._consume)
        self._app.task(self._watch_topics)
        # As Any: Faust's type of a signal's handler fits no function that names its arguments.
        note_assigned: Any = self._note_assigned
        note_revoked: Any = self._note_revoked
        self._app.on_partitions_assigned.connect(note_assigned, weak=False)
        self._app.on_partitions_revoked.connect(note_revoked, weak=False)

    async def _consume(self, stream: Any) -> None:
        manual = stream.noack()
        batches: AsyncIterator[Sequence[Any]] = manual.noack_take(
            self._settings.batch_records, within=self._settings.batch_wait_seconds
        )
        async for events in batches:
            try:
                await self._settle(manual, events)
            except Exception as error:
                end_process(ExitCode.BROKEN_MACHINE, "batch_not_settled", error)

    async def _settle(self, stream: Any, events: Sequence[Any]) -> None:
        records = [_read_record(event.message) for event in events]
        self._health.begin_batch()
        self._metrics.count_received(len(records))
        settlement = await self._delivery.deliver(records)
        for event in events:
            await stream.ack(event)
        async with asyncio.timeout(self._settings.retry_budget_seconds):
            is_committed = await self._app.consumer.commit()
        self._membership.note_commit(is_committed)
        self._metrics.count_batch(
            settlement.explained,
            settlement.dead_letters,
            [time.time() - record.timestamp_seconds for record in records if record.timestamp_seconds],
        )
        self._metrics.count_texts(settlement.explanations, settlement.templates, settlement.violations)
        self._metrics.inference_seconds.observe(settlement.inference_seconds)
        self._metrics.commits.inc(is_committed)
        self._health.end_batch()
        log.info(
            "batch_settled",
            explained=settlement.explained,
            dead_letters=settlement.dead_letters,
            explanations=settlement.explanations.total(),
            committed=is_committed,
        )

    async def _watch_topics(self) -> None:
        # Faust says once that a topic is missing, then looks healthy with an empty assignment.
        while True:
            await asyncio.sleep(TOPIC_WAIT_SECONDS if self._health.missing_topics else TOPIC_CHECK_SECONDS)
            try:
                self._health.missing_topics = await find_missing_topics(self._settings)
            except BrokerUnreachableError:
                # A broker that is away for a while makes no topic disappear; the delivery waits for it.
                continue

    async def _note_assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        log.info("partitions_assigned", partitions=sorted(partition.partition for partition in assigned))
        self._health.is_assigned = True
        if self._membership.note_join():
            end_process(ExitCode.BROKEN_MACHINE, "static_id_shared", None)

    async def _note_revoked(self, _app: Any, _revoked: Any, **_: Any) -> None:
        self._health.is_assigned = False


def _read_record(message: Any) -> IncomingRecord:
    return IncomingRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
        timestamp_seconds=message.timestamp,
    )
