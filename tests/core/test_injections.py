"""Text in an event is data: whatever it says, and whatever the model makes of it, nothing unsafe is emitted."""

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stream_app.core.events import Explanation
from stream_app.core.pipeline import Explained, ExplanationPipeline
from tests.factories import build_document, build_history_item, build_item, build_record
from tests.fakes import ScriptedGenerator

CASES = json.loads(Path(__file__).with_name("injections.json").read_text(encoding="utf-8"))
UNPRINTABLE = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")


@dataclass(frozen=True)
class Injection:
    """A text, the field of the event that carries it, and the parts of it that may not be emitted."""

    name: str
    field: str
    text: str
    unsafe: list[str]


INJECTIONS = [Injection(**case) for case in CASES]


def place_injection(injection: Injection) -> dict[str, Any]:
    """Put the text into its field of an otherwise ordinary event."""
    item: dict[str, Any] = {"attributes": {"genre": ["crime", "drama"], "director": "Mara Ellison"}}
    seen: dict[str, Any] = {"attributes": {"genre": ["crime"]}}
    preferences = ["Enjoys slow stories by the sea."]
    match injection.field:
        case "title":
            item["title"] = injection.text
        case "history_title":
            seen["title"] = injection.text
        case "preference":
            preferences = [injection.text]
        case "summary":
            item["summary"] = injection.text
        case "attribute_name":
            item["attributes"][injection.text] = "quiet bay"
        case "attribute_value":
            item["attributes"]["theme"] = injection.text
            seen["attributes"]["theme"] = injection.text
    return {"items": [build_item(**item)], "history": [build_history_item(**seen)], "preferences": preferences}


def explain(injection: Injection, slotted: str) -> Explanation:
    """Run the whole pipeline with a model that always writes the same slotted text."""
    pipeline = ExplanationPipeline(ScriptedGenerator(write=lambda _: slotted))
    [outcome] = pipeline.explain([build_record(**place_injection(injection))])
    assert isinstance(outcome, Explained)
    [explanation] = outcome.explanations
    return explanation


def assert_safe(explanation: Explanation, injection: Injection) -> None:
    text = explanation.text
    assert not [part for part in injection.unsafe if part.lower() in text.lower()]
    assert not [character for character in text if unicodedata.category(character) in UNPRINTABLE]
    assert not set(text) & set("<>[]{}|`*@_")
    assert 8 <= len(text.split()) <= 40


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
@pytest.mark.parametrize(
    "slotted",
    [
        "you might want to take a look at <t> when there is time .",
        "since you loved <h1> , you might want to take a look at <t> .",
        "<t> is a crime drama by <n1> , if you have time for it .",
        "<n1> and <n2> may give you a reason to try <t> one day .",
    ],
)
def test_an_honest_model_carries_no_injection_into_a_text(injection: Injection, slotted: str) -> None:
    assert_safe(explain(injection, slotted), injection)


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
@pytest.mark.parametrize(
    "frame",
    [
        "{payload}",
        "{payload} .",
        "you might want to take a look at <t> , {payload} .",
        "{payload} , so you might want to take a look at <t> one day .",
        "<t> <h1> <n1> {payload} and that is all that there is to say .",
    ],
)
def test_a_model_that_echoes_an_injection_is_not_heard(injection: Injection, frame: str) -> None:
    payload = injection.text
    for echoed in (payload, payload.lower(), " ".join(payload)):
        assert_safe(explain(injection, frame.replace("{payload}", echoed)), injection)


@pytest.mark.parametrize("injection", INJECTIONS, ids=lambda injection: injection.name)
def test_an_echoed_part_of_an_injection_is_not_heard(injection: Injection) -> None:
    # Plain words are harmless alone; they count where the whole injection is echoed, in the tests above.
    for part in set(injection.unsafe) - {"hacked", "buy now", "onerror"}:
        explanation = explain(injection, f"you might want to take a look at <t> , {part} , when there is time .")
        assert_safe(explanation, injection)


def test_the_corpus_reaches_every_field() -> None:
    fields = {"title", "history_title", "preference", "summary", "attribute_name", "attribute_value"}
    assert {injection.field for injection in INJECTIONS} == fields
    assert len({injection.name for injection in INJECTIONS}) == len(INJECTIONS) >= 40
    assert all(build_document(**place_injection(injection)) for injection in INJECTIONS)
