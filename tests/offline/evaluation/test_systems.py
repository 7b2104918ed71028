from offline.evaluation.systems import (
    CONSTANT,
    ORACLE,
    SHUFFLED,
    STUDENT,
    STUDENT_RAW,
    SUMMARY,
    TEMPLATE,
    build_systems,
)
from offline.recorded_rows import RecordedRow
from tests.factories import build_event, build_item
from tests.offline.evaluation.measuring import WordEncoder, build_row, build_text_row

ROWS = [
    *(build_text_row(build_row(index), emitted=f"text {index}", group="one") for index in range(5)),
    *(build_text_row(build_row(index), emitted=f"text {index}", group="two") for index in range(5, 8)),
]


def collect() -> dict[str, tuple[str, ...]]:
    return {system.name: system.texts for system in build_systems(ROWS, WordEncoder(), seed=3)}


def test_every_system_has_one_text_a_row() -> None:
    texts = collect()
    assert list(texts) == [STUDENT, STUDENT_RAW, TEMPLATE, ORACLE, SHUFFLED, CONSTANT, SUMMARY]
    assert {len(of_one) for of_one in texts.values()} == {len(ROWS)}


def test_shuffled_texts_are_the_students_of_the_same_group_and_never_the_rows_own() -> None:
    texts = collect()
    assert sorted(texts[SHUFFLED][:5]) == sorted(texts[STUDENT][:5])
    assert sorted(texts[SHUFFLED][5:]) == sorted(texts[STUDENT][5:])
    assert all(own != other for own, other in zip(texts[STUDENT], texts[SHUFFLED], strict=True))


def test_the_constant_is_one_text_of_the_oracle_in_each_group() -> None:
    constant = collect()[CONSTANT]
    assert [len(set(constant[:5])), len(set(constant[5:]))] == [1, 1]
    assert constant[0] in {row.oracle for row in ROWS[:5]}


def test_the_constant_is_the_text_that_is_most_like_the_others() -> None:
    said = ["pottery is fun", "pottery is hard", "fun pottery is hard", "chess"]
    rows = [build_text_row(RecordedRow("any", build_row(index).event, text)) for index, text in enumerate(said)]
    systems = {system.name: system for system in build_systems(rows, WordEncoder(), seed=0)}
    assert set(systems[CONSTANT].texts) == {"fun pottery is hard"}


def test_without_a_summary_title_and_attributes_are_copied() -> None:
    event = build_event(items=[build_item("Heat", attributes={"genre": ["crime", "drama"], "year": "1995"})])
    rows = [ROWS[0], build_text_row(RecordedRow("film", event, "A film that may suit your evening very well."))]
    systems = {system.name: system for system in build_systems(rows, WordEncoder(), seed=0)}
    assert systems[SUMMARY].texts == ("Two days of pottery.", "Heat, crime, drama, 1995.")


def test_texts_of_further_systems_are_judged_by_the_gate() -> None:
    rows = [
        row.model_copy(update={"others": {"teacher": text}})
        for row, text in zip(ROWS, [ROWS[0].oracle, *["Robert Nobody made this one for you in 1887."] * 7], strict=True)
    ]
    teacher = build_systems(rows, WordEncoder(), seed=0)[-1]
    assert teacher.name == "teacher"
    assert not teacher.rules[0]
    assert teacher.rules[1] >= {"unsupported_name", "unsupported_number"}
