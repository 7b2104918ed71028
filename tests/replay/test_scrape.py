from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stream_app.probes import Health, ProbeServer
from stream_app.replay.fleet import ObservedProcess
from stream_app.replay.scrape import MetricsTally, Rises, Scrape, decode_counts, scrape_processes
from stream_app.telemetry import Metrics

FIRST, SECOND, REBORN = (
    ObservedProcess("worker-0", 10),
    ObservedProcess("worker-1", 11),
    ObservedProcess("worker-0", 12),
)
RECEIVED = "prism_records_received_total"
SETTLED = "prism_records_settled_total"
END_TO_END = "prism_end_to_end_seconds"


def count_batches(metrics: Metrics, *sizes: int, seconds: float = 0.3) -> Metrics:
    for size in sizes:
        metrics.count_received(size)
        metrics.count_batch({"explained": size}, [seconds] * size)
    return metrics


def scrape(process: ObservedProcess, metrics: Metrics) -> Scrape:
    return Scrape(process, decode_counts(metrics.render().decode()))


def follow(*rounds: list[Scrape]) -> Rises:
    tally = MetricsTally(rounds[0])
    for scrapes in rounds[1:]:
        tally.note(scrapes)
    return tally.sum_up()


def test_what_two_workers_counted_since_the_beginning_is_added_up() -> None:
    one, two = count_batches(Metrics(), 4, 4), count_batches(Metrics(), 100)
    beginning = [scrape(FIRST, one), scrape(SECOND, two)]
    count_batches(one, 3)
    count_batches(two, 20, 1)
    rises = follow(beginning, [scrape(FIRST, one), scrape(SECOND, two)])
    assert rises.add_up(RECEIVED) == 24
    assert rises.add_up(SETTLED, outcome="explained") == rises.add_up(SETTLED) == 24
    assert rises.add_up(SETTLED, outcome="expired") == 0
    assert rises.incomplete == ()
    assert rises.is_settled


def test_without_a_second_scrape_nothing_has_risen() -> None:
    rises = follow([scrape(FIRST, count_batches(Metrics(), 4))])
    assert rises.add_up(RECEIVED) == 0
    assert set(rises.to_batch_sizes().values()) == {0}
    assert rises.incomplete == ()


def test_a_restarted_worker_counts_from_zero_even_if_it_has_passed_its_old_count() -> None:
    metrics = count_batches(Metrics(), 10)
    beginning = [scrape(FIRST, metrics)]
    before = [scrape(FIRST, count_batches(metrics, 5))]
    after = [scrape(REBORN, count_batches(Metrics(), 16, 16))]
    rises = follow(beginning, before, after)
    assert rises.add_up(RECEIVED) == 5 + 32
    assert rises.incomplete == ("worker-0 (10)",)


def test_counts_that_have_fallen_are_those_of_a_new_process_though_it_looks_like_the_old_one() -> None:
    old = count_batches(Metrics(), 10)
    new = count_batches(Metrics(), 4)
    rises = follow([scrape(FIRST, old)], [scrape(FIRST, new)], [scrape(FIRST, count_batches(new, 2))])
    assert rises.add_up(RECEIVED) == 6


def test_a_worker_that_did_not_answer_is_named_until_it_does() -> None:
    metrics = Metrics()
    tally = MetricsTally([scrape(FIRST, metrics)])
    tally.note([])
    assert tally.sum_up().incomplete == ("worker-0 (10)",)
    tally.note([scrape(FIRST, count_batches(metrics, 7))])
    assert tally.sum_up().incomplete == ()
    assert tally.sum_up().add_up(RECEIVED) == 7


def test_labels_that_appear_later_have_risen_from_zero() -> None:
    metrics = Metrics()
    beginning = [scrape(FIRST, metrics)]
    metrics.count_texts({"template": 2}, {"overload": 2}, {})
    assert follow(beginning, [scrape(FIRST, metrics)]).add_up("prism_templates_total", reason="overload") == 2


def test_records_in_flight_are_not_settled() -> None:
    metrics = Metrics()
    beginning = [scrape(FIRST, metrics)]
    metrics.count_received(3)
    assert not follow(beginning, [scrape(FIRST, metrics)]).is_settled
    metrics.count_batch({"explained": 2, "dead_letter": 1}, [0.1] * 3)
    assert follow(beginning, [scrape(FIRST, metrics)]).is_settled


def test_batches_are_counted_by_the_upper_bound_of_their_size() -> None:
    one, two = Metrics(), Metrics()
    beginning = [scrape(FIRST, one), scrape(SECOND, two)]
    count_batches(one, 1, 3, 4, 5)
    count_batches(two, 8, 256, 257)
    sizes = follow(beginning, [scrape(FIRST, one), scrape(SECOND, two)]).to_batch_sizes()
    assert list(sizes) == ["1", "2", "4", "8", "16", "32", "64", "128", "256", "+Inf"]
    assert {bound: number for bound, number in sizes.items() if number} == {"1": 1, "4": 2, "8": 2, "256": 1, "+Inf": 1}


def test_a_quantile_lies_in_the_bucket_of_the_worker_that_was_that_slow() -> None:
    metrics = count_batches(Metrics(), 500, seconds=200.0)
    beginning = [scrape(FIRST, metrics)]
    count_batches(metrics, 90, seconds=0.3)
    count_batches(metrics, 9, seconds=2.0)
    count_batches(metrics, 1, seconds=400.0)
    rises = follow(beginning, [scrape(FIRST, metrics)])
    assert rises.find_quantile_bounds(END_TO_END, 0.5) == (0.25, 0.5)
    assert rises.find_quantile_bounds(END_TO_END, 0.9) == (0.25, 0.5)
    assert rises.find_quantile_bounds(END_TO_END, 0.99) == (1.0, 2.5)
    assert rises.find_quantile_bounds(END_TO_END, 0.999) == (300.0, float("inf"))
    assert rises.find_quantile_bounds("prism_inference_seconds", 0.5) is None
    assert rises.find_quantile_bounds("prism_nothing", 0.5) is None


def test_the_report_gets_counters_by_their_prometheus_names_and_no_gauges() -> None:
    metrics = Metrics()
    beginning = [scrape(FIRST, metrics)]
    count_batches(metrics, 6)
    metrics.breaker_openings.inc(2)
    metrics.oldest_record_seconds.set(9.0)
    rises = follow(beginning, [scrape(FIRST, metrics)]).to_worker_metrics()
    assert rises[RECEIVED] == 6
    assert rises['prism_records_settled_total{outcome="explained"}'] == 6
    assert rises['prism_end_to_end_seconds_bucket{le="0.5"}'] == 6
    assert rises["prism_end_to_end_seconds_sum"] == pytest.approx(1.8)
    assert rises["prism_breaker_openings_total"] == 2
    assert not [name for name in rises if "_created" in name or "in_flight" in name or "oldest" in name]


@contextmanager
def serve(metrics: Metrics) -> Iterator[str]:
    with ProbeServer(Health(batch_limit_seconds=60.0), metrics, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.port}/metrics"


def test_a_worker_is_scraped_over_http_whatever_proxy_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serve(count_batches(Metrics(), 5)) as url:
        process = ObservedProcess("worker-0", 10, url)
        [scraped] = scrape_processes([process])
    assert scraped.process == process
    assert [count.value for count in scraped.counts if count.name == RECEIVED] == [5]


def test_a_process_without_metrics_and_one_that_does_not_answer_are_left_out() -> None:
    with serve(Metrics()) as url:
        pass
    assert scrape_processes([ObservedProcess("broker", 9), ObservedProcess("worker-0", 10, url)]) == []
