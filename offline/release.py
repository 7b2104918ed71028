"""The step `release`: an evaluated artifact becomes `models/<name>/<version>`, with a card; the manifest comes last."""

import shutil
from pathlib import Path
from typing import Annotated, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from offline.card import CardFacts, render_card
from offline.convert import Agreement
from offline.evaluation.report import EVALUATION_NAME, Evaluation
from offline.evaluation.texts import TEXTS_NAME
from offline.facts import TRAINING_NAME, TrainingFacts
from offline.manifest import write_manifest
from offline.steps import StepContext, StepError, read_manifest
from stream_app.core.manifest import MANIFEST_NAME, Manifest, decode_manifest
from stream_app.runtime.artifact import load_artifact

AGREEMENT_NAME: Final = "agreement.json"
CARD_NAME: Final = "README.md"
EXAMPLES_IN_CARD: Final = 20
_COUNTED: Final = ("prepare", "label", "select", "distill", "refine")


class ReleaseOptions(BaseModel):
    """The recipe's `[release]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    models: Path | None = None
    """Where artifacts are kept, relative to the recipe; `models` in the run's folder, if not given."""
    licence: Annotated[str, Field(min_length=1)]
    """Under which terms the weights may be used, in words: it depends on the data."""
    provenance: str = ""
    """Where the training text comes from, in words; counts are added."""


def release(options: ReleaseOptions, context: StepContext) -> None:
    """Write the artifact: weights, figures, card, then the manifest; the worker's own loader verifies it.

    Raises:
        StepError: that version is there already, with other content.
    """
    models = context.folder.parent / "models" if options.models is None else context.base / options.models
    target = models / options.name / options.version
    manifest = _assemble(options, context, context.folder)
    if (target / MANIFEST_NAME).exists():
        if (target / MANIFEST_NAME).read_bytes() != (context.folder / MANIFEST_NAME).read_bytes():
            raise StepError(f"{target} holds another release; an artifact never changes: raise `release.version`")
    else:
        _publish(context.folder, target, manifest)
    load_artifact(str(target.resolve()))
    context.counts["files"] = len(manifest.files)


def _assemble(options: ReleaseOptions, context: StepContext, folder: Path) -> Manifest:
    weights = decode_manifest((context.inputs["convert"] / MANIFEST_NAME).read_bytes()).files
    for step, names in (("convert", (*weights, AGREEMENT_NAME)), ("evaluate", (EVALUATION_NAME,))):
        for name in names:
            shutil.copyfile(context.inputs[step] / name, folder / name)
    training = _read_training(context.inputs["distill"])
    refinement = _read_training(context.inputs["refine"]) if "refine" in context.inputs else None
    facts = CardFacts(
        name=options.name,
        version=options.version,
        licence=options.licence,
        provenance=options.provenance,
        training=training,
        refinement=refinement,
        counts={step: read_manifest(context.inputs[step]).counts for step in _COUNTED if step in context.inputs},
        agreement=Agreement.model_validate_json((folder / AGREEMENT_NAME).read_bytes()),
        evaluation=Evaluation.model_validate_json((folder / EVALUATION_NAME).read_bytes()),
        examples=_choose_examples(context.inputs["evaluate"] / TEXTS_NAME),
    )
    (folder / CARD_NAME).write_text(render_card(facts), encoding="utf-8")
    return write_manifest(
        folder,
        (*weights, AGREEMENT_NAME, EVALUATION_NAME),
        name=options.name,
        version=options.version,
        licence=options.licence,
        sure_from=facts.agreement.sure_from,
        training=_flatten(training)
        | ({"refinement_pairs": refinement.pairs} if refinement is not None else {})
        | ({"provenance": options.provenance} if options.provenance else {}),
    )


def _read_training(folder: Path) -> TrainingFacts:
    return TrainingFacts.model_validate_json((folder / TRAINING_NAME).read_bytes())


def _flatten(training: TrainingFacts) -> dict[str, str | int | float]:
    facts = training.model_dump(exclude={"dev_figures", "note"})
    return facts | {f"dev_{name}": value for name, value in training.dev_figures.items()}


def _choose_examples(path: Path) -> tuple[str, ...]:
    """Take evenly spaced rows: no choice that anybody could have steered."""
    lines = path.read_bytes().splitlines()
    step = max(1, len(lines) // EXAMPLES_IN_CARD)
    rows = [orjson.loads(line) for line in lines[::step][:EXAMPLES_IN_CARD]]
    return tuple(f"({row['source']}, {row['kind']}) {row['emitted']}" for row in rows)


def _publish(folder: Path, target: Path, manifest: Manifest) -> None:
    """Copy all files, the manifest last: without it nobody takes a half-copied folder for an artifact."""
    target.mkdir(parents=True, exist_ok=True)
    for name in (*manifest.files, CARD_NAME, MANIFEST_NAME):
        shutil.copyfile(folder / name, target / name)
