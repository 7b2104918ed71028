"""The invented catalogue: plausible, varied, and the same for the same seed."""

from collections import Counter
from statistics import median

import pytest
from pydantic import TypeAdapter

from stream_app.core.events import MAX_TEXT_CHARACTERS, RankedItem
from stream_app.replay.catalogue import KINDS, Offer, build_catalogue


@pytest.fixture(scope="module")
def catalogue() -> list[Offer]:
    return build_catalogue(3_000, median_characters=140, sigma=0.6, seed=1)


def test_every_offer_can_stand_in_an_event(catalogue: list[Offer]) -> None:
    items = TypeAdapter(list[RankedItem])
    items.validate_python(
        [
            {"item_id": o.item_id, "title": o.title, "rank": 1, "attributes": o.attributes, "summary": o.summary}
            for o in catalogue
        ]
    )


def test_the_kinds_share_the_catalogue_evenly(catalogue: list[Offer]) -> None:
    assert Counter(offer.kind for offer in catalogue) == dict.fromkeys(KINDS, 1_000)


def test_ids_and_titles_are_all_different(catalogue: list[Offer]) -> None:
    assert len({offer.item_id for offer in catalogue}) == len({offer.title for offer in catalogue}) == 3_000


def test_titles_stay_different_when_the_words_run_out() -> None:
    offers = build_catalogue(30_000, median_characters=1, sigma=0, seed=1)
    assert len({offer.title for offer in offers}) == 30_000


def test_tastes_stand_in_the_attributes(catalogue: list[Offer]) -> None:
    for offer in catalogue:
        told = offer.attributes["cuisine" if offer.kind == "restaurant" else "genre"]
        assert offer.tastes == ((told,) if isinstance(told, str) else tuple(told))


def test_summaries_are_of_the_length_asked_for_and_some_much_longer(catalogue: list[Offer]) -> None:
    lengths = sorted(len(offer.summary) for offer in catalogue)
    assert median(lengths) == pytest.approx(140, rel=0.15)
    assert lengths[-30] > 3 * median(lengths)
    assert all(offer.summary.endswith(".") for offer in catalogue)


def test_no_summary_is_longer_than_an_event_may_have() -> None:
    offers = build_catalogue(30, median_characters=1e9, sigma=1, seed=1)
    assert MAX_TEXT_CHARACTERS - 500 < max(len(offer.summary) for offer in offers) <= MAX_TEXT_CHARACTERS


def test_another_seed_is_another_catalogue(catalogue: list[Offer]) -> None:
    assert build_catalogue(3_000, 140, 0.6, seed=1) == catalogue
    assert build_catalogue(3_000, 140, 0.6, seed=2) != catalogue
