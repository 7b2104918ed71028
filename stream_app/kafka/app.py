"""The Faust app with the settings that do not lose data, and the few places where Faust needs another part."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from stream_app.kafka.clients import build_security
from stream_app.kafka.progress import Progress
from stream_app.kafka.shutdown import Drain
from stream_app.settings import Settings
from stream_app.telemetry import PartitionLag

NEVER_SECONDS: Final = 86_400.0
HEARTBEATS_PER_SESSION: Final = 10
LAG_LIMIT_SECONDS: Final = 5.0
"""For one question to the broker where the partitions end; it is asked again soon."""

Positions = Mapping[TopicPartition, int]
"""Of each input partition the offset of the next record to be worked on, as Kafka commits it."""


class SettlingConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, which commits what it is told, and keeps book of what it fetched."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.progress = Progress()

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no setting for it: what a ranker's transaction took back is not to be explained.
        consumer._isolation_level = "read_committed"
        return consumer

    async def commit_positions(self, positions: Positions) -> None:
        """Commit; raises what aiokafka raises, where Faust's own commit would crash the app."""
        await self.call_thread(self._commit_positions, positions)

    async def _commit_positions(self, positions: Positions) -> None:
        await self._ensure_consumer().commit(dict(positions))

    async def _fetch_records(self, consumer: AIOKafkaConsumer, *arguments: Any, **named: Any) -> Any:
        assignment = _get_assignment(consumer)
        fetched = await super()._fetch_records(consumer, *arguments, **named)
        if assignment is _get_assignment(consumer):
            for partition, records in fetched.items():
                self.progress.note_fetched(assignment, partition, records[0].offset, records[-1].offset + 1)
        return fetched

    async def read_lags(self) -> tuple[PartitionLag, ...] | None:
        """Read where the partitions end, and compare; for the thread's own loop, beside its queue.

        As the consumer reads committed records only, the broker answers with the last stable offsets.
        """
        consumer = self._ensure_consumer()
        assignment = _get_assignment(consumer)
        if assignment is None:
            return ()
        ends = await consumer.end_offsets(assignment.tps)
        if assignment is not _get_assignment(consumer):
            return None
        return tuple(
            PartitionLag(
                one.topic, one.partition, max(0, end - self.progress.find_next(assignment, one, state.position))
            )
            for one, end in ends.items()
            if (state := assignment.state_value(one)).has_valid_position
        )


def _get_assignment(consumer: AIOKafkaConsumer) -> Any:
    """Get the partitions that are assigned, an object that is another after each rebalance; aiokafka has no types."""
    subscription = consumer._subscription.subscription
    return None if subscription is None else subscription.assignment


class SettlingConsumer(Consumer):
    """Faust's consumer, whose own commits do nothing: offsets move by the worker's hand only.

    What Faust would commit it derives from acknowledgements, and it acknowledges more than was settled: messages that
    it skips in a rebalance, and the head of a gap.
    """

    @property
    def progress(self) -> Progress:
        """How far the partitions are fetched and settled."""
        thread: Any = self._thread
        progress: Progress = thread.progress
        return progress

    async def read_lags(self) -> tuple[PartitionLag, ...] | None:
        """Read how far this worker is behind the ends of its partitions; None where these changed meanwhile.

        Raises:
            TimeoutError, aiokafka.errors.KafkaError: the broker does not tell.
        """
        thread: Any = self._thread
        # Not through the thread's queue: it has two hands, and one may not be held out to a broker that is away.
        reading = asyncio.run_coroutine_threadsafe(thread.read_lags(), thread.thread_loop)
        async with asyncio.timeout(LAG_LIMIT_SECONDS):
            return await asyncio.wrap_future(reading)

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return SettlingConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _commit(self, _offsets: Mapping[Any, int]) -> bool:
        return True

    async def commit_positions(self, positions: Positions) -> None:
        """Commit positions; returns when the broker has them.

        Raises:
            aiokafka.errors.KafkaError: the broker refuses; CommitFailedError or IllegalStateError where this worker
                owns a partition no longer.
        """
        thread: Any = self._thread
        await thread.commit_positions(positions)


class SettlingTransport(Transport):
    """Makes such consumers."""

    Consumer = SettlingConsumer


class StatelessApp(faust.App):
    """A Faust app without tables: nothing is written to the disk, which may be read-only."""

    def _new_transport(self) -> Any:
        return SettlingTransport(self.conf.broker_consumer, self)

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
        # Faust's own commits do nothing; the worker asks for one after each batch, to empty its book of them.
        broker_commit_interval=NEVER_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
        consumer_max_fetch_size=262_144,
        # A topic that is created later is seen after this time; by default after five minutes.
        consumer_metadata_max_age_ms=15_000,
        stream_buffer_maxsize=128,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
    )
