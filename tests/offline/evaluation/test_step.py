"""The step, with a scripted student and models that count words."""

from collections import Counter
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from offline.evaluation.report import Evaluation, SystemFigures, list_metrics
from offline.evaluation.step import EvaluateOptions, SystemTextsError, measure
from offline.evaluation.texts import read_texts
from tests.fakes import ScriptedGenerator, write_by_prompt
from tests.offline.evaluation.measuring import LengthJudge, build_models, build_rows, follow

ROWS = [*build_rows(6, "film_thin"), *build_rows(5, "course")]
OPTIONS = EvaluateOptions(resamples=100, retrieval_rows=4, examples=3)
FILES = ("texts.jsonl", "evaluation.json", "evaluation.html")


def run(folder: Path, options: EvaluateOptions = OPTIONS, *, resume: bool = False) -> Evaluation:
    generator = ScriptedGenerator(write=write_by_prompt)
    return measure(
        generator, ROWS, options, folder, track=follow, models=build_models(LengthJudge()), seed=5, resume=resume
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluated")
    run(made)
    return made


def test_all_rows_and_each_group_are_reported(folder: Path) -> None:
    evaluation = Evaluation.model_validate_json((folder / "evaluation.json").read_bytes())
    assert {name: group.rows for name, group in evaluation.groups.items()} == {"all": 11, "films": 6, "invented": 5}


def test_known_figures_are_right(folder: Path) -> None:
    evaluation = Evaluation.model_validate_json((folder / "evaluation.json").read_bytes())
    systems, gate = evaluation.groups["all"].systems, evaluation.groups["all"].gate
    for figure in (systems["oracle"].rouge_l, systems["oracle"].bert_score, systems["student"].passes_gate):
        assert figure is not None
        assert (figure.value, figure.low, figure.high) == (1, 1, 1)
    # The scripted student says nothing of the user, and the same whoever the user is but for its prompt's sum.
    assert systems["student"].uses_user is not None
    assert systems["student"].uses_user.value == 0
    assert systems["oracle"].uses_user is not None
    assert systems["oracle"].uses_user.value == 1
    assert systems["oracle"].changes_with_user is None
    assert (gate.emitted_by_model.value, gate.rejected_at_first_attempt.value, gate.template_reasons) == (1, 0, {})


def test_the_student_is_compared_with_template_and_oracle_in_both_directions_of_sign(folder: Path) -> None:
    group = Evaluation.model_validate_json((folder / "evaluation.json").read_bytes()).groups["all"]
    assert Counter(test.other for test in group.comparisons).keys() == {"template", "oracle"}
    used = next(test for test in group.comparisons if (test.metric, test.other) == ("uses_user", "oracle"))
    assert (used.difference, used.rows) == (-1, 11)
    assert used.p_value < 0.05


def test_the_same_seed_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    run(tmp_path)
    assert [(tmp_path / name).read_bytes() for name in FILES] == [(folder / name).read_bytes() for name in FILES]


def test_a_killed_run_goes_on_after_its_last_whole_line(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "texts.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "texts.jsonl").write_bytes(b"".join(whole[:4]) + whole[4][:50])
    run(tmp_path, resume=True)
    assert [(tmp_path / name).read_bytes() for name in FILES] == [(folder / name).read_bytes() for name in FILES]


def test_without_resume_texts_of_an_earlier_run_are_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_bytes(b"{}\n")
    run(tmp_path)
    assert (tmp_path / "texts.jsonl").read_bytes() == (folder / "texts.jsonl").read_bytes()


def test_texts_of_a_further_system_are_measured_beside_the_others(tmp_path: Path) -> None:
    lines = [orjson.dumps({"event_id": row.event.event_id, "text": row.explanation}) for row in ROWS]
    (tmp_path / "teacher.jsonl").write_bytes(b"\n".join(lines))
    evaluation = run(tmp_path, OPTIONS.model_copy(update={"systems": {"teacher": tmp_path / "teacher.jsonl"}}))
    systems = evaluation.groups["all"].systems
    assert systems["teacher"].rouge_l == systems["oracle"].rouge_l
    assert all(row.others["teacher"] == row.oracle for row in read_texts(tmp_path / "texts.jsonl"))


@pytest.mark.parametrize(("name", "message"), [("teacher", "no text for 10 of 11 rows"), ("oracle", "built-in")])
def test_a_further_system_must_have_all_rows_and_a_name_of_its_own(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_bytes(orjson.dumps({"event_id": ROWS[0].event.event_id, "text": "text"}))
    with pytest.raises(SystemTextsError, match=message):
        run(tmp_path, OPTIONS.model_copy(update={"systems": {name: tmp_path / "some.jsonl"}}))


def test_one_row_is_no_evaluation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two rows"):
        measure(ScriptedGenerator(), ROWS[:1], OPTIONS, tmp_path, track=follow, models=build_models())


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="judges"):
        EvaluateOptions.model_validate({"judges": "x"})


def test_every_metric_says_what_it_is_and_which_way_is_better() -> None:
    metrics = list(list_metrics())
    assert [metric.name for metric in metrics] == list(SystemFigures.model_fields)
    assert all(metric.description.endswith(".") and metric.title for metric in metrics)
    assert {metric.better for metric in metrics} == {"higher", "lower", "neither"}
