"""What is changed in the source is changed in the target."""

import random

from offline.augment import augment_pair
from offline.recorded_rows import TrainingPair

SOURCE = (
    "<by-fact> <short> <item> <t> Heat ; genre <same> crime , <same> thriller <love> <h1> Fargo ; genre <same> crime , "
    "<same> thriller , comedy <meh> <h2> Babe ; genre children's , comedy"
)


def _variants(target: str, kind: str = "film_thin") -> list[TrainingPair]:
    pair = TrainingPair(kind, SOURCE, target)
    return [augment_pair(pair, random.Random(seed)) for seed in range(40)]


def test_an_exchanged_genre_is_exchanged_on_both_sides() -> None:
    changed = [pair for pair in _variants("<t> is a thriller like <h1> .") if "a thriller like" not in pair.target]
    assert changed
    for pair in changed:
        genre = pair.target.split(" is a")[1].removeprefix("n").split(" like")[0].strip()
        assert pair.source.count(f"<same> {genre}") == 2


def test_a_text_that_paraphrases_its_genre_keeps_it() -> None:
    assert {pair.target for pair in _variants("<t> is a funny thriller .")} == {"<t> is a funny thriller ."}


def test_a_disliked_item_becomes_unrated_only_where_the_text_does_not_use_it() -> None:
    assert any("<seen> <h2>" in pair.source for pair in _variants("<t> is like <h1> .", kind="book"))
    assert not any("<seen> <h2>" in pair.source for pair in _variants("unlike <h2> , it is dark .", kind="book"))


def test_the_same_seed_gives_the_same_variant() -> None:
    assert _variants("<t> is a thriller .") == _variants("<t> is a thriller .")
