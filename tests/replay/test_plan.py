import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from stream_app.replay.faults import Kill
from stream_app.replay.plan import (
    Part,
    PlanError,
    SearchPlan,
    Survey,
    build_run_id,
    ensure_local,
    find_duration,
    forecast,
    survey_recording,
)
from stream_app.replay.recording import RecordedRecord, RecordingWriter
from stream_app.replay.schedule import Profile
from stream_app.replay.stamp import RunIdError, ensure_run_id
from tests.replay.linked import build_run
from tests.replay.simulated import record_events


@pytest.mark.parametrize(
    "servers", ["localhost:9092", "127.0.0.1:1", "127.8.9.1:9092", "[::1]:9092", "localhost:1,127.0.0.1:2"]
)
def test_brokers_of_this_machine_need_no_flag(servers: str) -> None:
    ensure_local(servers, is_remote_allowed=False)


@pytest.mark.parametrize(
    "servers",
    ["kafka:9092", "10.0.0.1:9092", "localhost:1,kafka:2", "0.0.0.0:9092", "localhost.example:9092", "[2001:db8::1]:1"],
)
def test_other_brokers_do(servers: str) -> None:
    with pytest.raises(PlanError, match="--allow-remote"):
        ensure_local(servers, is_remote_allowed=False)
    ensure_local(servers, is_remote_allowed=True)


def test_a_part_is_counted_from_the_first_record() -> None:
    records = [RecordedRecord(0, number, 5_000 + 1_000 * number, b"k", b"v", ()) for number in range(10)]
    assert [one.offset for one in Part(2, 4).select(iter(records))] == [2, 3]
    assert [one.offset for one in Part(8, math.inf).select(iter(records))] == [8, 9]


def test_a_recording_is_repeated_only_where_the_profile_has_times_and_a_duration_of_its_own(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    assert len(list(plan.open_records(Profile("recorded", duration_seconds=60)))) == 20
    assert len(list(plan.open_records(Profile("constant", 5)))) == 20
    assert len(list(islice(plan.open_records(Profile("constant", 5, 60)), 50))) == 50


def test_a_survey_finds_the_partitions_that_a_recording_needs(tmp_path: Path) -> None:
    assert survey_recording(build_run(tmp_path)) == Survey(records=20, partitions=2)
    with pytest.raises(PlanError, match="has no records in the part"):
        survey_recording(build_run(tmp_path, part=Part(500)))


def test_a_forecast_goes_through_everything_that_would_be_sent(tmp_path: Path) -> None:
    path = tmp_path / "mixed.parquet"
    with RecordingWriter(path) as writer:
        for record in islice(record_events(items=3), 4):
            writer.write(record)
        writer.write(replace(record, offset=99, value=b"{"))
    plan = build_run(tmp_path, recording=path)
    what = forecast(plan, Profile("constant", 2, 5))
    assert (what.events, what.items, what.unreadable, what.seconds) == (10, 2 * (4 * 3 + 1), 2, 4.5)
    assert what.first_event_ids == ("evening-0", "evening-1", "evening-2")


def test_the_duration_of_recorded_times_is_that_of_the_part(tmp_path: Path) -> None:
    assert find_duration(build_run(tmp_path, profile=Profile("recorded", speed=2), part=Part(4, 14))) == 4.5
    assert find_duration(build_run(tmp_path, profile=Profile("constant", 2))) == 9.5
    assert find_duration(build_run(tmp_path)) == 20


def test_parts_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="--workers"):
        build_run(tmp_path, faults=(Kill(3),))
    with pytest.raises(PlanError, match="--workers"):
        build_run(tmp_path, threads=2)
    with pytest.raises(PlanError, match="without faults"):
        build_run(tmp_path, workers=1, faults=(Kill(3),), search=SearchPlan())
    with pytest.raises(RunIdError):
        build_run(tmp_path, run_id="a b")


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_rate": 0},
        {"start_rate": 9, "max_rate": 8},
        {"step_seconds": 1},
        {"tolerance": 1},
        {"warm_up_seconds": 0.5},
    ],
)
def test_a_search_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(PlanError):
        SearchPlan(**wrong)


def test_the_id_of_a_run_that_has_none_tells_when_it_began() -> None:
    run_id = build_run_id(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert ensure_run_id(run_id) == "run-20260301T123000Z"
