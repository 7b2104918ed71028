"""The recipe's `[[prepare.sources]]` tables: which adapter reads what, and how much of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stream_app.core.events import RatingScale

Share = Annotated[float, Field(ge=0, le=1)]


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """File or folder; a relative path is relative to the recipe."""
    kind: str | None = Field(default=None, min_length=1)
    """The domain that rows are reported under; also stands before ids of users and items that are only numbers."""
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows from `path`."""
    optional: bool = False
    """Skip the source, with a warning, where `path` is missing."""


class _SplitSource(_Source):
    dev_path: Path | None = None
    """Rows to measure with. Without it a share of the users of `path` is held out."""
    dev_limit: int | None = Field(default=None, ge=1)
    """At most so many rows from `dev_path`."""


class InteractionSource(_Source):
    """Who met what, when, and how they liked it: events are made of it."""

    rows_per_user: int = Field(default=2, ge=1)
    """At most so many explained items a user."""
    history_min: int = Field(default=2, ge=0)
    """Explain nothing that came with fewer earlier items than this."""
    history_max: int = Field(default=8, ge=1, le=500)
    """Show at most so many earlier items."""
    rating_scale: tuple[float, float] | None = None
    """The lowest and the highest possible rating; None: the data set's own."""
    liked_from: float | None = None
    """The lowest rating of what is explained; None: what the event contract calls liked."""

    @model_validator(mode="after")
    def _ensure_order(self) -> Self:
        if self.history_min > self.history_max:
            raise ValueError("history_min is larger than history_max")
        if self.rating_scale is not None and not 0 <= self.rating_scale[0] < self.rating_scale[1] < float("inf"):
            raise ValueError("rating_scale must be [lowest, highest] with 0 <= lowest < highest")
        return self

    def choose_scale(self, default: RatingScale) -> RatingScale:
        """Return the scale that the recipe gives, or else the data set's."""
        if self.rating_scale is None:
            return default
        return RatingScale(minimum=self.rating_scale[0], maximum=self.rating_scale[1])


class MovieLensSource(InteractionSource):
    """A folder of MovieLens as GroupLens ships it: `::` files, CSV files, or u.data and u.item of the first 100k."""

    adapter: Literal["movielens"]
    content: Path | None = None
    """A CSV file with the columns item, director, actors, plot: more facts for films, by their ids."""


class RecBoleSource(InteractionSource):
    """RecBole atomic files: a folder with one `.inter` file and the `.item` file beside it, or that `.inter` file."""

    adapter: Literal["recbole"]
    user_column: str = "user_id"
    item_column: str = "item_id"
    time_column: str = "timestamp"
    rating_column: str = "rating"
    """Where the interactions have no such column, all of them count as liked."""
    title_column: str | None = None
    """None: the first column of the `.item` file that is called a title or a name."""
    attributes: Mapping[str, str] | None = None
    """Column of the `.item` file to attribute of the event; None: all of them, some under plainer names."""
    sequence_separator: str = Field(default=" ", min_length=1)


class YelpSource(InteractionSource):
    """The folder of the Yelp Open Dataset, with its JSON files for businesses, reviews and (if there) users."""

    adapter: Literal["yelp"]
    user_share: Share = 1.0
    """Use only this share of all users, chosen by hash: less to read and less disk."""


class XRecSource(_SplitSource):
    """XRec's explanations of reviews: its pickles (`trn.pkl`), or JSON lines with the same fields."""

    adapter: Literal["xrec"]


class EventsSource(_SplitSource):
    """JSON lines of ranking events; each item to explain gives a row."""

    adapter: Literal["events"]


class RecordedSource(_SplitSource):
    """JSON lines of kind, event, explanation: what an Oracle wrote before."""

    adapter: Literal["recorded"]


Source = Annotated[
    MovieLensSource | RecBoleSource | YelpSource | XRecSource | EventsSource | RecordedSource,
    Field(discriminator="adapter"),
]
