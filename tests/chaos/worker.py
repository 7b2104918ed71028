"""The worker under test: `python -m tests.chaos.worker`.

The whole worker as it ships, around a deterministic stand-in for the generator (or the real model with `--model`),
with exceptions injected where the environment says so. Kafka's own exceptions are injected at the client library's
surface, so that no part of the worker is replaced.
"""

import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

import stream_app.core.pipeline as pipeline_module
from stream_app.bootstrap import build_pipeline
from stream_app.core.errors import GenerationError
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft
from stream_app.core.pipeline import ExplanationPipeline
from stream_app.kafka.worker import run_worker
from stream_app.settings import load_settings
from tests.chaos.load import CURSED_TITLE
from tests.fakes import write_by_prompt

DELAY: Final = "CHAOS_DELAY_SECONDS"
"""How long the stand-in takes for each batch."""
FAULT: Final = "CHAOS_FAULT"
"""Where to raise: decode, generate, publish, commit, or clock: the host's clock jumps."""
EVERY: Final = "CHAOS_EVERY"
"""Every n-th call of that place raises."""
CLOCK_JUMPS_SECONDS: Final = (0.0, 3_600.0, -3_600.0, 86_400.0, -30.0)


class InjectedError(Exception):
    """What no part of the worker expects."""


class InjectedKafkaError(KafkaError):  # type: ignore[misc]  # aiokafka ships no types.
    """What a Kafka client may raise."""


@dataclass
class StandIn:
    """Writes a faithful text that depends on the prompt alone, after a stated delay per batch."""

    delay_seconds: float
    identity: ModelIdentity = field(default_factory=lambda: ModelIdentity(name="stand-in", version="1"))
    is_warm: bool = False

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write for each prompt; fails for all of them where one is cursed."""
        # The first call is the warm-up, which nobody wants to wait for.
        if prompts and self.is_warm:
            time.sleep(self.delay_seconds)
        self.is_warm = True
        if any(CURSED_TITLE.lower() in prompt.lower() for prompt in prompts):
            raise GenerationError("one of the prompts cannot be written for")
        return [Draft(write_by_prompt(prompt)) for prompt in prompts]


class Trap:
    """Raises at every n-th call: in some processes before the call, in others after it has been done."""

    def __init__(self, every: int, error: type[Exception]) -> None:
        self._every = every
        self._error = error
        self._calls = 0

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a function."""

        def trapped(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if self._calls % self._every == 0:
                raise self._error("injected")
            return call(*args, **kwargs)

        return trapped

    def wrap_async(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Wrap a coroutine function."""

        async def trapped(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            is_due = self._calls % self._every == 0
            # By process, because most of them end with the first error.
            is_before = os.getpid() % 2 == 0
            if is_due and is_before:
                raise self._error("injected before")
            result = await call(*args, **kwargs)
            if is_due:
                raise self._error("injected after")
            return result

        return trapped


def inject(fault: str, every: int) -> None:
    """Put the trap where the fault belongs."""
    client, own = Trap(every, InjectedKafkaError), Trap(every, InjectedError)
    producer: Any = AIOKafkaProducer
    consumer: Any = AIOKafkaConsumer
    stand_in: Any = StandIn
    module: Any = pipeline_module
    if fault == "decode":
        module.decode_event = own.wrap(module.decode_event)
    elif fault == "generate":
        stand_in.generate = own.wrap(stand_in.generate)
    elif fault == "publish":
        producer.send = client.wrap_async(producer.send)
    elif fault == "commit":
        consumer.commit = client.wrap_async(consumer.commit)
        producer.commit_transaction = client.wrap_async(producer.commit_transaction)
    elif fault == "clock":
        time.time = _build_jumping_clock(time.time)
    else:
        raise SystemExit(f"{FAULT}={fault} is unknown")


def _build_jumping_clock(clock: Callable[[], float]) -> Callable[[], float]:
    started = clock()

    def read() -> float:
        now = clock()
        return now + CLOCK_JUMPS_SECONDS[int(now - started) // 3 % len(CLOCK_JUMPS_SECONDS)]

    return read


def main() -> int:
    """Run the worker; returns its exit code."""
    settings = load_settings()
    if fault := os.environ.get(FAULT):
        inject(fault, int(os.environ.get(EVERY, "50")))
    if "--model" in sys.argv:
        return run_worker(settings, build_pipeline(settings.model, settings.inference_threads))
    return run_worker(settings, ExplanationPipeline(StandIn(float(os.environ.get(DELAY, "0")))))


if __name__ == "__main__":
    sys.exit(main())
