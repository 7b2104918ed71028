"""The form as a rater meets it: opened from disk, filled by keyboard, closed in between, exported, analysed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offline.human_eval.analysis import analyse
from offline.human_eval.documents import Export, Key
from offline.human_eval.form import FormOptions, build_form
from tests.offline.human_eval.rating import build_texts, write_texts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Request

HOSTILE = "<img src=x onerror=document.title='hacked'>"


@dataclass
class Form:
    """A form in a browser that has no network, its key, and what went wrong in it."""

    path: Path
    key: Key
    context: "BrowserContext"
    complaints: list[str] = field(default_factory=list)

    def open(self, rater: str) -> "Page":
        page = self.context.new_page()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note_request)
        page.goto(self.path.as_uri())
        page.keyboard.type(rater)
        page.keyboard.press("Enter")
        return page

    def _note_request(self, request: "Request") -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(request.url)


@pytest.fixture
def form(browser: "Browser", tmp_path: Path) -> Iterator[Form]:
    rows = [row.model_copy(update={"oracle": f"{row.oracle} {HOSTILE}"}) for row in build_texts(4)]
    key = build_form(write_texts(tmp_path, rows), tmp_path, FormOptions(rows=2, pair_rows=3))
    context = browser.new_context(offline=True)
    form = Form(tmp_path / "form.html", key, context)
    yield form
    context.close()
    assert form.complaints == []


def rate_all(page: "Page", grades: str, choice: str) -> None:
    while not page.locator("#end").is_visible():
        page.keyboard.type(grades if page.locator("fieldset").count() == 3 else choice)
        page.keyboard.press("Enter")


def export(page: "Page", folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download answers").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_answers_given_by_keyboard_are_exported_and_analysed(form: Form, tmp_path: Path) -> None:
    page = form.open("Ann B.")
    rate_all(page, "542", "2")
    path = export(page, tmp_path)
    assert path.name == f"ratings-{form.key.form_id}-Ann-B-.json"
    evaluation = analyse([path], tmp_path / "key.json")
    assert (evaluation.raters, evaluation.ratings) == (["Ann B."], len(form.key.texts))
    for questions in evaluation.systems.values():
        assert [questions[name].mean for name in ("persuasiveness", "personalization", "faithfulness")] == [5, 4, 2]
    assert evaluation.preferences is not None
    assert evaluation.preferences.same == 3


def test_answers_survive_closing_the_page_and_belong_to_their_rater(form: Form, tmp_path: Path) -> None:
    page = form.open("ann")
    page.keyboard.type("333")
    page.keyboard.press("Enter")
    page.close()
    again = form.open("ann")
    assert again.locator("#place").inner_text() == "2 of 9"
    assert len(Export.model_validate_json(export(again, tmp_path).read_bytes()).ratings) == 1
    assert form.open("bob").locator("#place").inner_text() == "1 of 9"


def test_raters_see_different_orders_and_the_same_rater_the_same(form: Form) -> None:
    def read_order(rater: str) -> list[str]:
        page = form.open(rater)
        texts = []
        for _ in range(6):
            texts.append(page.locator("blockquote").inner_text())
            page.keyboard.type("111")
            page.keyboard.press("Enter")
        page.evaluate("localStorage.clear()")
        return texts

    first = read_order("ann")
    assert read_order("ann") == first
    assert read_order("bob") != first
    assert len(set(first)) == 6


def test_a_card_must_be_complete_before_the_next_and_can_be_corrected(form: Form, tmp_path: Path) -> None:
    page = form.open("ann")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    assert page.locator("#place").inner_text() == "1 of 9"
    assert page.get_by_role("button", name="Next").is_disabled()
    page.keyboard.type("3")
    page.get_by_role("button", name="Next").click()
    page.keyboard.press("Backspace")
    page.locator("input[name=faithfulness][value='5']").check()
    (rating,) = Export.model_validate_json(export(page, tmp_path).read_bytes()).ratings
    assert (rating.persuasiveness, rating.personalization, rating.faithfulness) == (1, 2, 5)


def test_markup_in_a_text_is_shown_as_text(form: Form) -> None:
    page = form.open("ann")
    shown = []
    for _ in range(6):
        shown.append(page.locator("blockquote").inner_text())
        page.keyboard.type("111")
        page.keyboard.press("Enter")
    assert sum(HOSTILE in text for text in shown) == 2
    assert page.title() == "Rate explanations"
    assert page.locator("img").count() == 0
