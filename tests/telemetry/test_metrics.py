import platform

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream_app import __version__
from stream_app.telemetry import Metrics, PartitionLag


def read(metrics: Metrics) -> str:
    return metrics.render().decode()


def test_received_equals_settled_plus_in_flight() -> None:
    metrics = Metrics()
    metrics.count_received(5)
    assert "prism_records_in_flight 5.0" in read(metrics)
    metrics.count_batch({"explained": 3, "dead_letter": 2}, end_to_end_seconds=[0.1] * 5)
    text = read(metrics)
    assert "prism_records_received_total 5.0" in text
    assert 'prism_records_settled_total{outcome="explained"} 3.0' in text
    assert 'prism_records_settled_total{outcome="dead_letter"} 2.0' in text
    assert "prism_records_in_flight 0.0" in text


def test_texts_are_counted_by_source_reason_and_rule() -> None:
    metrics = Metrics()
    metrics.count_texts({"model": 2, "template": 1}, {"unknown_name": 1}, {"unknown_name": 4})
    metrics.set_model("serving", "prism-small", "1.2.2")
    metrics.set_model("serving", "prism-small", "1.2.3")
    text = read(metrics)
    assert 'prism_explanations_total{source="model"} 2.0' in text
    assert 'prism_templates_total{reason="unknown_name"} 1.0' in text
    assert 'prism_gate_violations_total{rule="unknown_name"} 4.0' in text
    assert 'prism_model_info{name="prism-small",role="serving",version="1.2.3"} 1.0' in text
    assert 'version="1.2.2"' not in text


def test_two_workers_in_one_process_do_not_share_metrics() -> None:
    Metrics().count_received(1)
    assert "prism_records_received_total 0.0" in read(Metrics())


def test_a_batch_is_counted_by_what_ended_the_wait_and_by_how_long_it_waited() -> None:
    metrics = Metrics()
    metrics.count_flush("full", 0.2)
    metrics.count_flush("full", None)
    text = read(metrics)
    assert 'prism_batch_flushes_total{reason="full"} 2.0' in text
    assert 'prism_batch_flushes_total{reason="waited"} 0.0' in text
    assert "prism_batch_wait_seconds_count 1.0" in text
    assert 'prism_batch_wait_seconds_bucket{le="0.1"} 0.0' in text
    assert 'prism_batch_wait_seconds_bucket{le="0.25"} 1.0' in text


def test_each_reading_of_the_lags_replaces_the_one_before() -> None:
    metrics = Metrics()
    metrics.set_lags([PartitionLag("in", 0, 7), PartitionLag("in", 1, 0)], read_at=1_000.0)
    metrics.set_lags([PartitionLag("in", 1, 3)], read_at=1_005.0)
    text = read(metrics)
    assert 'prism_consumer_lag_records{partition="1",topic="in"} 3.0' in text
    assert 'partition="0"' not in text
    assert "prism_consumer_lag_timestamp_seconds 1005.0" in text


def test_partitions_that_are_revoked_have_no_lag_left() -> None:
    metrics = Metrics()
    metrics.count_rebalance(2)
    metrics.set_lags([PartitionLag("in", 0, 7)], read_at=1_000.0)
    assert "prism_partitions_assigned 2.0" in read(metrics)
    metrics.forget_partitions()
    text = read(metrics)
    assert "prism_consumer_lag_records{" not in text
    assert "prism_partitions_assigned 0.0" in text
    assert "prism_rebalances_total 1.0" in text


def test_readiness_is_asked_for_at_each_scrape() -> None:
    metrics = Metrics()
    assert "prism_ready 0.0" in read(metrics)
    answers = iter([True, False])
    metrics.watch_readiness(lambda: next(answers))
    assert ["prism_ready 1.0" in read(metrics), "prism_ready 0.0" in read(metrics)] == [True, True]


def test_the_build_is_named_by_what_is_installed() -> None:
    [build] = [one for one in text_string_to_metric_families(read(Metrics())) if one.name == "prism_build_info"]
    [sample] = build.samples
    assert sample.labels["version"] == __version__
    assert sample.labels["python"] == platform.python_version()
    assert sample.labels["ctranslate2"][0].isdigit()


@pytest.mark.parametrize(
    "sample",
    [
        'prism_gate_violations_total{rule="unsupported_name"}',
        'prism_dead_letters_total{stage="publish"}',
        'prism_records_settled_total{outcome="expired"}',
        "prism_breaker_openings_total",
        "prism_clock_jumps_total",
    ],
)
def test_what_alerts_wait_for_is_shown_before_it_happens(sample: str) -> None:
    assert f"{sample} 0.0" in read(Metrics())


def test_there_is_a_series_for_each_count_and_none_for_when_it_was_created() -> None:
    assert "_created" not in read(Metrics())


@pytest.mark.skipif(platform.system() != "Linux", reason="the client reads /proc")
def test_the_process_is_measured_too() -> None:
    assert "process_resident_memory_bytes" in read(Metrics())
