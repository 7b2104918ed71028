"""The step `evaluate`: the int8 artifact writes about rows that nobody trained on, and the texts are measured."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field

from offline.evaluation.encoders import BertScore, MeanPoolingEncoder
from offline.evaluation.figures import FigureOptions, report_groups
from offline.evaluation.groups import DEFAULT_GROUPS, OtherKinds, name_group
from offline.evaluation.judge import CausalJudge
from offline.evaluation.models import MeasuringModels
from offline.evaluation.page import PAGE_NAME, render_page
from offline.evaluation.report import EVALUATION_NAME, Evaluation, Settings
from offline.evaluation.systems import SYSTEM_NAMES
from offline.evaluation.texts import TEXTS_NAME, encode_row, read_texts
from offline.evaluation.writing import Assignment, exchange_users, write_rows
from offline.minilm import find_minilm
from offline.recorded_rows import RecordedRow, load_rows
from offline.steps import StepContext, cut_torn_line
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import TextGenerator
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.runtime.artifact import hash_file, load_artifact

ROWS_WRITTEN_TOGETHER: Final = 32
T = TypeVar("T")


class EvaluateOptions(BaseModel):
    """The recipe's table `[evaluate]`. Relative paths are relative to the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: dict[str, str] = Field(default_factory=lambda: dict(DEFAULT_GROUPS), description="Group of each kind.")
    other_kinds: OtherKinds = Field("invented", description="Group of kinds that are not named.")
    max_rows: int | None = Field(None, ge=2, description="Use the first rows only.")
    encoder: Path | None = Field(None, description="BERT-like encoder's folder; default: all-MiniLM-L6-v2.")
    encoder_layers: int | None = Field(None, ge=1, description="BERTScore's layer; default: the last.")
    judge: Path | None = Field(None, description="Causal model for GPTScore: folder or GGUF file; default: none.")
    judged_rows: int = Field(100, ge=1, description="Rows that the judge reads, of each system.")
    systems: dict[str, Path] = Field(
        default_factory=dict,
        description="Further systems: name to JSON lines of `event_id` and `text`, one for each row.",
    )
    retrieval_rows: int = Field(140, ge=2)
    retrieval_draws: int = Field(5, ge=1)
    resamples: int = Field(1_000, ge=100, description="Of bootstrap and permutation tests.")
    examples: int = Field(50, ge=0, description="Rows shown side by side on the page.")


class Track(Protocol):
    """Iterates with a progress bar, as `StepContext.track` does."""

    def __call__(self, iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
        """Iterate."""
        ...


class SystemTextsError(ValueError):
    """A file of a further system's texts cannot be used; the message says why."""


def evaluate(options: EvaluateOptions, context: StepContext) -> None:
    """Evaluate the converted artifact on the selected dev rows.

    Writes `texts.jsonl`, `evaluation.json` and `evaluation.html`. A killed run goes on after the last row written.
    """
    from stream_app.runtime.generator import CTranslate2Generator  # Takes seconds: it brings PyTorch where it is there.

    generator = CTranslate2Generator(load_artifact(str(context.inputs["convert"])), os.cpu_count() or 1)
    rows = list(load_rows(context.inputs["select"] / "dev.jsonl"))[: options.max_rows]
    evaluation = measure(
        generator,
        rows,
        options,
        context.folder,
        track=context.track,
        base=context.base,
        seed=context.seed,
        resume=True,
    )
    context.counts["rows"] += len(rows)
    context.counts["emitted_by_model"] += round(evaluation.groups["all"].gate.emitted_by_model.value * len(rows))


def measure(
    generator: TextGenerator,
    rows: Sequence[RecordedRow],
    options: EvaluateOptions,
    folder: Path,
    *,
    track: Track,
    base: Path = Path(),
    seed: int = 0,
    models: MeasuringModels | None = None,
    resume: bool = False,
) -> Evaluation:
    """Let a generator write about rows, measure the texts, and write all files into a folder.

    Args:
        generator: what is evaluated.
        rows: recorded rows of users, or invented items, that are not in the training data; at least two.
        options: what to measure, with paths relative to `base`.
        folder: where to write.
        track: shows progress.
        base: see `options`.
        seed: chooses exchanged users, shuffled texts, resamples and examples.
        models: what to measure with; by default those that the options name.
        resume: keep the whole rows of an earlier `texts.jsonl`, which must be of the same generator, rows and options.

    Raises:
        ValueError: fewer than two rows.
        SystemTextsError: a further system lacks a row, or has the name of a built-in one.
    """
    if len(rows) < 2:
        raise ValueError("an evaluation needs at least two rows")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TEXTS_NAME
    assignments = _assign(rows, options, base, seed)
    if not resume:
        path.unlink(missing_ok=True)
    _write_texts(generator, assignments, path, track)
    evaluation = _report(generator.identity, path, options, models or load_models(options, base), seed)
    (folder / EVALUATION_NAME).write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    page = render_page(evaluation, list(read_texts(path)), options.examples, seed)
    (folder / PAGE_NAME).write_text(page, encoding="utf-8")
    return evaluation


def _report(
    model: ModelIdentity, path: Path, options: EvaluateOptions, models: MeasuringModels, seed: int
) -> Evaluation:
    rows = list(read_texts(path))
    figure_options = FigureOptions(
        seed, options.resamples, options.judged_rows, options.retrieval_rows, options.retrieval_draws
    )
    return Evaluation(
        model=model,
        prompt_fingerprint=compute_prompt_fingerprint(),
        texts_sha256=hash_file(path),
        settings=_describe_settings(options, seed, len(rows)),
        groups=dict(report_groups(rows, models, figure_options)),
    )


def load_models(options: EvaluateOptions, base: Path) -> MeasuringModels:
    """Load what the options name; weights are read when first used."""
    encoder = find_minilm() if options.encoder is None else base / options.encoder
    return MeasuringModels(
        MeanPoolingEncoder(encoder),
        BertScore(encoder, options.encoder_layers),
        None if options.judge is None else CausalJudge(base / options.judge),
    )


def _assign(rows: Sequence[RecordedRow], options: EvaluateOptions, base: Path, seed: int) -> list[Assignment]:
    others = {name: _load_system(name, base / path, rows) for name, path in sorted(options.systems.items())}
    return [
        Assignment(
            row,
            name_group(row.kind, options.groups, options.other_kinds),
            exchanged,
            {name: texts[row.event.event_id] for name, texts in others.items()},
        )
        for row, exchanged in zip(rows, exchange_users(rows, seed), strict=True)
    ]


def _load_system(name: str, path: Path, rows: Sequence[RecordedRow]) -> Mapping[str, str]:
    if name in SYSTEM_NAMES:
        raise SystemTextsError(f"{name!r} is the name of a built-in system")
    lines = map(orjson.loads, path.read_bytes().splitlines())
    texts = {str(line["event_id"]): str(line["text"]) for line in lines}
    missing = [row.event.event_id for row in rows if row.event.event_id not in texts]
    if missing:
        raise SystemTextsError(f"{path} has no text for {len(missing)} of {len(rows)} rows, {missing[0]!r} among them")
    return texts


def _write_texts(generator: TextGenerator, assignments: Sequence[Assignment], path: Path, track: Track) -> None:
    pending = assignments[cut_torn_line(path) :]
    starts = range(0, len(pending), ROWS_WRITTEN_TOGETHER)
    with path.open("ab") as file:
        for start in track(starts, "writing", len(starts)):
            written = write_rows(generator, pending[start : start + ROWS_WRITTEN_TOGETHER])
            file.write(b"".join(map(encode_row, written)))
            file.flush()


def _describe_settings(options: EvaluateOptions, seed: int, rows: int) -> Settings:
    return Settings(
        seed=seed,
        encoder=options.encoder.name if options.encoder else "all-MiniLM-L6-v2",
        judge=options.judge.name if options.judge else None,
        judged_rows=min(options.judged_rows, rows) if options.judge else 0,
        retrieval_rows=options.retrieval_rows,
        retrieval_draws=options.retrieval_draws,
        resamples=options.resamples,
    )
