"""The label step: the Oracle writes candidates for every prepared event.

Rows of all splits form one stream, cut into batches of fixed size. A finished batch is appended to `scratch/` at once;
the final files are written from there at the end, so that an interrupted run gives the same files.
"""

import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import chain, islice
from pathlib import Path
from typing import Final

from offline.oracle.answers import clean_candidates
from offline.oracle.backends import name_oracle
from offline.oracle.batch_log import BatchLog
from offline.oracle.engines import Batch, FinishedBatch, answer_batches
from offline.oracle.options import LabelOptions, OpenAIOptions
from offline.oracle.port import Answer, Request
from offline.oracle.prompt import build_oracle_prompt
from offline.oracle.rows import LabelledRow, PreparedRow, load_prepared
from offline.recorded_rows import RecordedRow, load_rows
from offline.steps import StepContext, StepError

SPLIT_NAMES: Final = ("train.jsonl", "dev.jsonl")
LOG_NAME: Final = "scratch/finished.jsonl"


def label(options: LabelOptions, context: StepContext) -> None:
    """Write `train.jsonl` and `dev.jsonl` of `LabelledRow`s from the prepare step's rows.

    Counts: `prompts`, `candidates` (kept), `empty_candidates`, `repeated_candidates`, `rows_without_candidate`,
    `prompt_tokens`, `completion_tokens`, and `cost_micro_usd` for endpoints with prices.

    Raises:
        OracleError: the Oracle cannot go on; the same command goes on from what is finished.
        StepError: a file is damaged.
    """
    log = BatchLog(context.folder / LOG_NAME, FinishedBatch)
    finished = {batch.number: batch for batch in log.load()}
    total = -(-_count_rows(context) // options.batch_size)
    if len(finished) < total:
        pending = (batch for batch in _plan_batches(options, context) if batch.number not in finished)
        written = answer_batches(options, context.base, pending)
        for batch in context.track(written, "label", total - len(finished)):
            log.append(batch)
            finished[batch.number] = batch
    _write_rows(options, context, finished)


def _plan_batches(options: LabelOptions, context: StepContext) -> Iterator[Batch]:
    examples = load_examples(options, context.base)
    rows = chain.from_iterable(load_prepared(context.inputs["prepare"] / name) for name in SPLIT_NAMES)
    number = 0
    while requests := tuple(_ask(row, examples) for row in islice(rows, options.batch_size)):
        yield Batch(number=number, seed=_derive_seed(context.seed, number), count=options.candidates, requests=requests)
        number += 1


def _ask(row: PreparedRow, examples: list[RecordedRow]) -> Request:
    return Request(build_oracle_prompt(row.event, examples), row.recorded)


def load_examples(options: LabelOptions, base: Path) -> list[RecordedRow]:
    """Load the worked examples of the prompt.

    Raises:
        StepError: there are fewer than the recipe asks for.
    """
    own = Path(str(resources.files("offline.oracle").joinpath("examples.jsonl")))
    path = own if options.examples_path is None else base / options.examples_path
    examples = list(islice(load_rows(path), options.examples)) if options.examples else []
    if len(examples) < options.examples:
        raise StepError(f"{path} has {len(examples)} examples, the recipe asks for {options.examples}")
    return examples


def _derive_seed(seed: int, number: int) -> int:
    """A seed of 31 bits for each batch, never 0: CTranslate2 takes that for `random`."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    return 1 + int.from_bytes(digest[:4]) % (2**31 - 1)


def _count_rows(context: StepContext) -> int:
    total = 0
    for name in SPLIT_NAMES:
        with (context.inputs["prepare"] / name).open("rb") as lines:
            total += sum(1 for _ in lines)
    return total


def _write_rows(options: LabelOptions, context: StepContext, finished: Mapping[int, FinishedBatch]) -> None:
    answers = (answer for number in sorted(finished) for answer in finished[number].answers)
    teacher = name_oracle(options.oracle)
    for name in SPLIT_NAMES:
        with (context.folder / name).open("wb") as file:
            for row in load_prepared(context.inputs["prepare"] / name):
                answer = next(answers)
                candidates = clean_candidates(answer.candidates)
                _count(options, context, answer, len(candidates))
                labelled = LabelledRow(kind=row.kind, event=row.event, candidates=candidates, oracle=teacher)
                file.write(labelled.model_dump_json().encode() + b"\n")


def _count(options: LabelOptions, context: StepContext, answer: Answer, kept: int) -> None:
    empty = sum(not clean_candidates([text]) for text in answer.candidates)
    counts = context.counts
    counts["prompts"] += 1
    counts["candidates"] += kept
    counts["empty_candidates"] += empty
    counts["repeated_candidates"] += len(answer.candidates) - empty - kept
    counts["rows_without_candidate"] += not kept
    counts["prompt_tokens"] += answer.prompt_tokens
    counts["completion_tokens"] += answer.completion_tokens
    if isinstance(options.oracle, OpenAIOptions):
        # Dollars for a million tokens are millionths of a dollar for one.
        cost = answer.prompt_tokens * options.oracle.usd_per_million_prompt_tokens
        cost += answer.completion_tokens * options.oracle.usd_per_million_completion_tokens
        counts["cost_micro_usd"] += round(cost)
