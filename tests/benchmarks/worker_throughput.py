"""Explanations per second of the whole worker against the bare CTranslate2 loop, on the same prompts, in one run.

    make demo ARGS="--save demo.jsonl"
    .venv-demo/bin/python -m tests.benchmarks.worker_throughput demo.jsonl

The worker reads a backlog from the embedded broker, writes, checks, retries, publishes and commits. The bare loop only
tokenizes and generates the first prompt of each item, in batches of the same size and with as many threads: what no
worker around this model can exceed. Prints one JSON line.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

import orjson
from confluent_kafka import Producer

from stream_app.core.events import decode_event
from stream_app.core.prompt import build_prompt
from stream_app.local.broker import EmbeddedBroker
from stream_app.local.worker_process import WorkerProcess, find_free_port
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator
from stream_app.settings import load_settings

DEADLINE_SECONDS = 600.0
MAX_BACKLOG_BYTES = 4_000_000


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("saved", type=Path, help="what `prism demo --save` wrote")
    parser.add_argument("--events", type=int, default=60, help="how many of its events to use")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model, in both")
    options = parser.parse_args()
    events = read_events(options.saved)[: options.events]
    bare = measure_bare_loop(events, options.threads)
    worker, explanations = asyncio.run(measure_worker(events, options.threads))
    again = measure_bare_loop(events, options.threads)
    mean = (bare + again) / 2
    figures = {
        "threads": options.threads,
        "explanations": explanations,
        "worker_per_second": round(worker, 1),
        "bare_loop_per_second": [round(bare, 1), round(again, 1)],
        "worker_share_of_bare_loop": round(worker / mean, 3),
        "machine": f"{os.cpu_count()} cores",
    }
    print(orjson.dumps(figures).decode())


def read_events(saved: Path) -> list[bytes]:
    """Read the distinct events of a saved demo, in order; each stands there once for each of its explanations."""
    lines = map(orjson.loads, saved.read_bytes().splitlines())
    return list(dict.fromkeys(orjson.dumps(line["event"]) for line in lines))


def measure_bare_loop(events: list[bytes], threads: int) -> float:
    """Measure texts per second of tokenizing and generating alone."""
    generator = CTranslate2Generator(load_artifact(), threads)
    generator.warm_up()
    prompts = [
        (prompt := build_prompt(event, index)).render(prompt.plans[0])
        for event in map(decode_event, events)
        for index in event.items_to_explain
    ]
    size = load_settings().batch_records
    started = time.perf_counter()
    for first in range(0, len(prompts), size):
        generator.generate(prompts[first : first + size])
    return len(prompts) / (time.perf_counter() - started)


async def measure_worker(events: list[bytes], threads: int) -> tuple[float, int]:
    """Measure explanations per second on a backlog, from the end of the first batch to the end of the last."""
    from aiokafka import AIOKafkaConsumer

    if sum(map(len, events)) > MAX_BACKLOG_BYTES:
        raise SystemExit("too much for the embedded broker, which drops old records in silence: use fewer events")
    expected = sum(len(decode_event(event).items_to_explain) for event in events)
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as folder:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for event in events:
            producer.produce("ranking-events", event, key=orjson.loads(event)["user"]["user_id"])
        producer.flush()
        environment = os.environ | {
            "PRISM_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "PRISM_INFERENCE_THREADS": str(threads),
        }
        worker = WorkerProcess(environment, find_free_port(), Path(folder, "worker.log"))
        consumer = AIOKafkaConsumer(
            "explanations", bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        worker.start()
        try:
            return await _time_arrivals(consumer, expected), expected
        finally:
            worker.stop()
            await consumer.stop()


async def _time_arrivals(consumer: object, expected: int) -> float:
    """Time from the end of the first batch to the end of the last; the first batch itself is not counted."""
    arrivals: list[float] = []
    seen: set[tuple[str, str]] = set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        async for message in consumer:  # type: ignore[attr-defined]  # aiokafka has no types
            record = orjson.loads(message.value)
            seen.add((record["event_id"], record["item_id"]))
            arrivals.append(time.perf_counter())
            if len(seen) == expected:
                break
    first_batch = sum(arrival - arrivals[0] < 0.5 for arrival in arrivals)
    return (len(arrivals) - first_batch) / (arrivals[-1] - arrivals[first_batch - 1])


if __name__ == "__main__":
    main()
