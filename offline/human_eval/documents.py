"""The files of a human evaluation: the key that stays at home, and what the form exports."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

QUESTIONS: Final = ("persuasiveness", "personalization", "faithfulness")
Grade = Annotated[int, Field(ge=1, le=5)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeyedText(_Document):
    """Which row a rated text explains, and which systems wrote it: several, where they wrote the same."""

    event_id: str
    systems: list[str]


class KeyedPair(_Document):
    """Which system's text stands on which side."""

    event_id: str
    left: str
    right: str


class Key(_Document):
    """`key.json`: what the codes in the form stand for."""

    form_id: str
    seed: int
    texts: dict[str, KeyedText]
    pairs: dict[str, KeyedPair]
    identical_pairs: int = Field(description="Rows drawn for pairs and left out, because both texts are the same.")


class Rating(_Document):
    """One rater's grades of one text, 5 is best."""

    id: str
    persuasiveness: Grade
    personalization: Grade
    faithfulness: Grade


class Preference(_Document):
    """Which of two texts one rater prefers."""

    id: str
    choice: Literal["left", "same", "right"]


class Export(_Document):
    """What the form's download button gives."""

    form_id: str
    rater: str
    ratings: list[Rating]
    preferences: list[Preference]
