"""From ratings and a ranker to ranking events, as a service that ranks would send them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Final

from stream_app.core.events import HistoryItem, RankedItem, RankingEvent, RatingScale, User
from stream_app.local.movielens import Film, MovieLens, Rating
from stream_app.local.ranker import RANKER_NAME, FilmRanker

ITEMS_PER_EVENT: Final = 5
MAX_HIGH_RATED: Final = 9
MAX_LOW_RATED: Final = 3
MIN_LIKED: Final = 3
RATING_SCALE: Final = RatingScale(minimum=1.0, maximum=5.0)


def build_events(data: MovieLens, ranker: FilmRanker, number: int) -> list[RankingEvent]:
    """Build as many events as asked for: the five best films for each user, then the next five for each, and so on.

    Fewer come back only when the users have no unseen films left. The same data gives the same events.
    """
    return list(islice(_iterate_events(data, ranker), number))


def _iterate_events(data: MovieLens, ranker: FilmRanker) -> Iterator[RankingEvent]:
    users = _group_by_user(data.ratings)
    for page in count():
        is_page_empty = True
        for user_id, ratings in users:
            event = _build_event(data, ranker, user_id, ratings, page)
            if event is not None:
                is_page_empty = False
                yield event
        if is_page_empty:
            return


def _group_by_user(ratings: Sequence[Rating]) -> list[tuple[str, list[Rating]]]:
    """Group ratings (oldest first) by user, users in the order of their last rating; who liked little is left out."""
    by_user: dict[str, list[Rating]] = defaultdict(list)
    for rating in ratings:
        by_user[rating.user_id].append(rating)
    known = [(user_id, own) for user_id, own in by_user.items() if sum(map(_is_liked, own)) >= MIN_LIKED]
    return sorted(known, key=lambda pair: (pair[1][-1].rated_at, pair[0]))


def _build_event(
    data: MovieLens, ranker: FilmRanker, user_id: str, ratings: list[Rating], page: int
) -> RankingEvent | None:
    first = page * ITEMS_PER_EVENT
    ranked = ranker.rank_unseen(user_id, first + ITEMS_PER_EVENT)[first:]
    if not ranked:
        return None
    items = [
        _build_item(data.films[film.film_id], rank, film.score) for rank, film in enumerate(ranked, start=first + 1)
    ]
    history = [_build_history_item(data.films[rating.film_id], rating.value) for rating in select_history(ratings)]
    return RankingEvent(
        event_id=f"ml-100k-user-{user_id}-page-{page + 1}",
        occurred_at=ratings[-1].rated_at,
        user=User(user_id=f"ml-{user_id}", rating_scale=RATING_SCALE, history=history),
        items=items,
        ranker=RANKER_NAME,
    )


def select_history(ratings: Sequence[Rating]) -> list[Rating]:
    """Select what says most about a user: the best-rated films and a few of the worst, newer before older.

    Args:
        ratings: all ratings of one user, oldest first.
    """
    newest_first = list(reversed(ratings))
    high = sorted(filter(_is_liked, newest_first), key=lambda rating: -rating.value)[:MAX_HIGH_RATED]
    low = sorted((r for r in newest_first if not _is_liked(r)), key=lambda rating: rating.value)[:MAX_LOW_RATED]
    return high + low


def _is_liked(rating: Rating) -> bool:
    return rating.value >= RATING_SCALE.liked_from


def _build_item(film: Film, rank: int, score: float) -> RankedItem:
    item_id = f"ml-{film.film_id}"
    return RankedItem(item_id=item_id, title=film.title, rank=rank, score=score, attributes=film.attributes)


def _build_history_item(film: Film, rating: float) -> HistoryItem:
    return HistoryItem(item_id=f"ml-{film.film_id}", title=film.title, rating=rating, attributes=film.attributes)
