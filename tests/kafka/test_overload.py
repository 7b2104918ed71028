from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.overload import JUMP_SECONDS, OverloadMode, OverloadPolicy, Treatment

EXPLAIN, TEMPLATE, EXPIRE = Treatment.EXPLAIN, Treatment.TEMPLATE, Treatment.EXPIRE
DEADLINE = 60.0


@dataclass
class Host:
    """A host with two clocks, of which one can be set."""

    elapsed: float = 500.0
    wall: float = 1_700_000_000.0

    def wait(self, seconds: float) -> None:
        self.elapsed += seconds
        self.wall += seconds

    def jump(self, seconds: float) -> None:
        self.wall += seconds

    def date(self, *ages: float) -> list[float | None]:
        return [self.wall - age for age in ages]


def build_policy(host: Host, mode: OverloadMode = "template") -> OverloadPolicy:
    return OverloadPolicy(mode, DEADLINE, lambda: host.elapsed, lambda: host.wall)


@pytest.mark.parametrize(("mode", "late"), [("lag", EXPLAIN), ("template", TEMPLATE), ("skip", EXPIRE)])
def test_the_mode_says_what_becomes_of_records_older_than_the_deadline(mode: OverloadMode, late: Treatment) -> None:
    host = Host()
    policy = build_policy(host, mode)
    assert policy.decide(host.date(61, 0, 1e6, 29)) == [late, EXPLAIN, late, EXPLAIN]
    assert policy.is_overloaded
    assert policy.oldest_seconds == 1e6


def test_the_deadline_itself_is_in_time() -> None:
    host = Host()
    policy = build_policy(host)
    assert policy.decide(host.date(60, 45, 0)) == [EXPLAIN] * 3
    assert not policy.is_overloaded


def test_records_without_a_time_stamp_and_from_the_future_are_never_late() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    assert policy.decide([None, 0.0, -1.0, *host.date(-1, -1e9)]) == [EXPLAIN] * 5
    assert not policy.is_overloaded
    assert policy.oldest_seconds == 0


def test_during_overload_the_template_answers_from_half_the_deadline_on() -> None:
    host = Host()
    policy = build_policy(host)
    assert policy.decide(host.date(45)) == [EXPLAIN]
    assert policy.decide(host.date(61, 45, 30, 29)) == [TEMPLATE, TEMPLATE, TEMPLATE, EXPLAIN]
    host.wait(5)
    assert policy.decide(host.date(45, 29)) == [TEMPLATE, EXPLAIN]


def test_nothing_expires_before_the_deadline_not_even_during_overload() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    assert policy.decide(host.date(61, 59, 45)) == [EXPIRE, EXPLAIN, EXPLAIN]
    assert policy.is_overloaded


def test_overload_ends_when_records_have_been_young_for_half_the_deadline() -> None:
    host = Host()
    policy = build_policy(host)
    policy.decide(host.date(61))
    host.wait(20)
    policy.decide(host.date(30))
    host.wait(29)
    policy.decide(host.date(10))
    assert policy.is_overloaded
    host.wait(1)
    policy.decide(host.date(10))
    assert not policy.is_overloaded
    assert policy.decide(host.date(45)) == [EXPLAIN]


def test_overload_of_one_partition_does_not_flap_with_the_batches_of_another() -> None:
    host = Host()
    policy = build_policy(host)
    states = set()
    for turn in range(100):
        host.wait(1)
        policy.decide(host.date(100 if turn % 2 == 0 else 0))
        states.add(policy.is_overloaded)
    assert states == {True}


def test_a_batch_that_takes_longer_than_half_the_deadline_does_not_end_overload() -> None:
    host = Host()
    policy = build_policy(host)
    policy.decide(host.date(61))
    host.wait(50)
    assert policy.decide(host.date(40)) == [TEMPLATE]
    assert policy.is_overloaded


def test_an_idle_worker_is_not_overloaded_for_ever() -> None:
    host = Host()
    policy = build_policy(host)
    policy.decide(host.date(61))
    host.wait(29)
    assert policy.decide([]) == []
    assert policy.is_overloaded
    host.wait(1)
    policy.decide([])
    assert not policy.is_overloaded
    policy.decide([None])
    assert policy.oldest_seconds == 61


def test_a_clock_that_jumps_ahead_expires_nothing_for_one_deadline_and_is_counted() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    host.jump(3_600)
    true_age = 3_600
    assert policy.decide(host.date(true_age + 1, true_age + 61)) == [EXPLAIN, EXPIRE]
    assert policy.clock_jumps == 1
    host.wait(59)
    assert policy.decide(host.date(true_age)) == [EXPLAIN]
    host.wait(1)
    assert policy.decide(host.date(true_age)) == [EXPIRE]
    assert policy.clock_jumps == 1


def test_a_clock_that_is_set_right_again_changes_nothing() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    host.jump(3_600)
    policy.decide(host.date(3_600))
    host.wait(30)
    host.jump(-3_600)
    assert policy.decide(host.date(0)) == [EXPLAIN]
    host.wait(300)
    assert policy.decide(host.date(59, 61)) == [EXPLAIN, EXPIRE]


def test_a_clock_that_jumps_back_makes_records_young_at_once() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    stamped = host.date(50)
    host.jump(-3_600)
    host.wait(20)
    assert policy.decide(stamped) == [EXPLAIN]
    assert policy.clock_jumps == 1
    assert policy.decide(host.date(61)) == [EXPIRE]


def test_a_clock_that_drifts_is_followed() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    for _ in range(1_000):
        host.wait(1)
        host.jump(0.5)
        assert policy.decide(host.date(59, 61)) == [EXPLAIN, EXPIRE]
    assert policy.clock_jumps == 0


def test_a_worker_that_was_frozen_sees_how_old_its_records_are() -> None:
    host = Host()
    policy = build_policy(host, "skip")
    stamped = host.date(0)
    host.wait(300)
    assert policy.decide(stamped) == [EXPIRE]
    assert policy.clock_jumps == 0


def test_expired_records_have_all_the_same_outcome() -> None:
    policy = OverloadPolicy("skip", DEADLINE)
    assert policy.build_expired() == policy.build_expired()
    letter = policy.build_expired().letter
    assert (letter.stage, letter.error) == ("expired", "RecordExpired")
    assert letter.message == "the record was older than 60 s when its turn came"


ages_seconds = st.lists(st.none() | st.floats(-100, 300), max_size=5)


@given(
    jump=st.floats(-1e6, 1e6),
    before=st.lists(st.tuples(st.floats(0, 100), ages_seconds), max_size=5),
    after=st.lists(st.tuples(st.floats(0, 30), ages_seconds), max_size=10),
)
def test_no_jump_of_the_clock_makes_a_young_record_expire_within_a_deadline(
    jump: float, before: list[tuple[float, list[float | None]]], after: list[tuple[float, list[float | None]]]
) -> None:
    host = Host()
    policy, true_now, jumped_at = build_policy(host, "skip"), host.wall, None
    for index, (seconds, ages) in enumerate([*before, *after]):
        host.wait(seconds)
        true_now += seconds
        if index == len(before):
            host.jump(jump)
            jumped_at = host.elapsed
        if jumped_at is not None and host.elapsed - jumped_at >= DEADLINE:
            break
        treatments = policy.decide([None if age is None else true_now - age for age in ages])
        assert set(treatments) <= {EXPLAIN, EXPIRE}
        for age, treatment in zip(ages, treatments, strict=True):
            # Steps of up to five seconds are followed at once; fractions of a second are lost in large floats.
            assert treatment is EXPLAIN or (age is not None and age > DEADLINE - JUMP_SECONDS - 0.01)
