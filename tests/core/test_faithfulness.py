"""Each rule of the gate, with texts that pass and texts that do not."""

import time
from typing import Any

import pytest

from stream_app.core.events import Evidence, HistoryItem, RankedItem, RankingEvent, User, decode_event
from stream_app.core.faithfulness import Verdict, check_faithfulness
from stream_app.core.prompt import build_prompt
from stream_app.core.slots import fill_slots

ITEM = RankedItem.model_validate(
    {
        "item_id": "i1",
        "title": "The Salt Road",
        "rank": 1,
        "attributes": {
            "genre": ["crime", "drama"],
            "director": "Mara Ellison",
            "actors": ["Tobin Quell", "Ada Rooke"],
            "year": "1994",
            "pace": "slow",
        },
        "summary": "A harbour pilot hides three letters from the customs office in Port Levin.",
    }
)
HISTORY = [
    ("Glass Harbour", 5.0, {"genre": ["crime", "western"], "director": "Mara Ellison", "year": "1994"}),
    ("Paper Lanterns", 4.0, {"genre": ["comedy", "drama"], "director": "Ivo Brand", "year": "1988"}),
    ("Cold Orchard", 2.0, {"genre": ["horror"], "director": "Lena Marsh", "year": "2001"}),
    ("Night Ferry", None, {"genre": ["thriller"], "year": "1979"}),
]


def build_event(history: bool = True, preferences: tuple[str, ...] = ()) -> RankingEvent:
    entries = [
        HistoryItem.model_validate({"item_id": f"h{index}", "title": title, "rating": rating, "attributes": attributes})
        for index, (title, rating, attributes) in enumerate(HISTORY)
    ]
    user = User(user_id="u1", history=entries if history else [], preferences=list(preferences))
    return RankingEvent.model_validate(
        {"event_id": "e1", "occurred_at": "2026-01-01T00:00:00Z", "user": user, "items": [ITEM]}
    )


def check(text: str, event: RankingEvent | None = None) -> Verdict:
    return check_faithfulness(text, event or build_event(), 0)


def list_rules(text: str, event: RankingEvent | None = None) -> set[str]:
    return {violation.rule for violation in check(text, event).violations}


FAITHFUL = (
    "Glass Harbour, which you loved, is a crime western by Mara Ellison, and The Salt Road is hers too.",
    "You liked Paper Lanterns for its drama; The Salt Road, from 1994, is a crime drama with Tobin Quell.",
    "From 1994, like Glass Harbour, The Salt Road shares its crime and was directed by Mara Ellison.",
    "Unlike Cold Orchard, which you rated low, The Salt Road has no horror, only crime and a slow pace.",
    "The Salt Road is a crime drama about a harbour pilot who hides three letters in Port Levin.",
    "Both Glass Harbour and Paper Lanterns earned high ratings from you, and this crime drama has a bit of each.",
    "Mara Ellison directed Glass Harbour, a favourite of yours, and in the 1990s made The Salt Road as well.",
    "Tobin Quell and Ada Rooke star in The Salt Road, a slow drama by the director of Glass Harbour.",
    "The Salt Road has the same director as Glass Harbour and comes from that very year, with drama added.",
    "If you enjoyed the comedy in Paper Lanterns, The Salt Road keeps its drama and adds crime from 1994.",
    "Crime runs through Glass Harbour, which you loved, and The Salt Road has it as well.",
    "The Salt Road is from 1994, the year of Glass Harbour, and has a harbour pilot in it.",
    "You saw Night Ferry, a thriller from 1979, and The Salt Road goes back to the water as a crime drama.",
)


@pytest.mark.parametrize("text", FAITHFUL)
def test_a_faithful_text_passes(text: str) -> None:
    assert check(text).violations == ()


UNFAITHFUL = {
    "length": (
        "The Salt Road is a crime drama.",
        "The Salt Road is a crime drama with a harbour pilot, " + "and it is slow " * 10 + "too.",
        "The Salt Road is a slow drama " + "of the harbour " * 200,
    ),
    "sentence_shape": (
        "the Salt Road is a slow crime drama from the year 1994.",
        "The Salt Road is a slow crime drama from the year 1994",
    ),
    "unsafe_characters": (
        "The Salt Road is a crime drama, see https://salt.example for more of it.",
        "The Salt Road is a crime drama, write to me@salt.example for more of it.",
        "The Salt Road is a <b>crime drama</b> from the year 1994 with slow pace.",
        "The Salt Road is a **crime drama** from the year 1994 with a slow pace.",
        "The Salt Road is a `crime drama` from the year 1994 with a slow pace.",
        "The Salt Road &amp; more is a crime drama from the year 1994 for you.",
        "The Salt Road is a crime\u202e drama from the year 1994 with a slow pace.",
        "The Salt Road is a crime\u200b drama from the year 1994 with a slow pace.",
        "The Salt Road is a crime\x07 drama from the year 1994 with a slow pace.",
        "The Salt Road is a crime drama <same> from the year 1994 with a slow pace.",
        "The Salt Road is a crime drama, see salt.example/more for the year 1994.",
        "The Salt Road is a crime drama, see config.items and alert(1) for more.",
        "The Salt Road is a crime drama like <h1> from the year 1994 for you.",
        "The Salt Road is a crime [UNK] drama from the year 1994 for you.",
        "The Salt Road is a crime ##drama from the year 1994 with a slow pace.",
    ),
    "repetition": (
        "The Salt Road is a drama about letters, letters and letters in a harbour.",
        "The Salt Road is a drama about crime and crime in a harbour town.",
        "Like the the Paper Lanterns you liked, The Salt Road is a slow drama from 1994.",
        "The Salt Road is a a slow drama from the year 1994 with crime in it.",
        "The Salt Road hides harbour pilot letters, and the harbour pilot letters are slow crime drama.",
        "The Salt Road is a drama; The Salt Road is slow, and it is The Salt Road for you.",
        "The Salt Road is a crime film, and it is a slow film for you.",
        "Paper Lanterns, which you liked, and Glass Harbour, which you loved, lead to The Salt Road.",
    ),
    "unsupported_name": (
        "The Salt Road is a crime drama by Karel Dunmore from the year 1994.",
        "Karel Dunmore made The Salt Road, a crime drama from the year 1994.",
        "The Salt Road is a crime drama that is set in Marseille in 1994.",
        "Like Velvet Anchor, The Salt Road is a crime drama with a slow pace.",
    ),
    "unsupported_number": (
        "The Salt Road is a slow crime drama from 1995 with Ada Rooke in it.",
        "The Salt Road is a slow crime drama of the 1950s with Ada Rooke in it.",
        "The Salt Road is a slow crime drama about seven letters and a pilot.",
    ),
    "unsupported_attribute": (
        "The Salt Road comes with science fiction and a slow pace, set around a harbour.",
        "The Salt Road comes with animated scenes and a slow pace, set around a harbour.",
        "You liked Paper Lanterns, and The Salt Road goes further into western ways and slow crime.",
    ),
    "third_person": (
        "This user liked Paper Lanterns, and The Salt Road is a drama as well.",
        "The Salt Road is for fans of crime and drama with a slow pace.",
    ),
    "wrong_relation": (
        "Crime and drama came together in Paper Lanterns, which you liked; The Salt Road is slow.",
        "Crime is the thread through Glass Harbour and Paper Lanterns, so The Salt Road may suit you.",
        "The Salt Road is from 1994, the year of Glass Harbour and Paper Lanterns, and it is slow.",
        "You loved Paper Lanterns, and The Salt Road is a drama from 1994 as well.",
        "Paper Lanterns, which you loved, is a drama, and so is The Salt Road from 1994.",
        "Paper Lanterns was a drama that you loved, and The Salt Road from 1994 is one as well.",
        "Paper Lanterns earned five stars from you, and The Salt Road from 1994 is a drama too.",
        "You liked Cold Orchard, and The Salt Road is a slow crime drama from 1994.",
        "Cold Orchard won you over, and The Salt Road is a slow crime drama from 1994.",
        "You enjoyed Night Ferry, and The Salt Road is a slow crime drama from 1994.",
        "You did not like Glass Harbour, but The Salt Road is a slow crime drama from 1994.",
        "After Cold Orchard, The Salt Road is a natural choice with its slow crime drama.",
        "Try The Salt Road, which you loved, for its slow crime and its drama from 1994.",
        "You love horror above all, and The Salt Road from 1994 goes far beyond it with crime.",
        "From the same director as Paper Lanterns, The Salt Road is a slow crime drama.",
        "Paper Lanterns was to your taste, and Ada Rooke appears again here in a slow crime drama.",
        "The Salt Road, directed by Tobin Quell, is a slow crime drama from 1994.",
        "The Salt Road is a slow crime drama starring Mara Ellison from the year 1994.",
        "Paper Lanterns by Mara Ellison was to your taste, and The Salt Road is a crime drama.",
        "You loved Glass Harbour, and The Salt Road is a western with a slow pace too.",
        "You loved Glass Harbour, and The Salt Road , a western from 1994, is slow as well.",
        "You loved Glass Harbour, and this western from 1994 has a slow pace for you.",
        "You loved the drama of Glass Harbour, and The Salt Road has crime with a slow pace.",
        "Glass Harbour was to your taste, and The Salt Road is another western from that time.",
        "Like Glass Harbour, The Salt Road is a drama with Ada Rooke and a slow pace.",
        "Paper Lanterns was to your taste, and The Salt Road shares the comedy of it all.",
        "You liked Paper Lanterns, and The Salt Road is from that very year, with more crime.",
        "Paper Lanterns from 1994 was to your taste, and The Salt Road is a slow crime drama.",
        "The Salt Road has no crime in it, but it does have drama at a slow pace.",
    ),
}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in UNFAITHFUL.items() for text in texts])
def test_an_unfaithful_text_breaks_its_rule(rule: str, text: str) -> None:
    verdict = check(text)
    assert rule in {violation.rule for violation in verdict.violations}
    assert verdict.evidence == ()


TASTE = "You like a slow pace, and The Salt Road is a crime drama from 1994."


def test_taste_is_not_claimed_of_a_user_of_whom_nothing_is_known() -> None:
    assert list_rules(TASTE, build_event(history=False)) == {"unsupported_user_claim"}


@pytest.mark.parametrize(
    "event",
    [build_event(), build_event(history=False, preferences=("Prefers a slow pace.",))],
    ids=["liked", "preferences"],
)
def test_taste_may_be_claimed_where_something_is_known(event: RankingEvent) -> None:
    assert list_rules(TASTE, event) == set()


def test_a_suggestion_is_no_claim_of_taste() -> None:
    text = "You might enjoy The Salt Road, a slow crime drama from the year 1994."
    assert list_rules(text, build_event(history=False)) == set()


def test_a_title_that_is_an_ordinary_word_is_not_read_into_the_text() -> None:
    event = build_event()
    entry = HistoryItem(item_id="h9", title="It", rating=1.0)
    user = event.user.model_copy(update={"history": [*event.user.history, entry]})
    text = "It is a slow crime drama from 1994, with Tobin Quell and Ada Rooke."
    assert list_rules(text, event.model_copy(update={"user": user})) == set()


def test_evidence_quotes_the_fields_that_it_points_to() -> None:
    event = build_event(preferences=("Enjoys quiet harbour towns.",))
    text = (
        "Glass Harbour, which you loved, was also by Mara Ellison; here a harbour pilot hides three letters "
        "in a crime drama from 1994."
    )
    verdict = check(text, event)
    assert verdict.violations == ()
    quoted = {(text[entry.start : entry.end], entry.pointer) for entry in verdict.evidence}
    assert {
        ("Glass Harbour", "/user/history/0/title"),
        ("Mara Ellison", "/items/0/attributes/director"),
        ("crime", "/items/0/attributes/genre/0"),
        ("drama", "/items/0/attributes/genre/1"),
        ("harbour pilot hides three letters", "/items/0/summary"),
        ("1994", "/items/0/attributes/year"),
    } <= quoted
    assert_evidence_holds(text, event, verdict.evidence)


def test_evidence_from_slots_is_kept_and_completed() -> None:
    event = build_event()
    prompt = build_prompt(event, 0)
    filled = fill_slots("because you loved <h1> , try <t> , a crime drama with a slow pace .", prompt.slots)
    verdict = check_faithfulness(filled.text, event, 0, filled.evidence)
    assert verdict.violations == ()
    assert set(filled.evidence) < set(verdict.evidence)
    assert_evidence_holds(filled.text, event, verdict.evidence)


def assert_evidence_holds(text: str, event: RankingEvent, evidence: tuple[Evidence, ...]) -> None:
    document = event.model_dump(mode="json")
    for entry in evidence:
        field: Any = document
        for step in entry.pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            field = field[int(name)] if isinstance(field, list) else field[name]
        assert field[entry.field_start : entry.field_end].lower() == text[entry.start : entry.end].lower()
    ends = [0, *(entry.end for entry in evidence)]
    assert all(entry.start >= end for entry, end in zip(evidence, ends, strict=False))


def test_pointers_escape_what_attribute_names_contain() -> None:
    item = ITEM.model_copy(update={"attributes": {"mood/~tone": ["wistful", "grey"]}})
    event = build_event().model_copy(update={"items": [item]})
    text = "The Salt Road has a wistful and grey mood, as a harbour pilot hides his letters."
    verdict = check(text, event)
    assert ("/items/0/attributes/mood~1~0tone/0", "wistful") in {
        (entry.pointer, text[entry.start : entry.end]) for entry in verdict.evidence
    }
    assert_evidence_holds(text, event, verdict.evidence)


def test_the_verdict_repeats() -> None:
    texts = [*FAITHFUL, *(text for texts in UNFAITHFUL.values() for text in texts)]
    assert [check(text) for text in texts] == [check(text) for text in texts]


def test_the_check_stays_cheap_beside_a_full_decode() -> None:
    """A ratio measured in one run: gating a text costs less than five hundred times decoding its event once."""
    event = build_event()
    record = event.model_dump_json().encode()
    decoding = _time(lambda: decode_event(record))
    hostile = "The Salt Road , " + "a crime and drama , " * 45 + "yes."
    assert _time(lambda: check(hostile, event)) < 500 * decoding


def _time(call: object) -> float:
    assert callable(call)
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return min(durations)
