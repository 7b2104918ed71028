"""The page as a reader meets it: opened from disk without a network, in the dark and on a phone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from stream_app.replay.charts import draw_charts
from stream_app.replay.page import render_page
from tests.replay.reporting import build_report, build_second

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request

Scheme = Literal["dark", "light"]
PHONE, DESK = 390, 1280


@dataclass
class Reader:
    """A browser that has no network, and what went wrong in it."""

    browser: "Browser"
    folder: Path
    contexts: list["BrowserContext"] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, html: str, width: int, scheme: Scheme) -> "Page":
        path = self.folder / "report.html"
        path.write_text(html, encoding="utf-8")
        context = self.browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": 844}, reduced_motion="reduce"
        )
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note_request)
        page.goto(path.as_uri())
        page.locator(f"html[data-drawn={scheme}]").wait_for()
        return page

    def _note_request(self, request: "Request") -> None:
        if not request.url.startswith(("file:", "data:")):
            self.complaints.append(request.url)


@pytest.fixture
def reader(browser: "Browser", tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(browser, tmp_path)
    yield reader
    for context in reader.contexts:
        context.close()
    assert reader.complaints == []


@pytest.fixture(scope="module")
def one() -> str:
    return render_page(build_report())


def read_fill(label: "Locator") -> str:
    return str(label.evaluate("element => getComputedStyle(element).fill"))


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_chart_is_drawn_and_the_page_is_no_wider_than_the_screen(
    reader: Reader, one: str, width: int, scheme: Scheme
) -> None:
    page = reader.open(one, width, scheme)
    assert page.locator("figure .plot svg").count() == len(draw_charts(build_report()))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = "svgs => svgs.filter(s => s.getBoundingClientRect().right > innerWidth).length"
    assert page.locator("figure .plot svg").evaluate_all(overflowing) == 0


def test_two_runs_fit_on_a_phone_too(reader: Reader) -> None:
    page = reader.open(render_page(build_report(), build_report(run_id="a-long-name-of-a-run-" * 6)), PHONE, "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_charts_follow_the_theme_while_the_page_is_open(reader: Reader, one: str) -> None:
    page = reader.open(one, DESK, "light")
    label = page.locator("#rates .role-axis-label text").first
    bright_page = read_fill(label)
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-drawn=dark]").wait_for()
    assert read_fill(label) != bright_page
    assert page.locator("figure .plot svg").count() == len(draw_charts(build_report()))


def test_pointing_at_a_second_shows_its_figures_and_the_same_second_in_the_other_charts(
    reader: Reader, one: str
) -> None:
    page = reader.open(one, DESK, "light")
    page.locator("#backlog").scroll_into_view_if_needed()
    box = page.locator("#backlog .plot svg").bounding_box()
    assert box is not None
    cursors = page.locator("#rates .mark-rule line[stroke='#7d8590']")
    assert cursors.count() == 0
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 100)
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 100)
    page.locator("#vg-tooltip-element.visible", has_text="backlog").wait_for()
    cursors.first.wait_for(state="attached")


def test_the_time_span_is_chosen_by_keyboard_for_all_charts(reader: Reader) -> None:
    page = reader.open(render_page(build_report(seconds=[build_second(n) for n in range(100)])), DESK, "light")
    page.locator("#first").focus()
    for _ in range(50):
        page.keyboard.press("ArrowRight")
    assert page.locator("#span").inner_text() == "50 s to 99 s"
    for chart in ("#rates", "#latency", "#outcomes"):
        page.locator(f"{chart} .role-axis-label text", has_text="60 s").wait_for(state="attached")
        assert page.locator(f"{chart} .role-axis-label text", has_text="20 s").count() == 0
    page.get_by_role("button", name="Show all").click()
    page.locator("#rates .role-axis-label text", has_text="20 s").wait_for(state="attached")


def test_a_run_of_which_nothing_was_measured_is_drawn_without_complaint(reader: Reader) -> None:
    quiet = build_second(
        0, sent_events=0, outcomes=0, templates=0, dead_letters=0, backlog_events=0, p50=None, p99=None
    )
    for seconds in ([], [quiet]):
        page = reader.open(render_page(build_report(seconds=seconds, processes=[], batch_sizes={})), DESK, "light")
        assert page.locator("figure .plot svg").count() > 0


def test_wide_tables_can_be_reached_and_scrolled_by_keyboard(reader: Reader, one: str) -> None:
    page = reader.open(one, PHONE, "light")
    table = page.get_by_role("region", name="Search for the capacity")
    table.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
