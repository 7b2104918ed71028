"""The Faust app with the settings that do not lose data, and the few places where Faust needs another part."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import faust
from faust.transport.drivers.aiokafka import Producer, Transport

from stream_app.kafka.clients import build_security
from stream_app.kafka.shutdown import Drain
from stream_app.settings import Settings

NEVER_SECONDS: Final = 86_400.0
MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
"""Above any limit that a topic usually has: the topic's own limit decides, so that dead letters stay whole."""

HEARTBEATS_PER_SESSION: Final = 10


class IdempotentProducer(Producer):
    """Faust has no setting for it: the broker drops what aiokafka sends twice after a lost answer."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class IdempotentTransport(Transport):
    """Makes idempotent producers."""

    Producer = IdempotentProducer


class StatelessApp(faust.App):
    """A Faust app without tables: nothing is written to the disk, which may be read-only."""

    def _new_producer_transport(self) -> Any:
        return IdempotentTransport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        return


class DrainingWorker(faust.Worker):
    """Faust's worker, which waits for the batch at work without limit, with a limit."""

    def __init__(self, app: faust.App, drain: Drain, loop: asyncio.AbstractEventLoop) -> None:
        # Without these three, Faust replaces the logging and writes to standard output.
        super().__init__(app, loop=loop, override_logging=False, redirect_stdouts=False, quiet=True)
        self.spinner = None  # It would write to standard output.
        self._drain = drain

    def _on_sigterm(self) -> None:
        self._drain.handle_signal()
        super()._on_sigterm()

    def _on_sigint(self) -> None:
        self._drain.handle_signal()
        super()._on_sigint()

    def _setproctitle(self, info: str, *, ident: str = "prism") -> None:
        # A process that renames itself cannot be found by the name it was started with.
        return


def build_app(settings: Settings) -> faust.App:
    """Build the app; every setting stands here because its default loses records, blocks, or opens a port."""
    request_seconds = max(90.0, 2 * settings.session_timeout_seconds)
    return StatelessApp(
        settings.consumer_group,
        broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
        broker_credentials=build_security(settings).build_faust_credentials(),
        autodiscover=False,
        store="memory://",
        web_enabled=False,
        # By default a slow worker with a backlog leaves its group and never comes back.
        broker_max_poll_records=200,
        broker_max_poll_interval=NEVER_SECONDS,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=settings.session_timeout_seconds / HEARTBEATS_PER_SESSION,
        # The request has to outlive the rebalance that it waits for, or the group keeps ghost members.
        broker_rebalance_timeout=request_seconds - 30.0,
        broker_request_timeout=request_seconds,
        # Each batch commits itself; a second committer would make the results of commits ambiguous.
        broker_commit_interval=NEVER_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
        consumer_max_fetch_size=262_144,
        # A topic that is created later is seen after this time; by default after five minutes.
        consumer_metadata_max_age_ms=15_000,
        stream_buffer_maxsize=128,
        stream_wait_empty=True,
        producer_acks=-1,
        producer_max_request_size=MAX_REQUEST_BYTES,
        # Longer than the retry budget: an idempotent producer must not give a batch up and go on with the next.
        producer_request_timeout=settings.retry_budget_seconds + 60.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
    )
