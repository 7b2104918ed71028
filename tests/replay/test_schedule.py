import math
from collections.abc import Iterator
from itertools import islice, pairwise, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.replay.recording import RecordedRecord
from stream_app.replay.schedule import Profile, ProfileKind, ScheduleError, plan_times, read_seconds, repeat_records


def plan(profile: Profile, recorded: list[float] | None = None) -> list[float]:
    return list(plan_times(profile, iter(recorded or [])))


def count_between(times: list[float], start: float, end: float) -> int:
    return sum(start <= time < end for time in times)


def build_recorded(*timestamps_ms: int) -> list[RecordedRecord]:
    return [RecordedRecord(0, offset, stamp, None, None, ()) for offset, stamp in enumerate(timestamps_ms)]


def test_a_constant_rate_is_even_from_the_first_moment() -> None:
    assert plan(Profile("constant", 4, 1)) == [0, 0.25, 0.5, 0.75]


def test_without_a_duration_a_constant_rate_goes_on_and_does_not_drift() -> None:
    times = plan_times(Profile("constant", 3), repeat(0.0))
    assert next(islice(times, 999_999, None)) == 999_999 / 3


def test_steps_are_five_up_to_the_rate() -> None:
    times = plan(Profile("step", 50, 10))
    assert [count_between(times, start, start + 2) for start in range(0, 10, 2)] == [20, 40, 60, 80, 100]


def test_a_ramp_rises_evenly_to_the_rate() -> None:
    times = plan(Profile("ramp", 100, 10))
    assert len(times) == 500
    assert [count_between(times, second, second + 1) for second in (1, 5, 9)] == pytest.approx([15, 55, 95], abs=1)


def test_a_spike_has_five_times_the_rate_in_the_middle_fifth() -> None:
    times = plan(Profile("spike", 10, 10))
    assert [count_between(times, *span) for span in ((0, 4), (4, 6), (6, 10))] == [40, 100, 40]


def test_recorded_times_are_kept_from_the_first_on() -> None:
    assert plan(Profile("recorded"), [5.0, 5.5, 9.0]) == [0, 0.5, 4.0]


def test_speed_makes_recorded_times_shorter() -> None:
    assert plan(Profile("recorded", speed=10), [0, 5, 20]) == [0, 0.5, 2]


def test_a_rate_scales_recorded_times_to_that_mean_and_keeps_their_shape() -> None:
    assert plan(Profile("recorded", rate=2), [0, 1, 1, 8, 8]) == [0, 0.25, 0.25, 2, 2]


def test_a_recorded_time_that_is_dated_back_leaves_with_the_one_before() -> None:
    assert plan(Profile("recorded"), [0, 3, 2, 4]) == [0, 3, 3, 4]


def test_recorded_times_end_at_the_duration() -> None:
    assert plan(Profile("recorded", duration_seconds=3, speed=2), [0, 2, 6, 7]) == [0, 1]


def test_recorded_times_are_taken_one_by_one() -> None:
    def fail_at_the_third() -> Iterator[float]:
        yield from (1.0, 2.0)
        raise AssertionError("read ahead")

    assert list(islice(plan_times(Profile("recorded"), fail_at_the_third()), 2)) == [0, 1]


def test_events_of_one_moment_cannot_be_scaled_to_a_rate() -> None:
    with pytest.raises(ScheduleError, match="same time"):
        plan(Profile("recorded", rate=5), [3, 3])


@pytest.mark.parametrize("recorded", [[], [7.0]])
def test_too_few_events_to_have_a_rate_leave_at_once(recorded: list[float]) -> None:
    assert plan(Profile("recorded", rate=5), recorded) == [0.0] * len(recorded)


@settings(deadline=None)
@given(
    kind=st.sampled_from(["constant", "step", "ramp", "spike"]),
    rate=st.floats(0.1, 500),
    seconds=st.floats(0.1, 20),
)
def test_times_never_decrease_and_make_up_the_rate(kind: ProfileKind, rate: float, seconds: float) -> None:
    times = plan(Profile(kind, rate, seconds))
    share = {"constant": 1.0, "step": 0.6, "ramp": 0.5, "spike": 1.8}[kind]
    assert len(times) == math.ceil(rate * seconds * share - 1e-6)
    assert all(first <= second for first, second in pairwise(times))
    assert times[0] == 0
    assert times[-1] < seconds


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "constant"}, "needs a rate"),
        ({"kind": "ramp", "rate": 5.0}, "needs a duration"),
        ({"kind": "constant", "rate": 0.0}, "the rate must be a number above 0"),
        ({"kind": "constant", "rate": math.nan}, "the rate must be a number above 0"),
        ({"kind": "constant", "rate": 1.0, "duration_seconds": -1.0}, "the duration must be"),
        ({"kind": "recorded", "speed": math.inf}, "the speed must be"),
        ({"kind": "recorded", "speed": 2.0, "rate": 1.0}, "a speed is for"),
        ({"kind": "constant", "speed": 2.0, "rate": 1.0}, "a speed is for"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Profile(**fields)  # type: ignore[arg-type]


def test_recorded_seconds_count_from_the_first_time_stamp() -> None:
    records = build_recorded(1_700_000_000_000, 1_700_000_000_250, 1_700_000_000_100)
    assert list(read_seconds(records)) == [0, 0.25, 0.1]


def test_a_recording_is_repeated_in_its_order() -> None:
    repeated = repeat_records(lambda: iter(build_recorded(1, 2)))
    assert [record.timestamp_ms for record in islice(repeated, 5)] == [1, 2, 1, 2, 1]


def test_an_empty_recording_cannot_be_repeated() -> None:
    with pytest.raises(ScheduleError, match="no records"):
        next(repeat_records(lambda: iter(())))
