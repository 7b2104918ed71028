"""The demo's bookkeeping: nothing is counted twice, and nothing missing is overlooked."""

from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.events import Explanation, ModelIdentity, RankedItem, RankingEvent, User
from stream_app.local.ledger import Ledger, find_percentile


def make_event(event_id: str = "e1", item_ids: Sequence[str] = ("a", "b"), top: int | None = None) -> RankingEvent:
    items = [RankedItem(item_id=item_id, title="Glass Orchard", rank=rank) for rank, item_id in enumerate(item_ids, 1)]
    document = {"event_id": event_id, "occurred_at": "2026-01-01T00:00:00Z", "explain_top_k": top}
    return RankingEvent.model_validate({**document, "user": User(user_id="u"), "items": items})


def make_explanation(
    item_id: str, event_id: str = "e1", text: str = "A drama.", source: Literal["model", "template"] = "model"
) -> Explanation:
    return Explanation(
        explanation_id=f"{event_id}-{item_id}",
        event_id=event_id,
        user_id="u",
        item_id=item_id,
        rank=1,
        text=text,
        source=source,
        template_reason=None if source == "model" else "repeated_word",
        evidence=[],
        model=ModelIdentity(name="fake", version="1"),
        prompt_fingerprint="0",
    )


def test_a_run_is_complete_when_every_item_of_every_event_came_back() -> None:
    ledger = Ledger([make_event()])
    ledger.note_sent("e1", due_at=10.0)
    for item_id, now in (("a", 10.2), ("b", 11.0)):
        assert ledger.note_explanation(make_explanation(item_id), {}, now) is not None
    verdict = ledger.conclude()
    assert ledger.is_settled
    assert verdict.is_complete
    assert verdict.render().startswith("complete: 1 events in, 2 explanations out, 0 missing, 0 dead letters")
    assert verdict.explanations_per_second == pytest.approx(2.0)
    assert verdict.p50_seconds == pytest.approx(0.2)
    assert verdict.p99_seconds == pytest.approx(1.0)


def test_a_missing_explanation_makes_the_run_incomplete() -> None:
    ledger = Ledger([make_event()])
    ledger.note_sent("e1", due_at=0.0)
    ledger.note_explanation(make_explanation("a"), {}, 1.0)
    verdict = ledger.conclude()
    assert (verdict.missing, verdict.is_complete, ledger.is_settled) == (1, False, False)
    assert verdict.render().startswith("INCOMPLETE")


def test_only_the_items_that_were_asked_for_are_awaited() -> None:
    ledger = Ledger([make_event(item_ids=("a", "b", "c"), top=1)])
    ledger.note_sent("e1", due_at=0.0)
    ledger.note_explanation(make_explanation("a"), {}, 1.0)
    assert ledger.is_settled


def test_a_repeated_delivery_is_counted_apart_and_other_contents_are_a_conflict() -> None:
    ledger = Ledger([make_event(item_ids=("a",))])
    ledger.note_sent("e1", due_at=0.0)
    assert ledger.note_explanation(make_explanation("a"), {}, 1.0) is not None
    assert ledger.note_explanation(make_explanation("a"), {}, 2.0) is None
    assert ledger.conclude().is_complete
    assert ledger.note_explanation(make_explanation("a", text="Another."), {}, 3.0) is None
    verdict = ledger.conclude()
    assert (verdict.explanations, verdict.duplicates, verdict.conflicts, verdict.is_complete) == (1, 2, 1, False)


def test_explanations_of_events_that_were_not_sent_are_ignored() -> None:
    ledger = Ledger([make_event()])
    assert ledger.note_explanation(make_explanation("a"), {}, 1.0) is None
    ledger.note_sent("e1", due_at=0.0)
    assert ledger.note_explanation(make_explanation("z"), {}, 1.0) is None
    assert ledger.note_explanation(make_explanation("a", event_id="other"), {}, 1.0) is None


def test_a_dead_letter_settles_its_event_but_the_run_is_not_complete() -> None:
    ledger = Ledger([make_event()])
    ledger.note_sent("e1", due_at=0.0)
    ledger.note_dead_letter("e1")
    ledger.note_dead_letter("someone else's")
    verdict = ledger.conclude()
    assert ledger.is_settled
    assert (verdict.dead_letters, verdict.missing, verdict.is_complete) == (1, 0, False)


def test_templates_are_counted_with_their_reasons() -> None:
    ledger = Ledger([make_event()])
    ledger.note_sent("e1", due_at=0.0)
    ledger.note_explanation(make_explanation("a"), {}, 1.0)
    ledger.note_explanation(make_explanation("b", source="template"), {}, 1.0)
    assert "written by the model 1, by the template 1 (repeated_word 1)" in ledger.conclude().render()


def test_arrivals_stand_in_the_order_of_events_and_items_whatever_the_order_of_arrival() -> None:
    ledger = Ledger([make_event("e1"), make_event("e2")])
    for event_id in ("e2", "e1"):
        ledger.note_sent(event_id, due_at=0.0)
        for item_id in ("b", "a"):
            ledger.note_explanation(make_explanation(item_id, event_id), {}, 1.0)
    keys = [(arrival.explanation.event_id, arrival.explanation.item_id) for arrival in ledger.arrivals]
    assert keys == [("e1", "a"), ("e1", "b"), ("e2", "a"), ("e2", "b")]


def test_a_run_that_sent_nothing_is_not_complete() -> None:
    assert not Ledger([]).conclude().is_complete


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = find_percentile(ordered, share)
    assert found is not None
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6
    assert sum(value < found for value in ordered) < share * len(ordered)


def test_no_values_have_no_percentile() -> None:
    assert find_percentile([], 0.5) is None
    assert find_percentile([1.0, 2.0], 0.5) == 1.0
    assert find_percentile([float(n) for n in range(1, 101)], 0.99) == 99.0
