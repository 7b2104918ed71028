"""Release an artifact: converted weights, evaluation, model card, and the manifest last."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from offline.convert import CONVERTED_FILES
from stream_app.core.manifest import MANIFEST_NAME, Manifest, encode_manifest
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.runtime.artifact import hash_file

LICENCE: Final = (
    "The weights start from all-MiniLM-L6-v2 (Apache-2.0). They were trained on explanations made for this project; "
    "the events that those explain come in part from MovieLens, IMDb/OMDb and review data whose terms allow research "
    "use only. No event is part of the artifact. Treat the weights as for research and evaluation."
)
WEIGHT_FILES: Final = (*CONVERTED_FILES, "tokenizer.json")
MAX_SOURCE_TOKENS: Final = 320
MAX_TARGET_TOKENS: Final = 80


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """What is recorded of a training run."""

    data: str
    pairs: int
    dropped: int
    epochs: float
    seed: int
    parameters: int
    vocabulary: int
    dev_loss: float
    seconds: float


def release(
    folder: Path, facts: TrainingFacts, evaluation: dict[str, dict[str, object]], examples: list[str]
) -> Manifest:
    """Write evaluation, card and manifest beside the weights in `models/<name>/<version>`.

    Args:
        folder: holds the converted weights; its last two parts are the model's name and version.
        facts: what the card and the manifest say of the training.
        evaluation: as measured by `offline.evaluate` on this very artifact.
        examples: texts chosen at random, in full lines, for the card.
    """
    write_json(folder / "evaluation.json", evaluation)
    name, version = folder.resolve().parts[-2:]
    (folder / "README.md").write_text(_render_card(name, version, facts, evaluation, examples), encoding="utf-8")
    return _write_manifest(folder, asdict(facts), (*WEIGHT_FILES, "evaluation.json"))


def draft_manifest(folder: Path) -> None:
    """Write a manifest for weights that are not evaluated yet, so that the worker's own loader can load them."""
    _write_manifest(folder, {}, WEIGHT_FILES)


def _write_manifest(folder: Path, training: dict[str, str | int | float], files: Sequence[str]) -> Manifest:
    name, version = folder.resolve().parts[-2:]
    manifest = Manifest(
        name=name,
        version=version,
        prompt_fingerprint=compute_prompt_fingerprint(),
        licence=LICENCE,
        max_source_tokens=MAX_SOURCE_TOKENS,
        max_target_tokens=MAX_TARGET_TOKENS,
        training=training,
        files={file: hash_file(folder / file) for file in files},
    )
    (folder / MANIFEST_NAME).write_bytes(encode_manifest(manifest))
    return manifest


def write_json(path: Path, document: object) -> None:
    """Write a document as indented JSON."""
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _render_card(
    name: str, version: str, facts: TrainingFacts, evaluation: dict[str, dict[str, object]], examples: list[str]
) -> str:
    groups = list(evaluation)
    measures = [measure for measure, value in evaluation["all"].items() if not isinstance(value, dict)]
    table = [f"| measure | {' | '.join(groups)} |", f"|---|{'---|' * len(groups)}"]
    for measure in measures:
        cells = " | ".join(_render_figure(evaluation[group][measure]) for group in groups)
        table.append(f"| {measure.replace('_', ' ')} | {cells} |")
    return _CARD.format(
        name=name,
        version=version,
        facts=facts,
        minutes=facts.seconds / 60,
        licence=LICENCE,
        table="\n".join(table),
        violations=_render_counts(evaluation["all"]["gate_violations_before_gate"]),
        examples="\n".join(f"- {example}" for example in examples),
    )


def _render_figure(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _render_counts(counts: object) -> str:
    return ", ".join(f"{rule} {count}" for rule, count in counts.items()) if isinstance(counts, dict) else ""


_CARD: Final = """# {name} {version}

A student of {facts.parameters:,} parameters (BART architecture, 6 encoder and 3 decoder layers of width 384,
vocabulary {facts.vocabulary:,}), quantized to int8 for CTranslate2. It writes slotted explanations for the prompt of
`stream_app/core/prompt.py`.

- **Start**: encoder and decoder from all-MiniLM-L6-v2, see `offline/warm_start.py`.
- **Data**: {facts.data}; {facts.pairs:,} pairs, {facts.dropped:,} rows dropped because their text names something
  that the prompt lacks.
- **Training**: {facts.epochs:g} epochs, seed {facts.seed}, {minutes:.0f} minutes, dev loss {facts.dev_loss:.3f}.
- **Terms**: {licence}

## Evaluation

Measured on the int8 artifact, on rows of users (and invented items) that nobody trained on. 'Before the gate' is the
first attempt of the model alone; 'emitted' is what the worker publishes, after retries, the gate and the template.
ROUGE-L says little for this task (texts of other rows score nearly as high): it stands beside its shuffled value and
the template's.

{table}

Rules violated before the gate (counts over all rows): {violations}.

The gate is a set of rules: it finds invented names, numbers, genres and liking claims, and not every false relation.

## Twenty texts chosen at random

{examples}
"""
