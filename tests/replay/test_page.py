import re
from html.parser import HTMLParser

import orjson
import pytest

from stream_app.replay.measurements import Incident, Objective
from stream_app.replay.page import render_page
from tests.replay.reporting import build_counts, build_report, build_setup

HOSTILE = "</script><script>alert('x')</script>\"><img src=x onerror=alert(1)>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._open not in ("script", "style"):
            self.texts.append(data.strip())


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def test_the_page_needs_nothing_but_itself() -> None:
    page = render_page(build_report())
    assert read(page).addresses == ["data:,"]
    assert not re.search(r"@import|url\(", page[: page.index('<script type="application/json"')])
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe-eval" not in page.split("</head>")[0]


def test_the_figures_on_the_page_are_those_of_the_report() -> None:
    counts = build_counts(explained=3210, template=456, missing=334)
    texts = read(render_page(build_report(counts=counts))).texts
    for shown in ("3,210", "456", "334", "24.5", "200 ms", "900 ms", "3,957", "worker-0 killed", "the backlog grew"):
        assert shown in texts, shown
    assert "3.25" in texts


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "PASS"),
        ({"objectives": [Objective(name="lost", limit=0, measured=3, is_met=False)]}, "SLO MISSED"),
        ({"invalid": ["the generator was late"]}, "INVALID"),
        ({"status": "interrupted"}, "INTERRUPTED"),
    ],
)
def test_the_headline_is_the_verdict(changes: dict[str, object], name: str) -> None:
    page = render_page(build_report(**changes))
    assert name in read(page).texts
    assert f"<title>{name}: run-1" in page


def test_the_reasons_stand_below_the_verdict() -> None:
    texts = read(render_page(build_report(invalid=["the generator was late", "the clock jumped"]))).texts
    assert {"the generator was late", "the clock jumped"} <= set(texts)


def test_what_comes_from_outside_is_text_and_never_markup() -> None:
    report = build_report(
        run_id=HOSTILE,
        setup=build_setup(recording=HOSTILE, input_topic=HOSTILE, versions={HOSTILE: HOSTILE}),
        incidents=[Incident(second=1, what=HOSTILE)],
        worker_metrics={HOSTILE: 1},
        invalid=[HOSTILE],
    )
    reader = read(render_page(report, report))
    assert reader.tags.count("script") == 4
    assert "img" not in reader.tags
    assert sum(HOSTILE in text for text in reader.texts) >= 8


def test_both_themes_are_part_of_the_page() -> None:
    page = render_page(build_report())
    themes = re.search(r'<script type="application/json" id="themes">(.*?)</script>', page)
    assert themes is not None
    light, dark = orjson.loads(themes[1])
    assert light["axis"]["labelColor"] != dark["axis"]["labelColor"]
    assert "prefers-color-scheme: dark" in page


def test_two_runs_are_shown_with_their_differences_and_what_was_not_asked_for_alike() -> None:
    other = build_report(run_id="run-2", capacity_events_per_second=49.0, setup=build_setup(rate=30.0))
    texts = read(render_page(build_report(), other)).texts
    for shown in ("A: PASS", "B: PASS", "+100.0 %", "Not asked for alike", "30 events/s", "Outcomes of B"):
        assert shown in texts, shown


def test_a_report_with_hardly_anything_in_it_has_a_page() -> None:
    report = build_report(
        seconds=[],
        processes=[],
        batch_sizes={},
        worker_metrics={},
        incidents=[],
        objectives=[],
        search=[],
        capacity_events_per_second=None,
        counts=build_counts(events=0, items=0, explained=0, template=0, dead_letter=0),
        duration_seconds=0.0,
    )
    assert "None was set." in read(render_page(report)).texts
