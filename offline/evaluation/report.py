"""The schema of `evaluation.json`: every figure typed and explained. `Evaluation.model_json_schema()` prints it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from stream_app.core.events import ModelIdentity

EVALUATION_NAME: Final = "evaluation.json"
SCHEMA_VERSION: Final = 1
Better = Literal["higher", "lower", "neither"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Document):
    """A mean or a measure of a set of texts; the interval is there for means over rows."""

    value: float
    low: float | None = Field(None, description="Lower end of the 95 % percentile bootstrap interval over rows.")
    high: float | None = Field(None, description="Upper end of the interval.")
    rows: int = Field(description="On how many rows: those for which the figure has a meaning.")


def _figure(title: str, better: Better, description: str) -> Any:
    return Field(None, title=title, description=description, json_schema_extra={"better": better})


class SystemFigures(_Document):
    """The figures of one system; null where one has no meaning. Shares lie between 0 and 1."""

    rouge_l: Figure | None = _figure(
        "ROUGE-L", "higher", "F1 against the Oracle's text (Lin 2004; rouge-score, stemmed). Read it beside `shuffled`."
    )
    bleu: Figure | None = _figure(
        "BLEU", "higher", "Corpus BLEU-4 against the Oracle's text, 0 to 100 (Papineni et al. 2002; sacrebleu)."
    )
    bert_score: Figure | None = _figure(
        "BERTScore", "higher", "F1 against the Oracle's text, not rescaled (Zhang et al. 2020; bert-score)."
    )
    gpt_score: Figure | None = _figure(
        "GPTScore",
        "higher",
        "Mean log-probability of a text's tokens for the judge after instruction and facts (Fu et al. 2023).",
    )
    retrieval: Figure | None = _figure(
        "Own-row retrieval",
        "higher",
        "Share of texts whose own row is the most similar of a draw, names removed from both (sentence encoder, R@1). "
        "The interval counts a row once for each draw that it is in.",
    )
    uses_user: Figure | None = _figure(
        "Uses the user",
        "higher",
        "Share of texts with a title of the history or a content word of the preferences, where there are any.",
    )
    uses_user_or_shared_value: Figure | None = _figure(
        "Uses the user or a shared value",
        "higher",
        "The same, or an attribute value that the item shares with the history.",
    )
    changes_with_user: Figure | None = _figure(
        "Changes with the user",
        "higher",
        "Share of texts that change when the user is exchanged for another of a row of the same kind.",
    )
    passes_gate: Figure | None = _figure(
        "Passes the gate", "higher", "Share of texts that violate no rule of the gate."
    )
    unsupported_names: Figure | None = _figure(
        "Unsupported name or number", "lower", "Share of texts with a name, number or slot that the event lacks."
    )
    wrong_relations: Figure | None = _figure(
        "Wrong relation", "lower", "Share of texts with a wrong relation, liking or genre, by the gate's rules."
    )
    unsupported_words: Figure | None = _figure(
        "Unsupported content words",
        "lower",
        "Share of a text's content words whose stem the event lacks (Snowball; stop words in `words.py`). Plain "
        "English counts too: compare systems.",
    )
    usr: Figure | None = _figure(
        "Distinct texts (USR)", "higher", "Distinct texts / texts (unique sentence ratio; Li et al. 2021, PETER)."
    )
    distinct_skeletons: Figure | None = _figure(
        "Distinct skeletons", "higher", "Distinct texts / texts with titles, names and numbers masked."
    )
    distinct_1: Figure | None = _figure("distinct-1", "higher", "Distinct words / words (Li et al. 2016).")
    distinct_2: Figure | None = _figure("distinct-2", "higher", "Distinct word pairs / word pairs (Li et al. 2016).")
    feature_matching: Figure | None = _figure(
        "FMR",
        "higher",
        "Share of the features in the Oracle's text that the text has too (feature matching ratio, after PETER). "
        "Features are stems of attribute values, summary and preferences.",
    )
    feature_coverage: Figure | None = _figure(
        "FCR", "higher", "Share of all rows' features that some text has (feature coverage ratio, after PETER)."
    )
    feature_overlap: Figure | None = _figure(
        "DIV", "lower", "Features that two texts have in common on average (feature diversity, after PETER)."
    )
    words: Figure | None = _figure("Words", "neither", "Words of a text.")


class Comparison(_Document):
    """The student against another system on the same rows."""

    metric: str = Field(description="A field of SystemFigures.")
    other: str = Field(description="The other system.")
    difference: float = Field(description="Student minus other: mean over the rows that both have a value for.")
    low: float
    high: float = Field(description="Ends of the 95 % percentile bootstrap interval of the difference.")
    p_value: float = Field(
        description="Paired permutation test of the mean difference, two-sided, not corrected for the number of tests."
    )
    rows: int


class GateFigures(_Document):
    """What the worker's gate made of the student's texts."""

    emitted_by_model: Figure = Field(description="Share of rows whose emitted text is the model's; the rest: template.")
    rejected_at_first_attempt: Figure = Field(description="Share of first attempts that the gate turns down.")
    rejected_by_rule: dict[str, float] = Field(description="The same by rule; a text may violate several.")
    template_reasons: dict[str, int] = Field(description="Why the template was emitted: rows by the last reason.")


class GroupReport(_Document):
    """One group of rows; `all` holds every row."""

    rows: int
    systems: dict[str, SystemFigures]
    comparisons: list[Comparison]
    gate: GateFigures


class Settings(_Document):
    """What the figures were measured with."""

    seed: int
    encoder: str
    judge: str | None
    judged_rows: int = Field(description="Rows that the judge read, chosen by the seed.")
    retrieval_rows: int
    retrieval_draws: int
    resamples: int


class Evaluation(_Document):
    """`evaluation.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    model: ModelIdentity
    prompt_fingerprint: str
    texts_sha256: str = Field(description="SHA-256 of texts.jsonl, from which every figure was computed.")
    settings: Settings
    groups: dict[str, GroupReport]


@dataclass(frozen=True, slots=True)
class Metric:
    """Name, title and meaning of a field of SystemFigures."""

    name: str
    title: str
    description: str
    better: Better


def list_metrics() -> Iterator[Metric]:
    """List the metrics in the order in which they are shown."""
    for name, info in SystemFigures.model_fields.items():
        extra = info.json_schema_extra
        assert isinstance(extra, dict)
        yield Metric(name, info.title or name, info.description or "", extra["better"])  # type: ignore[arg-type]
