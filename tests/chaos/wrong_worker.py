"""A worker that is wrong on purpose: it commits before it publishes. The matrix has to catch it.

`python -m tests.chaos.wrong_worker`, with the same settings as the right one.
"""

import asyncio
import os
import signal
import time
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from stream_app.core.pipeline import Explained, ExplanationPipeline
from stream_app.kafka.records import IncomingRecord, Timing, build_explanation_record
from stream_app.probes import Health, ProbeServer
from stream_app.settings import Settings, load_settings
from stream_app.telemetry import Metrics
from tests.chaos.worker import DELAY, StandIn


async def work(settings: Settings, pipeline: ExplanationPipeline, health: Health) -> None:
    """Take, commit, explain, publish: what is between commit and publish dies with the process."""
    consumer = AIOKafkaConsumer(
        settings.input_topic,
        bootstrap_servers=settings.bootstrap_servers,
        group_id=settings.consumer_group,
        group_instance_id=settings.instance_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=int(settings.session_timeout_seconds * 1000),
    )
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    async with consumer, producer:
        while True:
            taken = await consumer.getmany(timeout_ms=100, max_records=settings.batch_records)
            health.is_assigned = bool(consumer.assignment())
            messages = [message for messages in taken.values() for message in messages]
            if messages:
                await consumer.commit()
                await publish(producer, settings.output_topic, pipeline, messages)


async def publish(
    producer: AIOKafkaProducer, topic: str, pipeline: ExplanationPipeline, messages: list[IncomingRecord]
) -> None:
    """Explain and publish; what cannot be explained is forgotten."""
    outcomes = await asyncio.to_thread(pipeline.explain, [message.value for message in messages])
    timing = Timing(datetime.now(UTC), 0.0)
    for message, outcome in zip(messages, outcomes, strict=True):
        if isinstance(outcome, Explained):
            for one in outcome.explanations:
                record = build_explanation_record(message, one, topic, timing)
                await producer.send(record.topic, record.value, record.key, headers=list(record.headers))
    await producer.flush()


def main() -> None:
    """Work until a signal comes."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    settings = load_settings()
    pipeline = ExplanationPipeline(StandIn(float(os.environ.get(DELAY, "0")), is_warm=True))
    health = Health(60, time.monotonic)
    health.is_model_warm, health.missing_topics = True, ()
    with ProbeServer(health, Metrics(), settings.http_host, settings.http_port):
        asyncio.run(work(settings, pipeline, health))


if __name__ == "__main__":
    main()
