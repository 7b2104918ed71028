import pytest

from stream_app.replay.measurements import Report
from tests.load.checks import check_counts, check_latency, check_throughput
from tests.replay.reporting import build_counts, build_report

METRICS = {
    'prism_records_settled_total{outcome="explained"}': 790.0,
    'prism_records_settled_total{outcome="dead_letter"}': 10.0,
    'prism_explanations_total{source="model"}': 3837.0,
    'prism_explanations_total{source="template"}': 120.0,
    'prism_dead_letters_total{stage="decode"}': 43.0,
    'prism_end_to_end_seconds_bucket{le="0.1"}': 0.0,
    'prism_end_to_end_seconds_bucket{le="0.25"}': 780.0,
    'prism_end_to_end_seconds_bucket{le="0.5"}': 780.0,
    'prism_end_to_end_seconds_bucket{le="1.0"}': 800.0,
    'prism_end_to_end_seconds_bucket{le="+Inf"}': 800.0,
}


def build(**metrics: float) -> Report:
    return build_report(worker_metrics=METRICS | metrics)


def test_what_was_counted_alike_has_no_problems() -> None:
    assert check_counts(build()) == check_throughput(build()) == check_latency(build()) == []


@pytest.mark.parametrize("name", [name for name in METRICS if "bucket" not in name])
def test_one_record_more_in_the_metrics_is_a_problem(name: str) -> None:
    assert len(check_counts(build(**{name: METRICS[name] + 1}))) == 1


def test_what_is_missing_or_doubled_is_a_problem() -> None:
    report = build().model_copy(update={"counts": build_counts(missing=1, duplicates_identical=2)})
    assert check_counts(report) == ["3 items are missing, doubled or out of order"]


def test_a_throughput_that_is_off_by_more_than_a_tenth_is_a_problem() -> None:
    assert check_throughput(build(**{'prism_explanations_total{source="model"}': 3000.0}))
    assert check_throughput(build().model_copy(update={"seconds": []})) == ["nothing was measured"]


def test_a_latency_that_is_off_by_more_than_the_width_of_its_bucket_is_a_problem() -> None:
    def shift(bound: str) -> Report:
        bounds = ("0.1", "0.25", "0.5", "1.0", "2.5")
        return build(**{f'prism_end_to_end_seconds_bucket{{le="{one}"}}': 800.0 * (one >= bound) for one in bounds})

    assert check_latency(shift("0.25")) == ["p99: 0.900 s here, 0.248 s by the metrics, whose bucket is 0.15 s wide"]
    # In the middle of 0.5 to 1 s, which 0.2 s is not more than 0.5 s away from.
    assert [problem[:3] for problem in check_latency(shift("1.0"))] == ["p50"]
    assert [problem[:3] for problem in check_latency(shift("2.5"))] == ["p50", "p99"]
    assert check_latency(build_report(worker_metrics={})) == ["p50 was not measured", "p99 was not measured"]
