"""What is changed in the source is changed in the target."""

import random

from offline.augment import Values, augment_pair, collect_values
from offline.recorded_rows import TrainingPair

SOURCE = (
    "<by-fact> <short> <item> <t> Heat ; genre <same> crime , <same> thriller <love> <h1> Fargo ; genre <same> crime , "
    "<same> thriller , comedy"
)
BOOK = (
    "<by-fact> <short> <item> <t> Tides ; genre <same> memoir ; setting harbour ; pages <y1> 300 <about> a life "
    "<like> <h1> Salt ; genre <same> memoir"
)


def _variants(
    target: str,
    kind: str = "film_thin",
    source: str = SOURCE,
    values: Values | None = None,
    rejected: str | None = None,
) -> list[TrainingPair]:
    pair = TrainingPair(kind, source, target, rejected)
    return [augment_pair(pair, random.Random(seed), values or {}) for seed in range(60)]


def test_an_exchanged_genre_is_exchanged_on_both_sides() -> None:
    changed = [pair for pair in _variants("<t> is a thriller like <h1> .") if "a thriller like" not in pair.target]
    assert changed
    for pair in changed:
        genre = pair.target.split(" is a")[1].removeprefix("n").split(" like")[0].strip()
        assert pair.source.count(f"<same> {genre}") == 2


def test_a_text_that_paraphrases_its_genre_keeps_it() -> None:
    assert {pair.target for pair in _variants("<t> is a funny thriller .")} == {"<t> is a funny thriller ."}


def test_values_are_collected_by_kind_and_attribute_without_names_and_numbers() -> None:
    pairs = [
        TrainingPair("book", BOOK, "a"),
        TrainingPair("book", BOOK.replace("memoir", "essay").replace("harbour", "<n1> Lisbon"), "b"),
        TrainingPair("film_thin", SOURCE, "c"),
    ]
    values = collect_values(pairs)
    assert values == {("book", "genre"): ("memoir", "essay"), ("book", "setting"): ("harbour",)}


def test_a_value_of_another_kind_of_item_is_exchanged_on_both_sides_for_one_that_it_has_elsewhere() -> None:
    values = {("book", "genre"): ("memoir", "essay"), ("book", "setting"): ("harbour", "city")}
    variants = _variants("<t> is a memoir like <h1> .", "book", BOOK, values)
    changed = [pair for pair in variants if pair.target != "<t> is a memoir like <h1> ."]
    assert changed
    for pair in changed:
        assert pair.target == "<t> is an essay like <h1> ."
        assert pair.source.count("<same> essay") == 2
        assert "memoir" not in pair.source


def test_a_value_that_shows_through_in_another_form_stays() -> None:
    values = {("book", "genre"): ("memoir", "essay")}
    variants = _variants("a memoir of memories , <t> is dark .", "book", BOOK, values)
    assert {pair.target for pair in variants} == {"a memoir of memories , <t> is dark ."}


def test_a_field_is_dropped_only_where_the_target_does_not_use_it() -> None:
    variants = _variants("<t> is a memoir like <h1> .", "book", BOOK)
    assert any("setting" not in pair.source for pair in variants)
    assert all("; genre <same> memoir" in pair.source for pair in variants)
    assert all("<about> a life" in pair.source for pair in variants)


def test_an_item_becomes_unrated_only_where_the_text_compares_without_a_claim_of_liking() -> None:
    assert any("<seen> <h1>" in pair.source for pair in _variants("<t> is dark like <h1> ."))
    assert not any("<seen> <h1>" in pair.source for pair in _variants("like <h1> , which you loved , <t> is dark ."))
    assert not any("<seen> <h1>" in pair.source for pair in _variants("<t> is dark ."))


def test_a_hidden_title_keeps_its_slot_and_its_facts() -> None:
    hidden = [pair.source for pair in _variants("<t> is dark .") if "Fargo" not in pair.source]
    assert hidden
    assert all("<h1>" in source and "<t> Heat" in source for source in hidden)


def test_a_rejected_text_is_left_out_where_the_target_changed() -> None:
    variants = _variants("<t> is a thriller like <h1> .", rejected="<t> is good .")
    assert {(pair.target == "<t> is a thriller like <h1> .", pair.rejected) for pair in variants} == {
        (True, "<t> is good ."),
        (False, None),
    }


def test_the_same_seed_gives_the_same_variant() -> None:
    assert _variants("<t> is a thriller .") == _variants("<t> is a thriller .")
