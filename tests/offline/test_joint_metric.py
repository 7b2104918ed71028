"""The joint metric: true and close to the Oracle, or little worth."""

import pytest

from offline.joint_metric import JointMetric, compute_joint_metric
from offline.recorded_rows import RecordedRow
from stream_app.core.events import RankingEvent
from tests.offline.selected_rows import build_row

ORACLE = "Harbour Lights is a crime by Ada Lund, and so is Hollow Lantern, which you loved."
SLOTTED = "<t> is a crime by <n1> , and so is <h1> , which you loved ."


def build_recorded(count: int) -> list[RecordedRow]:
    return [RecordedRow("film", RankingEvent.model_validate(build_row(0)["event"]), ORACLE) for _ in range(count)]


def test_the_oracles_own_text_is_as_good_as_can_be() -> None:
    metric = compute_joint_metric(build_recorded(1), [SLOTTED])
    assert metric == JointMetric(1, 1)
    assert metric.joint == 1


def test_a_slot_that_the_event_lacks_counts_as_false_and_foreign() -> None:
    assert compute_joint_metric(build_recorded(2), [SLOTTED, "<t> is like <h7> ."]) == JointMetric(0.5, 0.5)


def test_a_text_that_the_gate_turns_down_may_still_be_close() -> None:
    metric = compute_joint_metric(build_recorded(1), [SLOTTED.replace("crime", "comedy")])
    assert metric.passes_gate == 0
    assert metric.rouge_l > 0.8
    assert metric.joint < 0.02


def test_true_but_foreign_is_in_between() -> None:
    metric = compute_joint_metric(build_recorded(1), ["you might want to take a look at <t> when there is time ."])
    assert metric.passes_gate == 1
    assert 0 < metric.rouge_l < 0.5
    assert metric.rouge_l < metric.joint < 1


def test_of_students_whose_texts_never_pass_the_closer_one_is_better() -> None:
    assert 0 < JointMetric(0, 0.2).joint < JointMetric(0, 0.3).joint < JointMetric(0.05, 0.2).joint
    assert JointMetric(1, 0).joint == 0


def test_no_rows_are_worth_nothing() -> None:
    assert compute_joint_metric([], []).joint == 0


def test_each_row_needs_its_text() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compute_joint_metric(build_recorded(2), [SLOTTED])
