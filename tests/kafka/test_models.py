"""Who explains which record."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.events import ModelIdentity
from stream_app.core.pipeline import Outcome
from stream_app.kafka.models import Contender, Lineup, Models, Role
from stream_app.kafka.records import IncomingRecord
from tests.broker.harness import build_event


class NoExplainer:
    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        raise NotImplementedError

    def explain_with_template(self, records: Sequence[bytes | None]) -> list[Outcome]:
        raise NotImplementedError


def build_contender(version: str, role: Role = Role.SERVING) -> Contender:
    return Contender(NoExplainer(), ModelIdentity(name="fake", version=version), role)


SERVING, CANARY = build_contender("1"), build_contender("2", Role.CANARY)


def choose(percent: float, key: bytes | None, value: bytes | None = None, offset: int = 0) -> Contender:
    record = IncomingRecord("in", offset % 3, offset, key, value, ())
    return Lineup(SERVING, CANARY, percent).choose(record)


def test_without_a_canary_everything_is_served() -> None:
    assert Lineup(SERVING, None, 100.0).choose(IncomingRecord("in", 0, 0, b"k", None, ())) is SERVING


@given(st.binary(min_size=1))
def test_no_share_is_nobody_and_the_whole_share_everybody(key: bytes) -> None:
    assert choose(0, key) is SERVING
    assert choose(100, key) is CANARY


@given(key=st.binary(min_size=1), few=st.floats(0, 100), more=st.floats(0, 100))
def test_a_larger_share_holds_every_key_of_a_smaller_one(key: bytes, few: float, more: float) -> None:
    few, more = sorted((few, more))
    assert choose(few, key) is SERVING or choose(more, key) is CANARY


def test_the_share_of_keys_is_what_was_asked_for() -> None:
    chosen = [choose(20, f"user-{number}".encode()) for number in range(5_000)]
    assert 900 < chosen.count(CANARY) < 1_100


def test_the_share_is_of_every_partition_alike() -> None:
    for partition in range(3):
        chosen = [choose(20, f"user-{number}".encode(), offset=partition) for number in range(partition, 6_000, 3)]
        assert 300 < chosen.count(CANARY) < 500


def test_a_key_chooses_whatever_the_event_says() -> None:
    chosen = {choose(50, b"user-1", build_event(number), number) for number in range(50)}
    assert len(chosen) == 1


def test_without_a_key_the_event_id_chooses_whatever_else_the_event_says() -> None:
    chosen = [choose(50, None, build_event(number)) for number in range(200)]
    assert set(chosen) == {SERVING, CANARY}
    assert [choose(50, b"", build_event(number, items=3)) for number in range(200)] == chosen


def test_what_is_no_event_is_somebodys_too() -> None:
    assert choose(50, None, b"{") in (SERVING, CANARY)
    assert choose(50, None, None) in (SERVING, CANARY)


def test_a_model_takes_the_place_of_its_role_and_an_older_lineup_stays_as_it_was() -> None:
    models = Models(Lineup(SERVING, canary_percent=5))
    before = models.lineup
    models.install(CANARY)
    models.install(newer := build_contender("3"))
    assert models.lineup == Lineup(newer, CANARY, 5)
    assert before == Lineup(SERVING, None, 5)
