import pytest

from stream_app.replay.histograms import Histogram
from stream_app.replay.measurements import Counts, Objective, Percentiles
from stream_app.replay.slo import ObjectiveError, Objectives, check_objectives, parse_objectives


def build_counts(**numbers: int) -> Counts:
    return Counts.model_validate(dict.fromkeys(Counts.model_fields, 0) | {"items": 1000} | numbers)


def measure(*times: float) -> Percentiles:
    histogram = Histogram()
    for seconds in times:
        histogram.record(seconds)
    return histogram.to_percentiles()


def check(objectives: Objectives, latency: Percentiles | None = None, **numbers: int) -> list[Objective]:
    return check_objectives(objectives, build_counts(**numbers), latency or measure())


@pytest.mark.parametrize(
    ("text", "percentile", "seconds"),
    [
        ("p99=2s", 99, 2),
        ("p50=300ms", 50, 0.3),
        ("p99.9=1.5s", 99.9, 1.5),
        ("p999=250us", 99.9, 0.00025),
        ("p9999=1m", 99.99, 60),
        ("p5=1s", 5, 1),
        ("max=2m", 100, 120),
    ],
)
def test_a_latency_objective_is_a_percentile_and_a_time(text: str, percentile: float, seconds: float) -> None:
    (limit,) = parse_objectives([text]).latencies
    assert (limit.name, limit.percentile) == (text.split("=")[0], percentile)
    assert limit.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "p99", "p99=2", "99=2s", "p100=1s", "p99=-1s", "p99<2s", "p99=2h", "p505=1s", "p99=s"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ObjectiveError, match="one looks like p99=2s"):
        parse_objectives([text])


@pytest.mark.parametrize("text", ["", "-1", "five", "5 %%", "%", "1.5"])
def test_a_limit_is_a_whole_number_or_a_share(text: str) -> None:
    with pytest.raises(ObjectiveError, match="no limit for lost"):
        parse_objectives(max_lost=text)


def test_several_objectives_may_stand_in_one_flag() -> None:
    assert [limit.name for limit in parse_objectives(["p50=1s, p99=2s", "max=9s"]).latencies] == ["p50", "p99", "max"]


def test_without_flags_nothing_is_asked_for() -> None:
    assert check(parse_objectives()) == []


def test_a_percentile_is_what_the_report_says() -> None:
    latency = measure(*(number / 1000 for number in range(1, 1001)))
    met, missed = check(parse_objectives(["p99=1s", "p50=499ms"]), latency)
    assert (met.measured, met.is_met, met.limit) == (latency.p99, True, 1.0)
    assert (missed.measured, missed.is_met) == (latency.p50, False)


def test_nothing_measured_meets_no_latency_objective() -> None:
    (objective,) = check(parse_objectives(["p50=1s"]))
    assert (objective.measured, objective.is_met) == (None, False)


def test_what_is_missing_counts_as_slower_than_all_else() -> None:
    latency = measure(*[0.1] * 90, *[1.0] * 5)
    objectives = parse_objectives(["p90=0.2s", "p95=2s", "p96=2s", "max=2s"])
    assert [one.is_met for one in check(objectives, latency, missing=5)] == [True, True, False, False]
    assert [one.is_met for one in check(objectives, latency, missing=0)] == [True, True, True, True]


def test_counts_are_checked_against_numbers_and_shares() -> None:
    objectives = parse_objectives(
        max_lost="0", max_template="5%", max_dead_letters="0.1%", max_duplicates="3", max_out_of_order="0"
    )
    checked = check(
        objectives,
        missing=1,
        template=50,
        dead_letter=2,
        duplicates_identical=1,
        duplicates_different=2,
        out_of_order=0,
    )
    assert [(one.name, one.limit, one.measured, one.is_met) for one in checked] == [
        ("lost", 0, 1, False),
        ("template share", 0.05, 0.05, True),
        ("dead letters share", 0.001, 0.002, False),
        ("duplicates", 3, 3, True),
        ("out of order", 0, 0, True),
    ]


def test_a_share_of_nothing_is_kept() -> None:
    assert check(parse_objectives(max_template="5%"), items=0)[0].is_met
