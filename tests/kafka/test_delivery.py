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
from stream_app.kafka.models import Contender, Lineup, Models, ModelUse, Role
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
    models = Models(Lineup(Contender(FakeExplainer(error), MODEL)))
    delivery = Delivery(chosen, models, guarantee, overload, limits or SizeLimits())
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


def build_models(serving: str, canary_percent: float = 0) -> Models:
    named = [ModelIdentity(name="fake", version=version) for version in (serving, "canary")]
    canary = Contender(FakeExplainer(), named[1], Role.CANARY)
    return Models(Lineup(Contender(FakeExplainer(), named[0]), canary, canary_percent))


class RollingGuarantee(FakeGuarantee):
    """While a batch is settled, another model is installed."""

    models = build_models("1")

    async def settle(self, parcels: Sequence[Parcel]) -> None:
        self.models.install(Contender(FakeExplainer(), ModelIdentity(name="fake", version="2")))
        await super().settle(parcels)


def test_a_model_that_is_rolled_while_a_batch_is_at_work_begins_with_the_next() -> None:
    guarantee = RollingGuarantee()
    overload = OverloadPolicy("lag", 60, lambda: 0.0, lambda: NOW)
    delivery = Delivery(Settings(), guarantee.models, guarantee, overload, SizeLimits())
    record = IncomingRecord("in", 0, 0, b"k", None, ())
    uses = [asyncio.run(delivery.deliver([record])).records_by_model for _ in range(2)]
    delivery.close()
    assert uses == [{ModelUse("serving", "fake", "1"): 1}, {ModelUse("serving", "fake", "2"): 1}]
    assert [dict(letter.headers)["prism.dlq.model"] for letter in guarantee.letters] == [b"fake/1", b"fake/2"]


def test_each_record_is_explained_by_whom_its_key_chooses_and_all_stay_in_order() -> None:
    guarantee, models = FakeGuarantee(), build_models("1", canary_percent=50)
    overload = OverloadPolicy("lag", 60, lambda: 0.0, lambda: NOW)
    delivery = Delivery(Settings(), models, guarantee, overload, SizeLimits())
    records = [
        IncomingRecord("in", 0, n, f"key-{n}".encode(), build_event(n) if n % 3 else None, ()) for n in range(40)
    ]
    settlement = asyncio.run(delivery.deliver(records))
    delivery.close()
    expected = Counter(models.lineup.choose(record).use for record in records)
    assert len(expected) == 2
    assert settlement.records_by_model == expected
    assert settlement.texts_by_model.total() == len(guarantee.explanations)
    assert [json.loads(one.value or b"")["event_id"] for one in guarantee.explanations] == [
        f"event-{n}" for n in range(40) if n % 3
    ]
    for letter in guarantee.letters:
        [record] = [one for one in records if one.key == letter.key]
        _role, name, version = models.lineup.choose(record).use
        assert dict(letter.headers)["prism.dlq.model"] == f"{name}/{version}".encode()


class FakeMirror:
    """Keeps what it is offered."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def offer(self, records: Sequence[IncomingRecord]) -> None:
        self.offsets += [record.offset for record in records]


def test_a_shadow_is_offered_what_is_settled_and_was_asked_of_the_model() -> None:
    mirror = FakeMirror()
    overload = OverloadPolicy("skip", 60, lambda: 0.0, lambda: NOW)
    delivery = Delivery(Settings(), build_models("1"), FakeGuarantee(), overload, SizeLimits(), mirror=mirror)
    ages = (0, 100, 0)
    records = [IncomingRecord("in", 0, n, b"k", build_event(n), (), NOW - age) for n, age in enumerate(ages)]
    asyncio.run(delivery.deliver(records))
    delivery.close()
    assert mirror.offsets == [0, 2]


def test_a_shadow_is_offered_nothing_of_a_batch_that_was_not_settled() -> None:
    class Refusing(FakeGuarantee):
        async def settle(self, parcels: Sequence[Parcel]) -> None:
            raise OSError(str(len(parcels)))

    mirror = FakeMirror()
    overload = OverloadPolicy("lag", 60, lambda: 0.0, lambda: NOW)
    delivery = Delivery(Settings(), build_models("1"), Refusing(), overload, SizeLimits(), mirror=mirror)
    with pytest.raises(OSError, match="1"):
        asyncio.run(delivery.deliver([IncomingRecord("in", 0, 0, b"k", build_event(0), ())]))
    delivery.close()
    assert mirror.offsets == []
