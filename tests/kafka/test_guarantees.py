"""Both guarantees publish everything and then move the offsets, and mend what is too large with a new producer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import (
    CommitFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import TopicPartition

from stream_app.kafka import guarantees
from stream_app.kafka.guarantees import Guarantee, OwnershipLostError, build_guarantee, compute_positions
from stream_app.kafka.publication import DeliveryError, SizeLimits
from stream_app.kafka.records import IncomingRecord, OutgoingRecord
from stream_app.settings import Settings

PARTITION = TopicPartition("in", 0)
Refuse = Callable[[OutgoingRecord], Exception | None]


@dataclass
class FakeParcel:
    record: IncomingRecord
    explanations: Mapping[str, OutgoingRecord]
    letter: OutgoingRecord | None = None
    refused: set[str] = field(default_factory=set)

    def list_explanations(self) -> Sequence[tuple[str, OutgoingRecord]]:
        return [(item_id, one) for item_id, one in self.explanations.items() if item_id not in self.refused]

    def refuse(self, item_id: str) -> None:
        self.refused.add(item_id)

    def build_letter(self) -> OutgoingRecord | None:
        return build_outgoing("letter:" + ",".join(sorted(self.refused))) if self.refused else self.letter


class FakeCluster:
    """Takes what it does not refuse; like Kafka, it refuses all of a producer that was refused a size once."""

    def __init__(self, refuse: Refuse = lambda record: None) -> None:
        self.refuse = refuse
        self.accepted: list[str] = []
        self.committed: dict[TopicPartition, int] = {}
        self.started = 0

    async def start(self, *_: Any) -> "FakeProducer":
        self.started += 1
        return FakeProducer(self)

    async def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        self.committed.update(positions)


class FakeProducer:
    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._is_broken = False
        self._open: list[str] | None = None

    async def send(self, topic: str, value: bytes, key: bytes, headers: Any) -> Awaitable[object]:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        error = KafkaError("out of sequence") if self._is_broken else None
        error = error or self._cluster.refuse(OutgoingRecord(topic, key, value, ()))
        self._is_broken |= isinstance(error, MessageSizeTooLargeError)
        if error is None:
            (self._cluster.accepted if self._open is None else self._open).append(key.decode())
            done.set_result(None)
        else:
            done.set_exception(error)
        return done

    async def stop(self) -> None:
        self._open = None

    async def begin_transaction(self) -> None:
        self._open = []

    async def send_offsets_to_transaction(self, positions: Mapping[TopicPartition, int], group: str) -> None:
        assert group == "prism"
        self._positions = positions

    async def commit_transaction(self) -> None:
        assert self._open is not None
        self._cluster.accepted += self._open
        await self._cluster.commit(self._positions)


def build_outgoing(key: str, shorter: OutgoingRecord | None = None) -> OutgoingRecord:
    return OutgoingRecord("out", key.encode(), b"v", (), shorter)


def build_parcel(offset: int, *keys: str, letter: OutgoingRecord | None = None) -> FakeParcel:
    record = IncomingRecord("in", 0, offset, b"k", b"v", ())
    return FakeParcel(record, {key: build_outgoing(key) for key in keys}, letter)


def settle(cluster: FakeCluster, delivery: str, *parcels: FakeParcel, budget: float = 30) -> None:
    settings = Settings.model_validate({"delivery": delivery, "retry_budget_seconds": budget})
    guarantee: Guarantee = build_guarantee(settings, SizeLimits(), cluster.commit)

    async def run() -> None:
        await guarantee.open([PARTITION])
        await guarantee.settle(parcels)

    asyncio.run(run())


@pytest.fixture(params=["at-least-once", "exactly-once"])
def delivery(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    cluster = FakeCluster()
    monkeypatch.setattr(guarantees, "_start_producer", cluster.start)
    return cluster


def refuse_size_of(*keys: str) -> Refuse:
    return lambda record: MessageSizeTooLargeError() if (record.key or b"").decode() in keys else None


def test_everything_is_published_in_order_and_the_offset_after_it_committed(
    cluster: FakeCluster, delivery: str
) -> None:
    settle(cluster, delivery, build_parcel(4, "a", "b"), build_parcel(5, letter=build_outgoing("letter")))
    assert cluster.accepted == ["a", "b", "letter"]
    assert cluster.committed == {PARTITION: 6}


def test_an_explanation_that_is_refused_for_its_size_is_named_in_the_dead_letter(
    cluster: FakeCluster, delivery: str
) -> None:
    cluster.refuse = refuse_size_of("b")
    settle(cluster, delivery, build_parcel(0, "a", "b", "c"))
    assert sorted(cluster.accepted) == ["a", "c", "letter:b"]
    assert cluster.committed == {PARTITION: 1}
    assert cluster.started > 1


def test_a_dead_letter_that_is_refused_for_its_size_is_sent_shorter(cluster: FakeCluster, delivery: str) -> None:
    cluster.refuse = refuse_size_of("whole")
    settle(cluster, delivery, build_parcel(0, letter=build_outgoing("whole", build_outgoing("short"))))
    assert cluster.accepted == ["short"]


@pytest.mark.parametrize("refusal", [MessageSizeTooLargeError(), TopicAuthorizationFailedError("dead")])
def test_a_dead_letter_that_cannot_be_written_commits_nothing(
    cluster: FakeCluster, delivery: str, refusal: Exception
) -> None:
    cluster.refuse = lambda record: refusal if record.key == b"letter" else None
    with pytest.raises(DeliveryError, match="dead letter"):
        settle(cluster, delivery, build_parcel(0, letter=build_outgoing("letter")))
    assert cluster.committed == {}


def test_an_explanation_that_is_refused_otherwise_commits_nothing(cluster: FakeCluster, delivery: str) -> None:
    cluster.refuse = lambda record: TopicAuthorizationFailedError("out")
    with pytest.raises(TopicAuthorizationFailedError):
        settle(cluster, delivery, build_parcel(0, "a"))
    assert cluster.committed == {}


def test_an_offset_that_is_refused_means_that_somebody_else_owns_the_partition(cluster: FakeCluster) -> None:
    async def refuse(positions: Mapping[TopicPartition, int]) -> None:
        raise CommitFailedError

    cluster.commit = refuse  # type: ignore[method-assign]
    with pytest.raises(OwnershipLostError):
        settle(cluster, "at-least-once", build_parcel(0, "a"))


def test_a_fenced_producer_means_that_somebody_else_owns_the_partition(cluster: FakeCluster) -> None:
    cluster.refuse = lambda record: ProducerFenced()
    with pytest.raises(OwnershipLostError):
        settle(cluster, "exactly-once", build_parcel(0, "a"))
    assert cluster.accepted == []


def test_a_broker_that_does_not_answer_uses_up_the_budget(cluster: FakeCluster, delivery: str) -> None:
    async def wait(*_: Any, **__: Any) -> Awaitable[object]:
        return asyncio.get_running_loop().create_future()

    cluster.refuse = refuse_size_of()
    original = FakeProducer.send
    try:
        FakeProducer.send = wait  # type: ignore[method-assign]
        with pytest.raises(DeliveryError, match="did not take all records"):
            settle(cluster, delivery, build_parcel(0, "a"), budget=0.05)
    finally:
        FakeProducer.send = original  # type: ignore[method-assign]
    assert cluster.committed == {}


def test_nothing_behind_a_record_that_cannot_be_sent_is_sent(cluster: FakeCluster) -> None:
    async def refuse_at_once(self: FakeProducer, topic: str, value: bytes, key: bytes, headers: Any) -> Any:
        if key == b"b":
            raise KafkaError("no")
        cluster.accepted.append(key.decode())
        return asyncio.sleep(0)

    original = FakeProducer.send
    try:
        FakeProducer.send = refuse_at_once  # type: ignore[method-assign]
        with pytest.raises(KafkaError):
            settle(cluster, "at-least-once", build_parcel(0, "a", "b", "c"))
    finally:
        FakeProducer.send = original  # type: ignore[method-assign]
    assert cluster.accepted == ["a"]


def test_positions_are_the_offsets_after_the_last_record_of_each_partition() -> None:
    other = FakeParcel(IncomingRecord("in", 1, 9, None, None, ()), {})
    assert compute_positions([build_parcel(3), build_parcel(5), other]) == {PARTITION: 6, TopicPartition("in", 1): 10}
