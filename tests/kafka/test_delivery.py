import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import DeadLetter, Explanation, ModelIdentity, decode_event
from stream_app.core.pipeline import Explained, Outcome, Rejected
from stream_app.kafka.delivery import MAX_POISON_IN_A_ROW, Delivery, DeliveryError, Settlement, publish_all
from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.settings import Settings
from tests.broker.harness import build_event

MODEL = ModelIdentity(name="fake", version="1")


class FakeExplainer:
    """Explains every record with one text; fails on those that it is told to."""

    def __init__(self, poison: bytes = b"poison", error: Exception | None = None) -> None:
        self._poison = poison
        self._error = error or ValueError("quotes the record")

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        if self._poison in records:
            raise self._error
        return [self._explain(record) for record in records]

    def _explain(self, record: bytes | None) -> Outcome:
        if record is None:
            return Rejected(DeadLetter(stage="decode", error="DecodeError", message="no value"))
        event = decode_event(record)
        explanation = Explanation(
            explanation_id="0" * 32,
            event_id=event.event_id,
            user_id=event.user.user_id,
            item_id=event.items[0].item_id,
            rank=1,
            text="text",
            source="model",
            evidence=[],
            model=MODEL,
            prompt_fingerprint="f",
        )
        return Explained(event, (explanation,), Counter({"rule": 1}))


class FakeBroker:
    """Takes what it does not refuse; refusals are asked for each record and each attempt."""

    def __init__(self, refuse: Callable[[OutgoingRecord, int], Exception | None] = lambda *_: None) -> None:
        self.accepted: list[OutgoingRecord] = []
        self._refuse = refuse
        self._attempts: Counter[bytes | None] = Counter()

    async def send(self, record: OutgoingRecord) -> Awaitable[object]:
        self._attempts[record.key] += 1
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if error := self._refuse(record, self._attempts[record.key]):
            done.set_exception(error)
        else:
            self.accepted.append(record)
            done.set_result(None)
        return done


def build_records(*values: bytes | None) -> list[IncomingRecord]:
    return [IncomingRecord("in", 0, offset, b"k", value, (("h", b"1"),)) for offset, value in enumerate(values)]


def build_outgoing(*keys: bytes) -> list[OutgoingRecord]:
    return [OutgoingRecord("out", key, b"v", ()) for key in keys]


def deliver(explainer: FakeExplainer, broker: FakeBroker, *values: bytes | None) -> Settlement:
    delivery = Delivery(Settings(), explainer, MODEL, broker.send)
    try:
        return asyncio.run(delivery.deliver(build_records(*values)))
    finally:
        delivery.close()


def test_every_record_has_one_outcome_in_order() -> None:
    broker = FakeBroker()
    settlement = deliver(FakeExplainer(), broker, build_event(1), None, build_event(2))
    assert [record.topic for record in broker.accepted] == ["explanations", "explanations-dead-letters", "explanations"]
    assert (settlement.explained, settlement.dead_letters) == (2, 1)
    assert settlement.explanations == {"model": 2}
    assert settlement.violations == {"rule": 2}


def test_a_record_on_which_the_pipeline_fails_becomes_a_dead_letter_and_its_neighbours_are_explained() -> None:
    broker = FakeBroker()
    values = [build_event(1), build_event(2), b"poison", build_event(3)]
    settlement = deliver(FakeExplainer(), broker, *values)
    assert (settlement.explained, settlement.dead_letters) == (3, 1)
    letter = broker.accepted[2]
    headers = dict(letter.headers)
    assert (letter.value, headers["prism.dlq.stage"], headers["prism.dlq.error"]) == (
        b"poison",
        b"explain",
        b"ValueError",
    )
    assert b"quotes" not in (headers["prism.dlq.message"] or b"")


def test_a_pipeline_that_fails_on_everything_is_a_broken_machine_not_a_heap_of_dead_letters() -> None:
    broker = FakeBroker()
    with pytest.raises(DeliveryError):
        deliver(FakeExplainer(), broker, *[b"poison"] * (MAX_POISON_IN_A_ROW + 1))
    assert broker.accepted == []


@pytest.mark.parametrize("error", [ModelUnusableError("gone"), MemoryError()])
def test_a_broken_model_publishes_nothing(error: Exception) -> None:
    broker = FakeBroker()
    with pytest.raises(type(error)):
        deliver(FakeExplainer(error=error), broker, build_event(1), b"poison")
    assert broker.accepted == []


def test_records_that_fail_are_published_again_and_the_others_are_not() -> None:
    broker = FakeBroker(lambda record, attempt: OSError() if record.key == b"b" and attempt < 3 else None)
    asyncio.run(publish_all(broker.send, build_outgoing(b"a", b"b", b"c"), budget_seconds=30))
    assert [record.key for record in broker.accepted] == [b"a", b"c", b"b"]


def test_a_broker_that_never_accepts_uses_up_the_budget() -> None:
    broker = FakeBroker(lambda *_: OSError())
    with pytest.raises(DeliveryError, match="2 of 2 records"):
        asyncio.run(publish_all(broker.send, build_outgoing(b"a", b"b"), budget_seconds=0.05))


def test_a_send_that_blocks_uses_up_the_budget() -> None:
    async def send(_: OutgoingRecord) -> Awaitable[object]:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    with pytest.raises(DeliveryError):
        asyncio.run(publish_all(send, build_outgoing(b"a"), budget_seconds=0.05))


def test_neighbours_of_an_oversize_record_are_published_alone_and_it_is_cut() -> None:
    short = OutgoingRecord("out", b"short", b"v", ())
    huge = OutgoingRecord("out", b"huge", b"v" * 99, (), shorter=short)

    def refuse(record: OutgoingRecord, attempt: int) -> Exception | None:
        is_batch_too_large = attempt == 1 and record.key == b"neighbour"
        return MessageSizeTooLargeError() if record is huge or is_batch_too_large else None

    broker = FakeBroker(refuse)
    asyncio.run(publish_all(broker.send, [*build_outgoing(b"neighbour"), huge], budget_seconds=30))
    assert [record.key for record in broker.accepted] == [b"neighbour", b"short"]


def test_an_oversize_record_that_cannot_be_cut_ends_the_delivery() -> None:
    broker = FakeBroker(lambda *_: MessageSizeTooLargeError())
    with pytest.raises(DeliveryError, match="too large"):
        asyncio.run(publish_all(broker.send, build_outgoing(b"a"), budget_seconds=30))
