import re
from html.parser import HTMLParser

import pytest

from offline.evaluation.figures import FigureOptions, report_groups
from offline.evaluation.page import render_page
from offline.evaluation.plots import LEFT, RIGHT, draw_plot
from offline.evaluation.report import Evaluation, Figure, Settings, list_metrics
from offline.recorded_rows import RecordedRow
from stream_app.core.events import ModelIdentity
from tests.factories import build_event, build_history_item, build_item
from tests.offline.evaluation.measuring import LengthJudge, build_models, build_row, build_text_row

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"
METRIC = next(list_metrics())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    hostile = build_event(
        preferences=[HOSTILE],
        history=[build_history_item(HOSTILE)],
        items=[build_item(HOSTILE, summary=HOSTILE, attributes={HOSTILE[:60]: HOSTILE})],
    )
    odd = RecordedRow(HOSTILE, hostile, HOSTILE)
    rows = [build_text_row(build_row(0)), build_text_row(odd, raw_rules=["length"], others={HOSTILE: HOSTILE})]
    rows[0] = rows[0].model_copy(update={"others": {HOSTILE: "text"}})
    evaluation = Evaluation(
        model=ModelIdentity(name=HOSTILE, version="1"),
        prompt_fingerprint="f",
        texts_sha256="0" * 64,
        settings=Settings(
            seed=0, encoder="words", judge=HOSTILE, judged_rows=2, retrieval_rows=2, retrieval_draws=1, resamples=100
        ),
        groups=dict(report_groups(rows, build_models(LengthJudge()), FigureOptions(resamples=100))),
    )
    return render_page(evaluation, rows, examples=50, seed=0)


def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def test_what_comes_from_outside_is_text_and_never_markup(page: str) -> None:
    reader = read(page)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert reader.text.count(HOSTILE) >= 8


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    assert read(page).addresses == ["data:,"]
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(", page)


def test_the_page_has_a_table_plots_and_examples_and_suits_phones_and_dark_rooms(page: str) -> None:
    reader = read(page)
    assert reader.tags.count("table") == 2 * len(["all", "invented"])
    assert reader.tags.count("svg") > 30
    assert reader.tags.count("article") == 2
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme: dark" in page
    assert len(page) < 400_000


def test_a_dot_lies_within_its_whisker_and_the_axis_begins_at_zero() -> None:
    plot = draw_plot(METRIC, ["a", "b"], [Figure(value=0.5, low=0.25, high=1, rows=9), None])
    (mark,) = plot.marks
    assert (plot.start, plot.end) == (0, 1)
    assert mark.low is not None
    assert mark.high is not None
    assert LEFT < mark.low < mark.x < mark.high == RIGHT


def test_figures_below_zero_and_figures_of_zero_have_a_place() -> None:
    below = draw_plot(METRIC, ["a"], [Figure(value=-2, low=-3, high=-1, rows=9)])
    assert (below.start, below.end, below.marks[0].low) == (-3, 0, LEFT)
    assert draw_plot(METRIC, ["a"], [Figure(value=0, rows=9)]).marks[0].x == LEFT
