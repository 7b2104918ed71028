from pathlib import Path

import orjson
import pytest

from offline.human_eval.analysis import ExportError, analyse
from offline.human_eval.documents import Key
from offline.human_eval.form import FormOptions, build_form
from offline.human_eval.table import render_evaluation
from tests.offline.human_eval.rating import build_texts, write_export, write_texts

GRADES = {"student": 4, "template": 2, "oracle": 5}


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return build_form(write_texts(tmp_path, build_texts(8)), tmp_path, FormOptions(rows=8, pair_rows=8))


def test_means_are_those_of_the_systems_behind_the_codes(key: Key, tmp_path: Path) -> None:
    exports = [write_export(tmp_path, key, rater, GRADES.__getitem__, "student") for rater in ("ann", "bob")]
    evaluation = analyse(exports, tmp_path / "key.json")
    assert (evaluation.raters, evaluation.ratings) == (["ann", "bob"], 48)
    assert {name: of_system["faithfulness"].mean for name, of_system in evaluation.systems.items()} == GRADES
    assert evaluation.systems["student"]["faithfulness"].rows == 8


def test_raters_who_say_the_same_agree_fully_and_raters_who_say_the_opposite_less_than_by_chance(
    key: Key, tmp_path: Path
) -> None:
    ann = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    bob = write_export(tmp_path, key, "bob", GRADES.__getitem__)
    eve = write_export(tmp_path, key, "eve", lambda system: 6 - GRADES[system])
    assert analyse([ann, bob], tmp_path / "key.json").agreement["personalization"] == 1
    opposed = analyse([ann, eve], tmp_path / "key.json").agreement["personalization"]
    assert opposed is not None
    assert opposed < 0


@pytest.mark.parametrize("raters", [["ann"], ["ann", "bob"]])
def test_one_rater_or_grades_that_never_vary_have_no_agreement(raters: list[str], key: Key, tmp_path: Path) -> None:
    exports = [write_export(tmp_path, key, rater, lambda _: 3) for rater in raters]
    assert analyse(exports, tmp_path / "key.json").agreement["faithfulness"] is None


def test_systems_are_compared_on_the_same_rows(key: Key, tmp_path: Path) -> None:
    export = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    comparisons = analyse([export], tmp_path / "key.json").comparisons
    test = next(test for test in comparisons if (test.left, test.right) == ("student", "template"))
    assert (test.difference, test.low, test.high, test.rows) == (2, 2, 2, 8)
    # Eight rows that all say the same: 2 of 2^8 orders are as extreme.
    assert test.p_value == pytest.approx(2 / 2**8, abs=1e-3)


@pytest.mark.parametrize(("choice", "share"), [("student", 1), ("template", 0), ("", 1)])
def test_preferences_count_for_the_system_on_the_chosen_side(
    choice: str, share: float, key: Key, tmp_path: Path
) -> None:
    export = write_export(tmp_path, key, "ann", GRADES.__getitem__, choice)
    result = analyse([export], tmp_path / "key.json").preferences
    assert result is not None
    assert (result.system, result.other, result.preferred_or_same.mean) == ("student", "template", share)
    counts = {"student": result.preferred, "template": result.other_preferred, "": result.same}
    assert counts[choice] == 8
    assert result.p_value == (1 if choice == "" else pytest.approx(2 / 2**8, abs=1e-3))


def test_the_table_shows_systems_agreement_tests_and_preferences(key: Key, tmp_path: Path) -> None:
    export = write_export(tmp_path, key, "ann", GRADES.__getitem__, "student")
    table = render_evaluation(analyse([export], tmp_path / "key.json"))
    assert "24 ratings by 1 rater\n" in table
    assert "student             4.00 (4.00 to 4.00)" in table
    assert "agreement (alpha)   not known" in table
    assert "student preferred 8, same 0, template preferred 0: preferred or as good 1.00" in table


def test_an_export_without_preferences_has_no_preferences(key: Key, tmp_path: Path) -> None:
    path = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"preferences": []}))
    assert analyse([path], tmp_path / "key.json").preferences is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form_id": "other"}, "belongs to form other"),
        ({"ratings": [{"id": "x", "persuasiveness": 1, "personalization": 1, "faithfulness": 1}]}, "the key lacks"),
        ({"ratings": [{"id": "x", "persuasiveness": 6, "personalization": 1, "faithfulness": 1}]}, "not an export"),
    ],
)
def test_an_export_that_does_not_fit_is_refused(
    change: dict[str, object], message: str, key: Key, tmp_path: Path
) -> None:
    path = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | change))
    with pytest.raises(ExportError, match=message):
        analyse([path], tmp_path / "key.json")


def test_two_exports_of_one_rater_are_refused(key: Key, tmp_path: Path) -> None:
    path = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    with pytest.raises(ExportError, match="two exports of rater 'ann'"):
        analyse([path, path], tmp_path / "key.json")


def test_a_code_twice_is_refused(key: Key, tmp_path: Path) -> None:
    path = write_export(tmp_path, key, "ann", GRADES.__getitem__)
    export = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps(export | {"ratings": [*export["ratings"], export["ratings"][0]]}))
    with pytest.raises(ExportError, match="a code twice"):
        analyse([path], tmp_path / "key.json")
