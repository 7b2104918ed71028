"""The independent check of saved demo files: it must find what is wrong, and leave alone what is right."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import check_saved_demo
from tests.check_saved_demo import check_rows, list_ordinary_words

EVENT: dict[str, Any] = {
    "event_id": "e1",
    "occurred_at": "2026-01-01T00:00:00Z",
    "user": {
        "user_id": "u1",
        "rating_scale": [1.0, 5.0],
        "history": [
            {
                "item_id": "a",
                "title": "Harbour Lights",
                "rating": 5.0,
                "attributes": {"genre": ["drama"], "year": "1991"},
            },
            {
                "item_id": "b",
                "title": "Tin Moon: The Return",
                "rating": 4.0,
                "attributes": {"genre": ["science fiction"]},
            },
            {"item_id": "c", "title": "Slow Parade", "rating": 2.0, "attributes": {"genre": ["musical"]}},
        ],
        "preferences": [],
    },
    "items": [
        {
            "item_id": "i",
            "title": "Glass Orchard (Verre, Le)",
            "rank": 1,
            "attributes": {"genre": ["drama", "mystery"], "director": "Ida Noor", "year": "1995"},
        }
    ],
}
GOOD_TEXTS = [
    "Because you loved Harbour Lights, try Glass Orchard, a drama and mystery from 1995.",
    "If you loved Harbour Lights, Glass Orchard from 1995 is another drama.",
    "You liked Tin Moon, and Glass Orchard by Ida Noor adds a mystery to its drama.",
    "Ida Noor's Glass Orchard is a 1990s drama, unlike Slow Parade, which you disliked.",
    "If drama is what you enjoyed in Harbour Lights and The Return, Glass Orchard has more of it.",
]
INVENTING_TEXTS = {
    "Because you loved Harbour Lights, try Glass Orchard with Tom Hanks in the main part.": "Tom",
    "Spielberg made Glass Orchard, a drama and mystery from 1995 for a quiet evening.": "Spielberg",
    "Glass Orchard is a drama and mystery from 1996, near to Harbour Lights in mood.": "1996",
    "Because you loved Harbour Moon, try Glass Orchard, a drama and mystery from 1995.": "Harbour Moon",
    "Glass Orchard won 3 prizes, and is a drama for people who enjoy mystery.": "3",
    "Glass Orchard is a drama of the 1980s for people who enjoy a mystery now and then.": "1980s",
}
WRONG_LIKINGS = [
    "Because you loved Tin Moon, try Glass Orchard, a drama and mystery from 1995.",
    "Because you liked Harbour Lights and Slow Parade, try Glass Orchard, a drama and mystery.",
    "Glass Orchard is a drama, as was Slow Parade, which you enjoyed, and has mystery too.",
    "You loved Glass Orchard, so here is more drama and mystery from the same year.",
    "You disliked Harbour Lights, but Glass Orchard is a drama with some mystery in it.",
]


def make_row(text: str, **changes: object) -> dict[str, Any]:
    explanation: dict[str, object] = {
        "event_id": "e1",
        "item_id": "i",
        "text": text,
        "source": "model",
        "template_reason": None,
        "evidence": [],
    }
    return {"event": copy.deepcopy(EVENT), "explanation": explanation | changes, "headers": {}}


def make_evidence(text: str, claim: str, pointer: str, field_start: int = 0) -> dict[str, object]:
    start = text.index(claim)
    return {
        "start": start,
        "end": start + len(claim),
        "pointer": pointer,
        "field_start": field_start,
        "field_end": field_start + len(claim),
    }


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_a_faithful_text_is_left_alone(text: str) -> None:
    summary = check_rows([make_row(text)])
    assert summary["examples"] == {}
    assert summary["with_unsupported_names"] == summary["with_wrong_likings"] == 0


@pytest.mark.parametrize(("text", "name"), INVENTING_TEXTS.items())
def test_an_invented_name_or_number_is_found(text: str, name: str) -> None:
    found = check_saved_demo.find_unsupported(text, EVENT, list_ordinary_words([text]))
    assert name in found


@pytest.mark.parametrize("text", WRONG_LIKINGS)
def test_a_wrong_claim_of_liking_is_found(text: str) -> None:
    assert check_rows([make_row(text)])["with_wrong_likings"] == 1


def test_an_ordinary_word_may_begin_a_sentence_but_a_name_may_not() -> None:
    texts = ["Orchards feature in a drama.", "It has orchards.", "Kubrick features in a drama."]
    ordinary = list_ordinary_words(texts)
    assert [bool(check_saved_demo.find_unsupported(text, EVENT, ordinary)) for text in texts] == [False, False, True]


def test_evidence_must_show_the_same_words_in_text_and_event() -> None:
    text = "Because you loved Harbour Lights, try Glass Orchard, a drama from 1995."
    good = [
        make_evidence(text, "Harbour Lights", "/user/history/0/title"),
        make_evidence(text, "drama", "/items/0/attributes/genre/0"),
    ]
    moved = {**good[0], "field_start": 1, "field_end": 15}
    elsewhere = {**good[0], "pointer": "/user/history/9/title"}
    counts = [
        check_rows([make_row(text, evidence=evidence)])["with_bad_evidence"]
        for evidence in (good, [moved], [elsewhere])
    ]
    assert counts == [0, 1, 1]


def test_shares_bounds_and_repeats_are_counted() -> None:
    rows = [
        make_row(GOOD_TEXTS[0]),
        make_row("Too short.", source="template", template_reason="repeated_word"),
        make_row("word " * 41, item_id="j"),
    ]
    summary = check_rows(rows)
    assert (summary["explanations"], summary["events"], summary["repeated_keys"]) == (3, 1, 1)
    assert (summary["from_model"], summary["from_template"], summary["template_reasons"]) == (
        2,
        1,
        {"repeated_word": 1},
    )
    assert summary["outside_word_bounds"] == 2


@pytest.mark.parametrize(
    ("texts", "exit_code"), [(GOOD_TEXTS, 0), ([*GOOD_TEXTS, next(iter(INVENTING_TEXTS))], 1), ([], 2)]
)
def test_the_script_ends_with_1_only_for_unsupported_names(texts: list[str], exit_code: int, tmp_path: Path) -> None:
    saved = tmp_path / "saved.jsonl"
    saved.write_text("".join(json.dumps(make_row(text)) + "\n" for text in texts), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, check_saved_demo.__file__, str(saved)], capture_output=True, text=True, check=False
    )
    assert result.returncode == exit_code, result.stdout + result.stderr
    assert json.loads(result.stdout)["explanations"] == len(texts)


def test_the_script_knows_nothing_of_the_package_that_it_checks() -> None:
    source = Path(check_saved_demo.__file__).read_text(encoding="utf-8")
    assert "import stream_app" not in source
    assert "from stream_app" not in source
