import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.faults import Fault, FaultError, Freeze, Kill, Scale, ensure_within, parse_faults


def test_each_kind_of_fault_is_read() -> None:
    assert parse_faults("kill@30s,freeze@60s:10s,scale=3@90s") == (Kill(30), Freeze(60, 10), Scale(90, 3))


def test_faults_are_sorted_by_time_and_those_of_one_time_stay_in_order() -> None:
    faults = parse_faults("scale=0@2m, kill@1500ms ,scale=2@1.5s")
    assert faults == (Kill(1.5), Scale(1.5, 2), Scale(120, 0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kill",
        "kill@",
        "kill@30",
        "kill@-1s",
        "kill@30s:2s",
        "kill=2@30s",
        "kill@30s,",
        "kill@30s freeze@40s:1s",
        "freeze@60s",
        "freeze@60s:",
        "scale@90s",
        "scale=@90s",
        "scale=-1@90s",
        "scale=1.5@90s",
        "KILL@30s",
        "kill@nans",
        "kill@٣s",
        "reboot@1s",
    ],
)
def test_what_is_no_fault_is_refused_with_examples(text: str) -> None:
    with pytest.raises(FaultError, match=r"is no fault; there are kill@30s, freeze@60s:10s and scale=3@90s"):
        parse_faults(text)


def test_the_part_that_is_wrong_is_named() -> None:
    with pytest.raises(FaultError, match="'frieze@60s:10s' is no fault"):
        parse_faults("kill@30s, frieze@60s:10s")


def test_to_freeze_for_no_time_is_refused() -> None:
    with pytest.raises(FaultError, match="freezes for no time"):
        parse_faults("freeze@60s:0s")


@given(st.text("kilfrezsca@=:,019.m ", max_size=30) | st.text(max_size=30))
def test_any_text_gives_faults_or_a_fault_error(text: str) -> None:
    try:
        faults = parse_faults(text)
    except FaultError:
        return
    assert faults


@given(st.lists(st.builds(Kill, st.integers(0, 999)) | st.builds(Freeze, st.integers(0, 999), st.integers(1, 99))))
def test_what_is_written_as_faults_is_read_as_them(faults: list[Fault]) -> None:
    if faults:
        assert sorted(parse_faults(",".join(write(one) for one in faults)), key=write) == sorted(faults, key=write)


def write(fault: Fault) -> str:
    length = f":{fault.length_seconds:g}s" if isinstance(fault, Freeze) else ""
    return f"{type(fault).__name__.lower()}@{fault.at_seconds:g}s{length}"


def test_a_fault_that_a_run_would_never_reach_is_refused() -> None:
    faults = parse_faults("kill@30s,freeze@59.9s:10s")
    ensure_within(faults, 60)
    with pytest.raises(FaultError, match=r"freeze@59\.9s is not before the end of the run, 59\.9 s"):
        ensure_within(faults, 59.9)
