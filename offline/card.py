"""The model card: generated from what was measured, so that it cannot say anything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offline.convert import Agreement
from offline.evaluation.report import Evaluation, Figure, list_metrics
from offline.facts import TrainingFacts


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What the card says."""

    name: str
    version: str
    licence: str
    provenance: str
    training: TrainingFacts
    refinement: TrainingFacts | None
    """Of the step `refine`, where the recipe has it."""
    counts: Mapping[str, Mapping[str, int]]
    """What each step kept and dropped."""
    agreement: Agreement
    evaluation: Evaluation
    examples: tuple[str, ...]


def render_card(facts: CardFacts) -> str:
    """Render the card as Markdown."""
    training, agreement = facts.training, facts.agreement
    return _CARD.format(
        name=facts.name,
        version=facts.version,
        parameters=training.parameters,
        vocabulary=training.vocabulary,
        megabytes=agreement.bytes_int8 / 1e6,
        provenance=facts.provenance or "See the counts.",
        pairs=training.pairs,
        dropped=training.dropped,
        epochs=training.epochs,
        seed=training.seed,
        minutes=training.seconds / 60,
        dev=_render_dev(training),
        note=f"\n- **Note**: {training.note}" if training.note else "",
        refinement="" if facts.refinement is None else _render_refinement(facts.refinement),
        licence=facts.licence,
        agreement=agreement,
        groups="\n\n".join(_render_group(facts.evaluation, name) for name in facts.evaluation.groups),
        counts="\n".join(f"- {step}: {_render_counts(counts)}" for step, counts in facts.counts.items()),
        examples="\n".join(f"- {example}" for example in facts.examples),
    )


def _render_dev(training: TrainingFacts) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in sorted(training.dev_figures.items()))


def _render_refinement(training: TrainingFacts) -> str:
    return (
        f"\n- **Refinement** on drafts of its own that a reader judged and mended, and which it\n  learned to doubt, "
        f"and on pairs of before: {training.pairs:,} pairs, {training.epochs:g} epochs, "
        f"{training.seconds / 60:.0f} minutes; on development\n  "
        f"rows: {_render_dev(training)}."
    )


def _render_group(evaluation: Evaluation, name: str) -> str:
    group = evaluation.groups[name]
    systems = list(group.systems)
    lines = [
        f"### {name}: {group.rows} rows",
        "",
        f"Emitted by the model {_render(group.gate.emitted_by_model)}; turned down at the first attempt "
        f"{_render(group.gate.rejected_at_first_attempt)} "
        f"({', '.join(f'{rule} {share:.3f}' for rule, share in group.gate.rejected_by_rule.items()) or 'no rule'}).",
        "",
        f"| measure | {' | '.join(systems)} |",
        f"|---|{'---|' * len(systems)}",
    ]
    for metric in list_metrics():
        figures: list[Figure | None] = [getattr(group.systems[system], metric.name) for system in systems]
        if any(figure is not None for figure in figures):
            lines.append(f"| {metric.title} | {' | '.join(_render(figure) for figure in figures)} |")
    return "\n".join(lines)


def _render(figure: Figure | None) -> str:
    if figure is None:
        return ""
    interval = f" ({figure.low:.3g} to {figure.high:.3g})" if figure.low is not None and figure.high is not None else ""
    return f"{figure.value:.3g}{interval}"


def _render_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing counted"


_CARD: Final = """# {name} {version}

A student of {parameters:,} parameters (BART architecture, vocabulary {vocabulary:,}), quantized to int8 for CTranslate2
({megabytes:.1f} MB). It writes slotted explanations for the prompt of `stream_app/core/prompt.py`.

- **Data**: {provenance} {pairs:,} pairs; {dropped:,} rows dropped because no prompt can ask for their text.
- **Training**: {epochs:g} epochs, seed {seed}, {minutes:.0f} minutes; on development rows: {dev}.{note}{refinement}
- **int8 against float32** on {agreement.rows} prompts: {agreement.exact_match:.3f} of the texts are the same; the gate
  passes {agreement.passes_gate_int8:.3f} and {agreement.passes_gate_float32:.3f}; ROUGE-L {agreement.rouge_l_int8:.3f}
  and {agreement.rouge_l_float32:.3f}.
- **Sure** is a text from a mean log-probability of {agreement.sure_from:g} on; where one is not, or the model doubts
  it, the worker writes up to three more and takes the best.
- **Terms**: {licence}

## Evaluation

Measured on the int8 artifact, on rows of users (and invented items) that nobody trained on. `student_raw` is the
first attempt of the model alone; `student` is what the worker publishes, after retries, the gate and the template.
In brackets: 95 % bootstrap intervals. What each measure means stands in `offline/evaluation/report.py`.

{groups}

The gate is a set of rules: it finds invented names, numbers, genres and liking claims, and not every false relation.

## What each step kept and dropped

{counts}

## Twenty texts, evenly spaced over the rows

{examples}
"""
