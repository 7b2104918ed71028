"""Ranker and traffic: films that the user has not seen, in valid events, the same ones on every run."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from stream_app.core.events import decode_event, encode_contract
from stream_app.local.movielens import Film, MovieLens, Rating
from stream_app.local.ranker import FilmRanker
from stream_app.local.traffic import ITEMS_PER_EVENT, MAX_HIGH_RATED, MAX_LOW_RATED, build_events, select_history

START = datetime(1997, 9, 20, tzinfo=UTC)
NUMBER_OF_FILMS = 60


def make_rating(film: int, value: float, user: str = "u0", minutes: int = 0) -> Rating:
    return Rating(user, str(film), value, START + timedelta(minutes=minutes))


def make_data(users: int = 12, seed: int = 1) -> MovieLens:
    """Two tastes: even users love even films, odd users odd ones."""
    random = Random(seed)
    genres = ("drama", "science fiction")
    films = {str(n): Film(str(n), f"Film {n}", (genres[n % 2],), str(1940 + n)) for n in range(NUMBER_OF_FILMS)}
    ratings = []
    for user in range(users):
        for minutes, film in enumerate(random.sample(range(NUMBER_OF_FILMS), 25)):
            value = 5.0 if film % 2 == user % 2 else float(random.randint(1, 2))
            ratings.append(make_rating(film, value, f"u{user}", minutes + user))
    ratings.sort(key=lambda rating: (rating.rated_at, rating.user_id, rating.film_id))
    return MovieLens(films, tuple(ratings))


@pytest.fixture(scope="module")
def data() -> MovieLens:
    return make_data()


@pytest.fixture(scope="module")
def ranker(data: MovieLens) -> FilmRanker:
    return FilmRanker(data.ratings)


def test_only_films_that_the_user_has_not_rated_are_ranked_best_first(data: MovieLens, ranker: FilmRanker) -> None:
    for user_id in {rating.user_id for rating in data.ratings}:
        rated = {rating.film_id for rating in data.ratings if rating.user_id == user_id}
        ranked = ranker.rank_unseen(user_id, 10)
        assert len(ranked) == 10
        assert not rated & {film.film_id for film in ranked}
        assert [film.score for film in ranked] == sorted((film.score for film in ranked), reverse=True)


def test_the_ranking_follows_the_taste_of_the_user(ranker: FilmRanker) -> None:
    best = [int(film.film_id) % 2 for film in ranker.rank_unseen("u0", 5)]
    assert best.count(0) >= 4


def test_the_list_ends_where_no_unseen_film_is_left(ranker: FilmRanker) -> None:
    ranked = ranker.rank_unseen("u0", 1_000)
    assert len({film.film_id for film in ranked}) == len(ranked) == NUMBER_OF_FILMS - 25


def test_events_are_valid_on_the_wire(data: MovieLens, ranker: FilmRanker) -> None:
    for event in build_events(data, ranker, 12):
        assert decode_event(encode_contract(event)) == event
        assert [item.rank for item in event.items] == [1, 2, 3, 4, 5]
        assert (event.user.rating_scale.minimum, event.user.rating_scale.maximum) == (1.0, 5.0)
        assert not {item.title for item in event.items} & {item.title for item in event.user.history}
        assert all(item.attributes["genre"] and item.attributes["year"] for item in event.items)


def test_the_same_data_give_the_same_events(data: MovieLens, ranker: FilmRanker) -> None:
    first = [encode_contract(event) for event in build_events(data, ranker, 20)]
    assert first == [encode_contract(event) for event in build_events(data, FilmRanker(data.ratings), 20)]


def test_after_all_users_the_next_films_follow_until_none_are_left(data: MovieLens, ranker: FilmRanker) -> None:
    events = build_events(data, ranker, 10_000)
    assert len({event.event_id for event in events}) == len(events)
    assert [item.rank for item in events[12].items] == [6, 7, 8, 9, 10]
    assert len(events) == 12 * (NUMBER_OF_FILMS - 25) // ITEMS_PER_EVENT


def test_users_come_in_the_order_of_their_last_rating(data: MovieLens, ranker: FilmRanker) -> None:
    times = [event.occurred_at for event in build_events(data, ranker, 12)]
    assert times == sorted(times)


def test_a_user_who_liked_next_to_nothing_sends_no_event() -> None:
    grumbler = tuple(make_rating(film, 1.0, "grumbler", film) for film in range(10))
    known = make_data()
    data = MovieLens(known.films, known.ratings + grumbler)
    users = {event.user.user_id for event in build_events(data, FilmRanker(data.ratings), 13)}
    assert "ml-grumbler" not in users


def test_the_history_holds_the_best_films_and_a_few_of_the_worst_newer_first() -> None:
    high = [make_rating(film, 4.0 + film % 2, minutes=film) for film in range(12)]
    low = [make_rating(20 + film, 1.0 + film % 3, minutes=20 + film) for film in range(6)]
    history = select_history(high + low)
    assert [rating.value for rating in history] == [5.0] * 6 + [4.0] * 3 + [1.0, 1.0, 2.0]
    assert [rating.film_id for rating in history[:2]] == ["11", "9"]
    assert len(history) == MAX_HIGH_RATED + MAX_LOW_RATED
