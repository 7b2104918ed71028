"""The worker as a process: what is built before Faust starts, how it runs, and with which code it ends."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import faust
import structlog

from stream_app.core.errors import ModelUnusableError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import DrainingWorker, Positions, build_app
from stream_app.kafka.clients import BrokerUnreachableError, PermissionDeniedError, find_denial, find_missing_topics
from stream_app.kafka.delivery import Delivery
from stream_app.kafka.edge import TICK_SECONDS, Edge, read_limits
from stream_app.kafka.guarantees import build_guarantee
from stream_app.kafka.model_roll import Rolling, build_watch
from stream_app.kafka.models import Contender, Explainer, Lineup, Models
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.publication import SizeLimits
from stream_app.kafka.shadow import Shadow
from stream_app.kafka.shutdown import Drain
from stream_app.kafka.spans import build_tracing
from stream_app.kafka.warm_up import warm_up
from stream_app.probes import Health, ProbeServer
from stream_app.settings import Settings, SettingsError
from stream_app.telemetry import Metrics, configure_logging

INFERENCE_LIMIT_SECONDS: Final = 180.0
"""No batch of MAX_BATCH_ITEMS needs longer for inference, unless generation fails on many of its items; with the retry
budget it bounds how long a batch may be at work."""

log = structlog.stdlib.get_logger(__name__)


def run_worker(settings: Settings, pipeline: Explainer, rolling: Rolling | None = None) -> int:
    """Run the worker until SIGTERM or SIGINT; returns the exit code.

    Ends the process itself (exit code 70) when a batch cannot be settled, or (75) when draining takes too long.

    Args:
        settings: everything that can be set.
        pipeline: the model to begin with.
        rolling: where that model's successors, a canary and a shadow come from; without it there are none.
    """
    configure_logging(settings.log_level)
    metrics = Metrics()
    health = Health(settings.retry_budget_seconds + INFERENCE_LIMIT_SECONDS)
    try:
        with ProbeServer(health, metrics, settings.http_host, settings.http_port) as probes:
            log.info("probes_listening", port=probes.port)
            return _run_warm(settings, pipeline, rolling, metrics, health)
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


def _run_warm(
    settings: Settings, pipeline: Explainer, rolling: Rolling | None, metrics: Metrics, health: Health
) -> int:
    serving = Contender(pipeline, warm_up(pipeline))
    metrics.set_model(*serving.use)
    models = Models(Lineup(serving, canary_percent=settings.canary_percent))
    health.is_model_warm = True
    # Before Faust starts: its own complaint about a broker that is not there is pages long.
    health.missing_topics = asyncio.run(find_missing_topics(settings))
    limits = SizeLimits()
    if not health.missing_topics:
        limits.max_message_bytes = asyncio.run(read_limits(settings))
    app = build_app(settings)
    overload = OverloadPolicy(settings.overload, settings.overload_deadline_seconds)
    guarantee = build_guarantee(settings, limits, lambda positions: _commit(app, positions))
    tracing = build_tracing(settings)
    drain = Drain(health, settings.drain_seconds)
    with _follow_models(settings, rolling, models, metrics) as shadow:
        delivery = Delivery(settings, models, guarantee, overload, limits, tracing, shadow)
        Edge(app, settings, delivery, guarantee, overload, limits, metrics, health).attach()
        try:
            return _run_app(app, health, drain)
        finally:
            delivery.close()
            drain.finish()
            tracing.close()


@contextmanager
def _follow_models(
    settings: Settings, rolling: Rolling | None, models: Models, metrics: Metrics
) -> Iterator[Shadow | None]:
    """Roll the models while the block runs; gives the shadow, if there is one."""
    if rolling is None:
        yield None
        return
    watch = build_watch(settings, rolling, models, metrics)
    shadow = Shadow(settings, rolling.source, metrics) if settings.shadow_model else None
    watch.start()
    if shadow:
        shadow.start()
    before = signal.signal(signal.SIGHUP, lambda *_: watch.ask())
    try:
        yield shadow
    finally:
        signal.signal(signal.SIGHUP, before)
        watch.stop()
        if shadow:
            shadow.stop()


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


async def _commit(app: faust.App, positions: Positions) -> None:
    consumer: Any = app.consumer
    await consumer.commit_positions(positions)
