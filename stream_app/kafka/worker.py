"""The worker as a process: what is built before Faust starts, how it runs, and with which code it ends."""

import asyncio
from typing import Any, Final

import faust
import structlog

from stream_app.core.errors import ModelUnusableError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import DrainingWorker, Positions, build_app
from stream_app.kafka.clients import BrokerUnreachableError, PermissionDeniedError, find_denial, find_missing_topics
from stream_app.kafka.delivery import Delivery, Explainer
from stream_app.kafka.edge import TICK_SECONDS, Edge, read_limits
from stream_app.kafka.guarantees import build_guarantee
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.publication import SizeLimits
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
        limits.max_message_bytes = asyncio.run(read_limits(settings))
    app = build_app(settings)
    overload = OverloadPolicy(settings.overload, settings.overload_deadline_seconds)
    guarantee = build_guarantee(settings, limits, lambda positions: _commit(app, positions))
    tracing = build_tracing(settings)
    delivery = Delivery(settings, pipeline, model, guarantee, overload, limits, tracing)
    drain = Drain(health, settings.drain_seconds)
    Edge(app, settings, delivery, guarantee, overload, limits, metrics, health).attach()
    try:
        return _run_app(app, health, drain)
    finally:
        delivery.close()
        drain.finish()
        tracing.close()


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
