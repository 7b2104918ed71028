"""A delivery turns records into parcels, and counts what became of them."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from aiokafka.structs import TopicPartition

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import DeadLetter, Explanation, ModelIdentity, decode_event
from stream_app.core.pipeline import Explained, Outcome, Rejected
from stream_app.kafka.delivery import Delivery, Settlement
from stream_app.kafka.overload import OverloadPolicy
from stream_app.kafka.publication import Parcel, SizeLimits
from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.settings import Settings
from tests.broker.harness import build_event

MODEL = ModelIdentity(name="fake", version="1")
NOW = 1_000_000.0


class FakeExplainer:
    """Explains every item with one text; an item whose title ends in 'long' with a long one."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        if self._error:
            raise self._error
        return [self._explain(record, "model") for record in records]

    def explain_with_template(self, records: Sequence[bytes | None]) -> list[Outcome]:
        return [self._explain(record, "template") for record in records]

    def _explain(self, record: bytes | None, source: str) -> Outcome:
        if record is None:
            return Rejected(DeadLetter(stage="decode", error="DecodeError", message="no value"))
        event = decode_event(record)
        explanations = tuple(
            Explanation(
                explanation_id="0" * 32,
                event_id=event.event_id,
                user_id=event.user.user_id,
                item_id=item.item_id,
                rank=1,
                text="text" * (1_000 if item.rank == 2 else 1),
                source="model" if source == "model" else "template",
                template_reason=None if source == "model" else "overload",
                evidence=[],
                model=MODEL,
                prompt_fingerprint="f",
            )
            for item in event.items
        )
        return Explained(event, explanations, Counter({"rule": 1}), source_tokens=50)


class FakeGuarantee:
    """Keeps what it is given to settle."""

    def __init__(self) -> None:
        self.explanations: list[OutgoingRecord] = []
        self.letters: list[OutgoingRecord] = []

    async def open(self, partitions: Iterable[TopicPartition]) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def settle(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            self.explanations += [record for _, record in parcel.list_explanations()]
            if letter := parcel.build_letter():
                self.letters.append(letter)


def deliver(
    guarantee: FakeGuarantee,
    *values: bytes | None,
    error: Exception | None = None,
    limits: SizeLimits | None = None,
    age_seconds: float = 0,
    **settings: object,
) -> Settlement:
    chosen = Settings.model_validate(settings)
    overload = OverloadPolicy(chosen.overload, chosen.overload_deadline_seconds, lambda: 0.0, lambda: NOW)
    delivery = Delivery(chosen, FakeExplainer(error), MODEL, guarantee, overload, limits or SizeLimits())
    records = [
        IncomingRecord("in", 0, offset, b"k", value, (("h", b"1"),), NOW - age_seconds)
        for offset, value in enumerate(values)
    ]
    try:
        return asyncio.run(delivery.deliver(records))
    finally:
        delivery.close()


def test_every_record_has_one_outcome_in_order() -> None:
    guarantee = FakeGuarantee()
    settlement = deliver(guarantee, build_event(1), None, build_event(2))
    assert [json.loads(record.value or b"")["event_id"] for record in guarantee.explanations] == ["event-1", "event-2"]
    assert [dict(letter.headers)["prism.dlq.stage"] for letter in guarantee.letters] == [b"decode"]
    assert settlement.outcomes == {"explained": 2, "dead_letter": 1, "expired": 0}
    assert settlement.explanations == {"model": 2}
    assert settlement.violations == {"rule": 2}
    assert (settlement.judged, settlement.failures) == (3, 1)
    assert settlement.source_tokens == 100


def test_an_explanation_above_the_limit_is_named_in_a_dead_letter_and_its_neighbour_published() -> None:
    guarantee = FakeGuarantee()
    settlement = deliver(guarantee, build_event(1, items=2), limits=SizeLimits({"explanations": 2_000}))
    assert [json.loads(record.value or b"")["item_id"] for record in guarantee.explanations] == ["item:1-1"]
    [letter] = guarantee.letters
    headers = dict(letter.headers)
    assert headers["prism.dlq.stage"] == b"publish"
    assert json.loads(headers["prism.dlq.failed-item-ids"] or b"") == ["item:1-2"]
    assert settlement.outcomes == {"explained": 0, "dead_letter": 1, "expired": 0}
    assert settlement.explanations == {"model": 1}


@pytest.mark.parametrize("error", [ModelUnusableError("gone"), MemoryError()])
def test_a_broken_model_publishes_nothing(error: Exception) -> None:
    guarantee = FakeGuarantee()
    with pytest.raises(type(error)):
        deliver(guarantee, build_event(1), error=error)
    assert guarantee.explanations == []


def test_late_records_expire_with_a_dead_letter_and_are_no_failures() -> None:
    guarantee = FakeGuarantee()
    settlement = deliver(guarantee, build_event(1), overload="skip", overload_deadline_seconds=10, age_seconds=11)
    assert settlement.outcomes == {"explained": 0, "dead_letter": 0, "expired": 1}
    assert (settlement.judged, settlement.failures) == (0, 0)
    assert [dict(letter.headers)["prism.dlq.stage"] for letter in guarantee.letters] == [b"expired"]


def test_late_records_get_the_template_where_that_is_asked_for() -> None:
    settlement = deliver(
        FakeGuarantee(), build_event(1), overload="template", overload_deadline_seconds=10, age_seconds=11
    )
    assert settlement.templates == {"overload": 1}


def test_a_repeat_has_the_same_key_and_value() -> None:
    first, second = FakeGuarantee(), FakeGuarantee()
    for guarantee in (first, second):
        deliver(guarantee, build_event(1), None)
    for one, other in zip(first.explanations + first.letters, second.explanations + second.letters, strict=True):
        assert replace(one, headers=(), shorter=None) == replace(other, headers=(), shorter=None)
