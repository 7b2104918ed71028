"""A real ranker for the demo: matrix factorisation (alternating least squares, Hu et al. 2008) by `implicit`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from stream_app.local.movielens import Rating

RANKER_NAME: Final = "implicit-als"
FACTORS: Final = 32
ITERATIONS: Final = 15
REGULARIZATION: Final = 0.1
CONFIDENCE: Final = 8.0
LIKED_FROM: Final = 4.0
"""Only films rated so or better say what a user wants; lower ratings serve to leave known films out."""


@dataclass(frozen=True, slots=True)
class RankedFilm:
    """A film that the user has not rated, and how strongly the ranker believes in it."""

    film_id: str
    score: float


class FilmRanker:
    """Ranks films for the users that it was trained on. The same ratings give the same ranking."""

    def __init__(self, ratings: Iterable[Rating]) -> None:
        """Train; a second on MovieLens-100k."""
        known = list(ratings)
        self._users = sorted({rating.user_id for rating in known})
        self._films = sorted({rating.film_id for rating in known})
        self._user_rows = {user_id: row for row, user_id in enumerate(self._users)}
        self._rated = self._build_matrix(known)
        liked = self._build_matrix([rating for rating in known if rating.value >= LIKED_FROM])
        # One thread, in BLAS too: sums in another order would rank ties differently from run to run.
        with threadpool_limits(limits=1, user_api="blas"):
            self._model = AlternatingLeastSquares(
                factors=FACTORS, regularization=REGULARIZATION, iterations=ITERATIONS, random_state=0, num_threads=1
            )
            self._model.fit(liked * CONFIDENCE, show_progress=False)

    def rank_unseen(self, user_id: str, count: int) -> Sequence[RankedFilm]:
        """Rank films that the user has not rated, best first; fewer than `count` where fewer are left."""
        row = self._user_rows[user_id]
        with threadpool_limits(limits=1, user_api="blas"):
            films, scores = self._model.recommend(row, self._rated[row], N=count, filter_already_liked_items=True)
        rated = set(self._rated[row].indices)
        return [
            RankedFilm(self._films[film], round(float(score), 4))
            for film, score in zip(films, scores, strict=True)
            # Where fewer than N are left, the library fills up with films that it was told to leave out.
            if film >= 0 and film not in rated
        ]

    def _build_matrix(self, ratings: Sequence[Rating]) -> Any:
        film_columns = {film_id: column for column, film_id in enumerate(self._films)}
        rows = [self._user_rows[rating.user_id] for rating in ratings]
        columns = [film_columns[rating.film_id] for rating in ratings]
        shape = (len(self._users), len(self._films))
        return csr_matrix((np.ones(len(ratings), dtype=np.float32), (rows, columns)), shape=shape)
