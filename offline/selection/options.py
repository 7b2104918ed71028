"""The recipe's `[select]` table."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class LanguageModelOptions(BaseModel):
    """A local causal model that judges fluency by the mean log-probability of a text's tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """A folder, relative to the recipe or absolute, a hub name, or `package:NAME`."""
    gguf_file: str | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: Annotated[int, Field(ge=1)] = 32
    min_log_probability: float | None = None
    """Texts below it are turned down as `not_fluent`; unset, the figure only enters the score."""


class SelectOptions(BaseModel):
    """The recipe's `[select]` table; the defaults keep what recorded explanations of a large model look like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_supported_share: Share = 0.6
    """Of the content words, that stand in the event: 99 % of grounded explanations have it, 3 % of ungrounded ones."""
    require_personal: bool = True
    """Turn down texts that use nothing of the user although the item has something in common with what they liked."""
    require_specific: bool = True
    """Turn down texts that tell nothing of the item but its title, although more is known."""
    require_slots: bool = True
    """Turn down texts without a slotted form, which no student could learn to write: 11 % of otherwise good ones."""
    judge_as_student: bool = False
    """Also apply what the worker asks of a student's texts only: a tenth of a large model's good texts fail it."""
    max_copied_words: Annotated[int, Field(ge=3)] = 15
    """A longer run of words from one text of the event is a copy, not an explanation."""
    max_skeleton_copies: Annotated[int, Field(ge=1)] = 3
    """How many chosen texts may differ in their names alone."""
    max_similarity: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Jaccard similarity of word trigrams from which two chosen texts are near-duplicates; 1 allows all but copies."""
    dev: Literal["select", "all"] = "select"
    """`all` keeps every first candidate of the dev rows, good or not: the Oracle as it is."""
    language_model: LanguageModelOptions | None = None
