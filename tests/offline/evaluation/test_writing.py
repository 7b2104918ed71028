import pytest

from offline.evaluation.groups import DEFAULT_GROUPS, name_group
from offline.evaluation.writing import Assignment, exchange_users, find_rules, write_first_attempts, write_rows
from offline.recorded_rows import RecordedRow
from stream_app.core.template import write_template
from tests.factories import build_event, build_item
from tests.fakes import ScriptedGenerator
from tests.offline.evaluation.measuring import build_row, build_rows

ROWS = build_rows(4)


def assign(row: RecordedRow) -> Assignment:
    (_, exchanged) = exchange_users([build_row(7), row], seed=0)
    return Assignment(row, "invented", exchanged, {"teacher": "text"})


def test_an_accepted_first_attempt_is_what_is_emitted() -> None:
    (row,) = write_rows(ScriptedGenerator(), [assign(ROWS[0])])
    assert row.raw == row.emitted == "You might want to take a look at Weekend 0 when there is time."
    assert (row.source, row.raw_rules, row.emitted_rules, row.template_reason) == ("model", [], [], None)
    assert row.others == {"teacher": "text"}
    assert row.emitted_for_another == row.emitted


def test_what_the_gate_turns_down_is_kept_as_first_attempt_and_replaced_by_the_template() -> None:
    (row,) = write_rows(ScriptedGenerator(write=lambda _: "a film by kubrick kubrick kubrick"), [assign(ROWS[0])])
    assert row.raw.startswith("A film by kubrick")
    assert row.raw_rules
    assert (row.source, row.emitted) == ("template", write_template(ROWS[0].event, 0).text)
    assert row.template_for_another != row.template


def test_the_rank_that_a_template_quotes_is_supported_and_one_that_the_model_writes_is_not() -> None:
    event = build_event(items=[build_item("Weekend", rank=37)], history=[], preferences=[])
    bare = RecordedRow("course", event, "A fine course for a free evening of yours.")
    (row,) = write_rows(ScriptedGenerator(write=lambda _: "no ."), [assign(bare)])
    assert (row.source, "37" in row.emitted) == ("template", True)
    assert row.emitted_rules == []
    assert "unsupported_number" in find_rules(row.emitted, event)


def test_a_slot_that_the_event_lacks_stands_in_the_first_attempt() -> None:
    (attempt,) = write_first_attempts(ScriptedGenerator(write=lambda _: "see <n19> now ."), [ROWS[0].event])
    assert (attempt.text, attempt.rules) == ("see <n19> now .", frozenset({"unknown_slot"}))


def test_an_event_that_the_model_cannot_write_for_has_an_empty_first_attempt() -> None:
    generator = ScriptedGenerator(fails_on=lambda prompt: "Weekend 1" in prompt)
    first, second = write_first_attempts(generator, [ROWS[0].event, ROWS[1].event])
    assert not first.rules
    assert (second.text, second.rules) == ("", frozenset({"generation_failed"}))


def test_users_are_exchanged_within_their_kind_and_all_else_stays() -> None:
    rows = [*build_rows(3, "course"), *build_rows(3, "trip")]
    for row, exchanged in zip(rows, exchange_users(rows, seed=1), strict=True):
        assert exchanged is not None
        assert exchanged.user in [other.event.user for other in rows if other.kind == row.kind and other is not row]
        assert exchanged.model_copy(update={"user": row.event.user}) == row.event


def test_nobody_is_exchanged_where_nothing_is_known_or_nobody_else_is_there() -> None:
    stranger = RecordedRow("course", build_event(), "A fine course for a free evening of yours.")
    alone = build_row(0, "trip")
    assert exchange_users([stranger, ROWS[0], alone], seed=0)[::2] == [None, None]


def test_the_oracles_own_texts_pass_the_gate_here() -> None:
    assert [find_rules(row.explanation, row.event) for row in ROWS] == [frozenset()] * len(ROWS)


@pytest.mark.parametrize(
    ("kind", "other_kinds", "group"),
    [("film_thin", "by_kind", "films"), ("podcast", "by_kind", "podcast"), ("podcast", "invented", "invented")],
)
def test_kinds_without_a_group_are_reported_together_or_each_alone(kind: str, other_kinds: str, group: str) -> None:
    assert name_group(kind, DEFAULT_GROUPS, other_kinds) == group  # type: ignore[arg-type]
