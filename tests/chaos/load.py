"""The load: events keyed by user id at a stated rate, some of them poison, all of them known from a seed."""

import threading
import time
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from confluent_kafka import Producer

from tests.broker.harness import ID_HEADER, build_event

TICK_SECONDS: Final = 0.02
FLUSH_SECONDS: Final = 300.0
LATE_SHARE: Final = 0.25
POISON: Final[tuple[bytes | None, ...]] = (
    b"{",
    None,
    b"[" * 40 + b"]" * 40,
    build_event(0, event_id=7),
    build_event(0, items=0),
)
USUAL_TITLE: Final = b"A Lamp at Sea"
CURSED_TITLE: Final = "The Cursed Reel"
"""A generator that is told to fails on it, every time."""


@dataclass(frozen=True)
class LoadPlan:
    """What is sent: rate, and which shares of the records are out of the ordinary."""

    events_per_second: float
    seed: int = 0
    poison_share: float = 0.0
    cursed_share: float = 0.0
    padded_share: float = 0.0
    padding_bytes: int = 0
    max_items: int = 2

    def reseed(self, seed: int) -> "LoadPlan":
        """The same plan with other draws."""
        return replace(self, seed=seed)

    def build(self, number: int) -> "Sent":
        """Build the record with a number; always the same one for the same number."""
        draw = Random(self.seed * 1_000_003 + number).random()
        identity = f"event-{number}"
        if draw < self.poison_share:
            return Sent(identity, POISON[number % len(POISON)], ())
        items = self.max_items if number % 4 == 0 else 1
        padding = self.padding_bytes if draw > 1 - self.padded_share else 0
        value = build_event(number, items)
        if 0 <= draw - self.poison_share < self.cursed_share:
            value = value.replace(USUAL_TITLE, CURSED_TITLE.encode())
        ids = tuple(f"item:{number}-{rank}" for rank in range(1, items + 1))
        return Sent(identity, value, ids, padding)


@dataclass(frozen=True)
class Sent:
    """One record of the load; `items` are those to be explained: none where the record is poison."""

    id: str
    value: bytes | None
    items: tuple[str, ...]
    padding_bytes: int = 0


def find_key(number: int) -> bytes:
    """Find the key of the event with a number."""
    return f"user/{number % 17}".encode()


class Loader(threading.Thread):
    """Sends until it is told to finish, and at least so many events; a thread of its own."""

    def __init__(self, bootstrap_servers: str, topic: str, plan: LoadPlan, events: int) -> None:
        super().__init__(name=f"load-{topic}", daemon=True)
        self.plan = plan
        self.sent: dict[str, Sent] = {}
        self.failures: list[str] = []
        self._topic = topic
        self._events = events
        self._is_finishing = False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                # It has to outlive every fault, and to come back at once after it.
                "message.timeout.ms": 600_000,
                "reconnect.backoff.max.ms": 250,
                "linger.ms": 5,
                "log_level": 0,
            }
        )

    def run(self) -> None:
        """Send on schedule; a broker that is away only fills the producer's own queue."""
        due, last = 0.0, time.monotonic()
        while not (self._is_finishing and len(self.sent) >= self._events):
            now = time.monotonic()
            due, last = due + (now - last) * self._find_rate(), now
            for _ in range(int(due)):
                self._send(self.plan.build(len(self.sent)))
            due %= 1
            self._producer.poll(0)
            time.sleep(TICK_SECONDS)
        if left := self._producer.flush(FLUSH_SECONDS):
            self.failures.append(f"{left} records were never accepted")

    def change(self, plan: LoadPlan) -> None:
        """Go on with another plan."""
        self.plan = plan

    def finish(self) -> None:
        """Stop once there are enough events; returns when the broker has all."""
        self._is_finishing = True
        if self.is_alive():
            self.join()

    def _find_rate(self) -> float:
        # A fault that takes long need not make the run long too: the load goes on, but thinner.
        return self.plan.events_per_second * (1.0 if len(self.sent) < self._events else LATE_SHARE)

    def _send(self, record: Sent) -> None:
        headers: list[tuple[str, bytes]] = [(ID_HEADER, record.id.encode())]
        if record.padding_bytes:
            headers.append(("padding", b"x" * record.padding_bytes))
        number = int(record.id.removeprefix("event-"))
        self._producer.produce(
            self._topic,
            record.value,
            key=find_key(number),
            headers=headers,  # type: ignore[arg-type]  # Its stub wants values to be text or bytes or None at once.
            on_delivery=self._note_delivery,
        )
        self.sent[record.id] = record

    def _note_delivery(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.failures.append(str(error))
