"""All checks, one after the other: what needs an earlier one to succeed is left out where that failed."""

import asyncio
from collections.abc import Iterator, Mapping

from stream_app import __version__
from stream_app.doctor.cluster import judge_cluster, refuse_broker
from stream_app.doctor.configuration import judge_settings, refuse_settings
from stream_app.doctor.findings import Finding, Report, build_report
from stream_app.doctor.machine import (
    count_cores,
    judge_memory,
    judge_processor,
    judge_threads,
    read_limits,
    read_peak_bytes,
    read_processor,
)
from stream_app.doctor.model import check_model
from stream_app.kafka.clients import BrokerUnreachableError
from stream_app.kafka.inspection import inspect_cluster
from stream_app.kafka.spans import build_tracing
from stream_app.settings import Settings, SettingsError, load_settings


def examine(environment: Mapping[str, str], replicas: int | None) -> Report:
    """Check everything; takes a few seconds, and changes nothing.

    Args:
        environment: the variables of this process.
        replicas: how many workers are to run at most; None: not known.
    """
    return build_report(__version__, list(_list_findings(environment, replicas)))


def _list_findings(environment: Mapping[str, str], replicas: int | None) -> Iterator[Finding]:
    try:
        settings = load_settings()
        build_tracing(settings).close()
    except SettingsError as error:
        yield from refuse_settings(error)
        yield from judge_processor(read_processor(), environment)
        return
    yield from judge_settings(settings, environment)
    yield from _examine_machine(settings, environment)
    yield from _examine_cluster(settings, replicas)


def _examine_machine(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    limits = read_limits()
    yield from judge_processor(read_processor(), environment)
    yield judge_threads(settings.inference_threads, count_cores(), limits.cpu_quota)
    yield from check_model(settings)
    # With the model loaded and at work, this process is about as large as a worker.
    yield judge_memory(limits.memory_bytes, read_peak_bytes())


def _examine_cluster(settings: Settings, replicas: int | None) -> Iterator[Finding]:
    try:
        facts = asyncio.run(inspect_cluster(settings))
    except BrokerUnreachableError as error:
        yield refuse_broker(error)
    except SettingsError as error:
        yield from refuse_settings(error)
    else:
        yield from judge_cluster(facts, settings, replicas)
