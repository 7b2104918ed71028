import pytest

from stream_app.replay.timeline import Timeline


def build_timeline() -> Timeline:
    timeline = Timeline()
    timeline.started_at = 100.0
    return timeline


def note_outcome(timeline: Timeline, at: float, latency: float) -> None:
    timeline.note_outcome(at, latency, is_template=False, is_dead_letter=False)


def test_nothing_happened_in_no_seconds() -> None:
    assert build_timeline().list_seconds() == []


def test_seconds_count_from_the_start_and_have_no_gaps() -> None:
    timeline = build_timeline()
    timeline.note_sent(100.0, 101.2)
    timeline.note_sent(103.999, 103.999)
    seconds = timeline.list_seconds()
    assert [second.second for second in seconds] == [0, 1, 2, 3]
    assert [second.intended_events for second in seconds] == [1, 0, 0, 1]
    assert [second.sent_events for second in seconds] == [0, 1, 0, 1]


def test_the_backlog_is_what_was_sent_and_not_answered_at_the_end_of_a_second() -> None:
    timeline = build_timeline()
    for moment in (100.1, 100.2, 101.5):
        timeline.note_sent(moment, moment)
    for moment in (100.9, 102.5, 103.5):
        timeline.note_answered(moment)
    assert [second.backlog_events for second in timeline.list_seconds()] == [1, 2, 1, 0]


def test_outcomes_are_counted_where_they_were_read_in_any_order() -> None:
    timeline = build_timeline()
    timeline.note_outcome(102.0, 1.0, is_template=True, is_dead_letter=False)
    timeline.note_outcome(100.5, 0.25, is_template=False, is_dead_letter=True)
    note_outcome(timeline, 102.9, 3.0)
    seconds = timeline.list_seconds()
    assert [(one.outcomes, one.templates, one.dead_letters) for one in seconds] == [(1, 0, 1), (0, 0, 0), (2, 1, 0)]
    assert [(one.p50, one.p99) for one in seconds] == [(0.25, 0.25), (None, None), (1.0, 3.0)]


def test_percentiles_of_a_second_are_the_smallest_that_so_many_do_not_exceed() -> None:
    timeline = build_timeline()
    for number in range(200, 0, -1):
        note_outcome(timeline, 100.0, float(number))
    (second,) = timeline.list_seconds()
    assert (second.p50, second.p99) == (100.0, 198.0)


def test_what_came_before_the_start_belongs_to_the_first_second() -> None:
    timeline = build_timeline()
    note_outcome(timeline, 98.0, 0.1)
    assert [second.outcomes for second in timeline.list_seconds()] == [1]


def test_the_latency_of_a_part_of_the_run_is_measured_alone() -> None:
    timeline = build_timeline()
    for second in range(10):
        note_outcome(timeline, 100.0 + second, 1.0 + second)
    measured = timeline.measure_latency(2, 4)
    assert measured.count == 3
    assert (measured.p50, measured.maximum) == pytest.approx((4.0, 5.0), rel=0.001)
