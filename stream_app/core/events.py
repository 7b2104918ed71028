"""The contracts: what a ranking event, an explanation and a dead letter are, on every wire.

Every bound that protects the process stands in this file as a constant; `prism schema` prints them as JSON Schema.
Models are strict (no coercion), frozen, and ignore unknown fields, so that producers may add their own.
"""

import hashlib
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from stream_app.core.errors import DecodeError, SchemaError

MAX_RECORD_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 16
MAX_ITEMS: Final = 200
MAX_HISTORY: Final = 500
MAX_PREFERENCES: Final = 20
MAX_ATTRIBUTES: Final = 32
MAX_ATTRIBUTE_VALUES: Final = 32
MAX_ID_CHARACTERS: Final = 256
MAX_TITLE_CHARACTERS: Final = 512
MAX_VALUE_CHARACTERS: Final = 512
MAX_TEXT_CHARACTERS: Final = 4_000

LIKED_SHARE_OF_MAXIMUM: Final = 0.8
"""A rating of at least this share of the scale's maximum counts as liked; the maximum itself as loved."""

SUPPORTED_LANGUAGE: Final = "en"


def _ensure_timestamp_text(value: Any) -> Any:
    # Pydantic would also take a number of seconds; the wire format is RFC 3339 text only.
    if not isinstance(value, str | datetime):
        raise ValueError("must be an RFC 3339 timestamp as text")
    return value


def _ensure_time_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must have a time zone, such as 2026-01-01T00:00:00Z")
    return value


def _ensure_visible(value: str) -> str:
    if not any(unicodedata.category(character)[0] in "LNPS" for character in value):
        raise ValueError("must contain at least one visible character")
    return value


Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARACTERS), AfterValidator(_ensure_visible)]
Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARACTERS), AfterValidator(_ensure_visible)]
AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
AttributeValue = Annotated[str, Field(max_length=MAX_VALUE_CHARACTERS)]
AttributeValues = AttributeValue | Annotated[list[AttributeValue], Field(max_length=MAX_ATTRIBUTE_VALUES)]
Attributes = Annotated[dict[AttributeName, AttributeValues], Field(max_length=MAX_ATTRIBUTES)]
FreeText = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Timestamp = Annotated[
    datetime, Field(strict=False), BeforeValidator(_ensure_timestamp_text), AfterValidator(_ensure_time_zone)
]


class _Contract(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class RatingScale(_Contract):
    """The lowest and the highest rating that a user can give. On the wire a list of the two: `[0.5, 5]`."""

    minimum: FiniteFloat = 0.5
    maximum: FiniteFloat = 5.0

    @property
    def liked_from(self) -> float:
        """The lowest rating that counts as liked."""
        return LIKED_SHARE_OF_MAXIMUM * self.maximum


def _read_scale(value: Any) -> Any:
    if isinstance(value, RatingScale):
        return value
    is_pair = isinstance(value, list) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    if not is_pair or not 0 <= value[0] < value[1] < float("inf"):
        raise ValueError("must be [lowest, highest]: two numbers with 0 <= lowest < highest")
    return RatingScale(minimum=float(value[0]), maximum=float(value[1]))


RatingPair = Annotated[
    RatingScale,
    BeforeValidator(_read_scale),
    PlainSerializer(lambda scale: [scale.minimum, scale.maximum], return_type=list[float]),
    WithJsonSchema({"type": "array", "items": {"type": "number", "minimum": 0}, "minItems": 2, "maxItems": 2}),
]


class HistoryItem(_Contract):
    """Something that the user has met before; without a rating nothing is known of how they liked it."""

    item_id: Identifier
    title: Title
    rating: FiniteFloat | None = None
    attributes: Attributes = Field(default_factory=dict)


class User(_Contract):
    """Whom the explanation is for. A history, preferences, both or neither may be known."""

    user_id: Identifier
    rating_scale: RatingPair = Field(default_factory=RatingScale)
    history: Annotated[list[HistoryItem], Field(max_length=MAX_HISTORY)] = Field(default_factory=list)
    preferences: Annotated[list[FreeText], Field(max_length=MAX_PREFERENCES)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ensure_ratings_on_scale(self) -> Self:
        scale = self.rating_scale
        for index, item in enumerate(self.history):
            if item.rating is not None and not scale.minimum <= item.rating <= scale.maximum:
                raise ValueError(f"history[{index}].rating lies outside the rating scale")
        return self


class RankedItem(_Contract):
    """One recommended item with the facts that an explanation may use."""

    item_id: Identifier
    title: Title
    rank: Annotated[int, Field(ge=1, le=1_000_000)]
    score: FiniteFloat | None = None
    attributes: Attributes = Field(default_factory=dict)
    summary: FreeText | None = None


class RankingEvent(_Contract):
    """What any ranker sends: a user, and the items ranked for them. Version 1."""

    event_id: Identifier
    occurred_at: Timestamp
    user: User
    items: Annotated[list[RankedItem], Field(min_length=1, max_length=MAX_ITEMS)]
    ranker: Annotated[str, Field(max_length=MAX_ID_CHARACTERS)] | None = None
    locale: Annotated[str, Field(max_length=64)] | None = None
    explain_top_k: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _ensure_distinct_items(self) -> Self:
        if len({item.item_id for item in self.items}) < len(self.items):
            raise ValueError("items: two items have the same item_id")
        return self

    @property
    def items_to_explain(self) -> list[int]:
        """Indices into `items`, in their order: all, or the `explain_top_k` best ranks (ties: first listed)."""
        indices = range(len(self.items))
        if self.explain_top_k is None:
            return list(indices)
        best = sorted(indices, key=lambda index: (self.items[index].rank, index))
        return sorted(best[: self.explain_top_k])


class Evidence(_Contract):
    """One claim of a text and the field of the event that supports it.

    All spans are half-open and count code points. `pointer` is a JSON pointer (RFC 6901) into the ranking event.
    """

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    pointer: str
    field_start: Annotated[int, Field(ge=0)]
    field_end: Annotated[int, Field(ge=0)]


class ModelIdentity(_Contract):
    """Which model wrote, or would have written, a text."""

    name: str
    version: str


class Explanation(_Contract):
    """One short text of why one item was recommended to one user. A pure function of event, model and prompt."""

    explanation_id: str
    event_id: str
    user_id: str
    item_id: str
    rank: int
    text: str
    source: Literal["model", "template"]
    template_reason: str | None = None
    evidence: list[Evidence]
    language: str = SUPPORTED_LANGUAGE
    flags: list[Literal["locale_not_supported"]] = Field(default_factory=list)
    model: ModelIdentity
    prompt_fingerprint: str


class DeadLetter(_Contract):
    """Why a record could not be explained. The record itself is kept byte for byte beside it."""

    stage: str
    error: str
    message: str
    attempts: int = 1
    """How often it was tried, before this letter, what could have worked the next time."""


def decode_event(value: bytes | None) -> RankingEvent:
    """Decode the value of an input record.

    Raises:
        DecodeError: no value, more than MAX_RECORD_BYTES, not UTF-8 JSON, or nested deeper than MAX_DEPTH.
        SchemaError: JSON that is not a ranking event; the message names the fields, never their contents.
    """
    if not value:
        raise DecodeError("the record has no value")
    if len(value) > MAX_RECORD_BYTES:
        raise DecodeError(f"the record has {len(value)} bytes; at most {MAX_RECORD_BYTES} are accepted")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"the record is not valid JSON (line {error.lineno}, column {error.colno})") from error
    _ensure_depth(document)
    try:
        return RankingEvent.model_validate(document)
    except ValidationError as error:
        raise SchemaError(_describe(error)) from error


def _ensure_depth(document: Any) -> None:
    # Level by level instead of recursively: a hostile record must not reach Python's recursion limit.
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise DecodeError(f"the record is nested deeper than {MAX_DEPTH} levels")


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _describe(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(_describe_place(problem['loc'])) or 'event'}: {problem['msg']}" for problem in problems[:5]]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    return "; ".join(shown)


def _describe_place(place: tuple[int | str, ...]) -> list[str]:
    steps = [str(step) for step in place]
    if "attributes" in steps:
        # The names of attributes are the producer's: they may be anything, personal data too.
        name = steps.index("attributes") + 1
        steps[name : name + 1] = ["*"] * (len(steps) > name)
    return steps


def encode_contract(contract: _Contract) -> bytes:
    """Encode any contract as canonical JSON: fields in declared order, UTF-8, no spaces."""
    return orjson.dumps(contract.model_dump(mode="json"))


def compute_explanation_id(event_id: str, item_id: str, model: ModelIdentity, prompt_fingerprint: str) -> str:
    """Compute the id (32 hexadecimal characters) that repeats for the same event, item, model and prompt."""
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") must not share an id.
    parts = orjson.dumps([event_id, item_id, model.name, model.version, prompt_fingerprint])
    return hashlib.sha256(parts).hexdigest()[:32]
