import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.sizing import Capacity, Demand, SizingError, read_capacity, render_sizing, size
from tests.replay.reporting import build_counts, build_report, build_samples, build_setup

CAPACITY = Capacity(100.0, is_found=True, p99_seconds=0.5, core_seconds_per_explanation=0.009, resident_bytes=2**29)
DEMAND = Demand(events_per_second=200.0, items_per_event=5.0)


def test_replicas_carry_the_peak_with_its_headroom() -> None:
    sizing = size(CAPACITY, DEMAND)
    assert sizing.replicas == 13
    assert sizing.partitions == 26
    assert sizing.utilisation == pytest.approx(1000 / 1300)


def test_a_float_that_is_a_hair_above_a_whole_number_needs_no_further_replica() -> None:
    assert 0.1 + 0.2 > 0.3
    assert size(replace(CAPACITY, explanations_per_second=0.3), Demand(0.1 + 0.2, 1.0, headroom=0.0)).replicas == 1


def test_the_threshold_is_what_one_worker_explains_while_a_record_may_wait() -> None:
    sizing = size(CAPACITY, replace(DEMAND, p99_seconds=2.0))
    assert sizing.waiting_seconds == 1.5
    assert sizing.events_per_second_per_worker == 20.0
    assert sizing.keda_lag_threshold == 30
    assert size(CAPACITY, DEMAND).keda_lag_threshold == 200


def test_core_hours_are_told_as_reserved_and_as_used() -> None:
    sizing = size(CAPACITY, replace(DEMAND, threads=2))
    assert sizing.core_hours_per_million_reserved == pytest.approx(13 * 2 * 1000 / 3600)
    assert sizing.core_hours_per_million_used == pytest.approx(0.009 * 1_000_000 / 3600)


def test_a_target_below_what_one_event_alone_takes_is_refused() -> None:
    with pytest.raises(SizingError, match="no number of replicas brings it to 400 ms"):
        size(CAPACITY, replace(DEMAND, p99_seconds=0.4))


@pytest.mark.parametrize(
    "demand",
    [
        replace(DEMAND, events_per_second=0.0),
        replace(DEMAND, items_per_event=-1.0),
        replace(DEMAND, threads=0),
        replace(DEMAND, headroom=-0.1),
    ],
)
def test_a_demand_that_makes_no_sense_is_refused(demand: Demand) -> None:
    with pytest.raises(SizingError):
        size(CAPACITY, demand)


@given(st.floats(0.1, 1e5), st.floats(0.5, 200), st.floats(0, 3), st.floats(0.5, 1e4))
def test_the_replicas_suffice_and_one_less_would_not(rate: float, items: float, headroom: float, one: float) -> None:
    sizing = size(replace(CAPACITY, explanations_per_second=one), Demand(rate, items, headroom))
    needed = rate * items * (1 + headroom)
    assert sizing.replicas * one >= needed * (1 - 1e-6)
    assert (sizing.replicas - 1) * one < needed
    assert sizing.partitions % sizing.replicas == 0
    assert sizing.keda_lag_threshold >= 1


def test_the_capacity_of_one_worker_is_the_found_one_shared_by_all() -> None:
    capacity = read_capacity(build_report(setup=build_setup(workers=2)))
    assert capacity.explanations_per_second == pytest.approx(24.5 * 5 / 2)
    assert capacity.is_found
    assert capacity.p99_seconds == 0.5


def test_only_the_workers_own_time_and_memory_count() -> None:
    processes = build_samples("prism replay", 0.9, 2**33) + build_samples("worker-0", 0.5, 2**28)
    capacity = read_capacity(build_report(processes=processes))
    assert capacity.core_seconds_per_explanation == pytest.approx(0.5 * 40 / (3837 + 120))
    assert capacity.resident_bytes == 2**28


def test_without_a_search_what_the_run_did_is_a_lower_bound_and_called_so() -> None:
    capacity = read_capacity(build_report(capacity_events_per_second=None, search=[], processes=[]))
    assert capacity.explanations_per_second == pytest.approx((3837 + 120) / 40)
    assert capacity.core_seconds_per_explanation is None
    sizing = size(capacity, DEMAND)
    assert sizing.is_lower_bound
    assert "a worker may do more" in render_sizing(sizing, DEMAND)


def test_a_system_that_was_there_is_sized_by_how_many_workers_it_is_said_to_have() -> None:
    report = build_report(setup=build_setup(workers=0))
    with pytest.raises(SizingError, match="say how many"):
        read_capacity(report)
    assert read_capacity(report, workers=4).explanations_per_second == pytest.approx(24.5 * 5 / 4)


def test_what_is_no_result_sizes_nothing() -> None:
    with pytest.raises(SizingError, match="the generator was late"):
        read_capacity(build_report(invalid=["the generator was late"]))
    with pytest.raises(SizingError, match="interrupted"):
        read_capacity(build_report(status="interrupted", capacity_events_per_second=None))
    with pytest.raises(SizingError, match="no explanations"):
        read_capacity(build_report(counts=build_counts(explained=0, template=0)))


def test_a_sizing_is_written_for_people_and_for_programs() -> None:
    sizing = size(CAPACITY, DEMAND)
    text = render_sizing(sizing, DEMAND)
    assert text.startswith("For 200 events/s of 5 items (1,000 explanations/s) and 30 % headroom:")
    assert "replicas                           13  at the peak they are busy to 76.9 %" in text
    assert json.loads(sizing.model_dump_json())["keda_lag_threshold"] == 200
