import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from offline.evaluation.texts import TextRow
from offline.human_eval.documents import Key
from offline.human_eval.form import FormOptions, UnknownSystemError, build_form
from offline.recorded_rows import RecordedRow
from tests.factories import build_event, build_item
from tests.offline.evaluation.measuring import build_text_row
from tests.offline.human_eval.rating import build_texts, write_texts

OPTIONS = FormOptions(rows=4, pair_rows=3, seed=2)
HOSTILE = "</script><script>alert(1)</script>"


def build(folder: Path, options: FormOptions = OPTIONS, rows: list[TextRow] | None = None) -> tuple[Key, str]:
    key = build_form(write_texts(folder, rows), folder / "form", options)
    assert Key.model_validate_json((folder / "form" / "key.json").read_bytes()) == key
    return key, (folder / "form" / "form.html").read_text(encoding="utf-8")


def read_data(page: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    return orjson.loads(match[1])


def test_the_form_has_every_text_of_the_key_and_names_no_system(tmp_path: Path) -> None:
    key, page = build(tmp_path)
    data = read_data(page)
    assert {text["id"] for text in data["texts"]} == key.texts.keys()
    assert {pair["id"] for pair in data["pairs"]} == key.pairs.keys()
    assert (len(key.texts), len(key.pairs)) == (4 * 3, 3)
    outside_texts = re.sub(r"(Student|Template|Teacher) text \d|grid-template", "", page)
    assert not re.search(r"student|template|oracle|teacher", outside_texts, re.IGNORECASE)


def test_the_order_in_the_form_is_that_of_random_codes(tmp_path: Path) -> None:
    key, page = build(tmp_path)
    codes = [text["id"] for text in read_data(page)["texts"]]
    assert codes == sorted(codes)
    assert len({tuple(key.texts[code].systems) for code in codes[:4]}) > 1


def test_each_side_shows_what_the_key_says(tmp_path: Path) -> None:
    key, page = build(tmp_path, FormOptions(rows=0, pair_rows=6))
    sides = set()
    for pair in read_data(page)["pairs"]:
        keyed = key.pairs[pair["id"]]
        assert pair["left"].startswith(keyed.left.title())
        assert pair["right"].startswith(keyed.right.title())
        sides.add(keyed.left)
    assert sides == {"student", "template"}


def test_the_same_seed_gives_the_same_form_and_another_seed_another(tmp_path: Path) -> None:
    first, _ = build(tmp_path)
    assert build(tmp_path)[0] == first
    assert build(tmp_path, FormOptions(rows=4, pair_rows=3, seed=3))[0].form_id != first.form_id


def test_one_text_of_two_systems_is_graded_once_and_never_compared_with_itself(tmp_path: Path) -> None:
    rows = [row.model_copy(update={"emitted": row.template}) for row in build_texts()]
    key, _ = build(tmp_path, OPTIONS, rows)
    assert sorted(text.systems for text in key.texts.values()) == [["oracle"]] * 4 + [["student", "template"]] * 4
    assert (key.pairs, key.identical_pairs) == ({}, 6)


def test_texts_of_further_systems_can_be_rated(tmp_path: Path) -> None:
    key, _ = build(tmp_path, FormOptions(systems=("teacher",), rows=2, pair=None))
    assert [text.systems for text in key.texts.values()] == [["teacher"], ["teacher"]]


def test_an_unknown_system_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownSystemError, match=r"'gpt'.*student.*teacher"):
        build(tmp_path, FormOptions(systems=("gpt",)))


def test_a_hostile_title_stays_inside_the_data(tmp_path: Path) -> None:
    event = build_event(items=[build_item(HOSTILE, summary=HOSTILE)])
    rows = [build_text_row(RecordedRow("film", event, HOSTILE), emitted=HOSTILE)]
    _, page = build(tmp_path, FormOptions(), rows)
    assert page.count("<script") == 2
    assert HOSTILE in read_data(page)["texts"][0]["facts"][1]


def test_the_form_may_load_nothing_and_run_its_own_script_only(tmp_path: Path) -> None:
    _, page = build(tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'", policy[1])
    assert "http" not in page.replace("http-equiv", "")
