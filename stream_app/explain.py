"""Explain JSON lines without Kafka: the same pipeline, lines in and lines out."""

import base64
from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO, Final

import orjson

from stream_app.core.events import DeadLetter, encode_contract
from stream_app.core.pipeline import Explained, ExplanationPipeline

BATCH_LINES: Final = 32


def explain_lines(pipeline: ExplanationPipeline, lines: Iterable[bytes], output: BinaryIO, letters: BinaryIO) -> None:
    """Explain events, one JSON document a line; outcomes keep the order of the input, blank lines are skipped.

    Args:
        pipeline: what explains.
        lines: the input, with or without line ends.
        output: receives one explanation a line, as on the output topic.
        letters: receives one line for each event that cannot be explained:
            `line` (from 1), `stage`, `error`, `message`, `raw_base64` (the line, byte for byte, without its end).
    """
    numbered = ((number, line.rstrip(b"\r\n")) for number, line in enumerate(lines, start=1))
    filled = ((number, line) for number, line in numbered if line.strip())
    while batch := list(islice(filled, BATCH_LINES)):
        outcomes = pipeline.explain([line for _, line in batch])
        for (number, line), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Explained):
                output.writelines(encode_contract(explanation) + b"\n" for explanation in outcome.explanations)
            else:
                letters.write(_encode_letter(number, line, outcome.letter))
        output.flush()
        letters.flush()


def _encode_letter(number: int, line: bytes, letter: DeadLetter) -> bytes:
    record = {"line": number, **letter.model_dump(), "raw_base64": base64.b64encode(line).decode("ascii")}
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
