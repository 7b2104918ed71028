"""The demo's traffic without a broker: pace, outcomes, a worker that dies, an answer that never comes."""

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from stream_app.core.events import RankingEvent, decode_event, encode_contract
from stream_app.kafka.counterparts import EventSender, OutputTail, ReadRecord
from stream_app.kafka.records import Headers
from stream_app.local import exchange as exchange_module
from stream_app.local.exchange import MAX_RESTARTS, RUN_HEADER, Exchange
from stream_app.local.screen import PlainScreen
from stream_app.local.worker_process import WorkerFailedError
from tests.local.test_ledger import make_event, make_explanation

OUTPUT_TOPIC = "explanations"
DEAD_LETTER_TOPIC = "dead-letters"
Answer = Callable[[RankingEvent, bytes, Headers], list[ReadRecord]]


def answer_in_full(event: RankingEvent, value: bytes, headers: Headers) -> list[ReadRecord]:
    assert value
    explanations = [make_explanation(item.item_id, event.event_id) for item in event.items]
    return [ReadRecord(OUTPUT_TOPIC, b"k", encode_contract(explanation), headers) for explanation in explanations]


def answer_with_dead_letter(event: RankingEvent, value: bytes, headers: Headers) -> list[ReadRecord]:
    assert event.event_id
    return [ReadRecord(DEAD_LETTER_TOPIC, b"k", value, headers)]


def answer_for_another_run(event: RankingEvent, value: bytes, headers: Headers) -> list[ReadRecord]:
    assert headers
    return answer_in_full(event, value, ((RUN_HEADER, b"another"),))


@dataclass
class ScriptedKafka:
    """Sender and tail in one: what is sent is answered by a function, at the next read."""

    answer: Answer = answer_in_full
    pending: list[ReadRecord] = field(default_factory=list)

    async def send(self, key: bytes, value: bytes, headers: Headers) -> None:
        assert key
        self.pending += self.answer(decode_event(value), value, headers)

    async def read(self, wait_seconds: float) -> Sequence[ReadRecord]:
        assert wait_seconds > 0
        await asyncio.sleep(0.001)
        read, self.pending = self.pending, []
        return read


@dataclass
class MortalWorker:
    """Dies at the next look, as often as told."""

    deaths: int = 0
    restarts: int = 0

    @property
    def exit_code(self) -> int | None:
        return -9 if self.restarts < self.deaths else None

    def restart(self) -> None:
        self.restarts += 1

    def read_log_tail(self) -> str:
        return "  its last words"


def run_exchange(kafka: ScriptedKafka, worker: MortalWorker, events: int = 2) -> tuple[Exchange, str]:
    output = io.StringIO()
    exchange = Exchange([make_event(f"e{n}") for n in range(events)], "run", worker, PlainScreen(output))
    asyncio.run(exchange.run(cast(EventSender, kafka), cast(OutputTail, kafka), OUTPUT_TOPIC))
    return exchange, output.getvalue()


def test_all_events_are_sent_and_their_explanations_shown_as_they_come() -> None:
    exchange, shown = run_exchange(ScriptedKafka(), MortalWorker())
    assert exchange.ledger.conclude().is_complete
    assert shown.count("[model]") == 4


def test_events_go_out_at_a_steady_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "EVENTS_PER_SECOND", 100.0)
    exchange, _ = run_exchange(ScriptedKafka(), MortalWorker(), events=30)
    assert exchange.ledger.conclude().explanations_per_second <= 1.1 * 100.0 * 2 * 30 / 29


def test_a_worker_that_dies_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "EVENTS_PER_SECOND", 100.0)
    worker = MortalWorker(deaths=1)
    exchange, shown = run_exchange(ScriptedKafka(), worker)
    assert worker.restarts == 1
    assert "the worker ended with signal 9; starting it again" in shown
    assert exchange.ledger.conclude().is_complete


def test_a_worker_that_keeps_dying_is_given_up_with_its_last_words() -> None:
    with pytest.raises(WorkerFailedError, match=r"(?s)signal 9 again.*its last words"):
        run_exchange(ScriptedKafka(lambda *_: []), MortalWorker(deaths=MAX_RESTARTS + 1))


def test_a_dead_letter_is_an_outcome_but_not_a_complete_run() -> None:
    exchange, _ = run_exchange(ScriptedKafka(answer_with_dead_letter), MortalWorker())
    verdict = exchange.ledger.conclude()
    assert (verdict.dead_letters, verdict.missing, verdict.is_complete) == (2, 0, False)


def test_when_nothing_comes_back_the_demo_ends_and_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "STALL_SECONDS", 0.3)
    exchange, shown = run_exchange(ScriptedKafka(answer_for_another_run), MortalWorker(), events=1)
    assert "giving up" in shown
    assert exchange.ledger.conclude().missing == 2


def test_a_broker_that_refuses_an_event_ends_the_run_with_its_error() -> None:
    def refuse(*_: object) -> list[ReadRecord]:
        raise ConnectionError("the broker has gone")

    with pytest.raises(ConnectionError, match="the broker has gone"):
        run_exchange(ScriptedKafka(refuse), MortalWorker())
