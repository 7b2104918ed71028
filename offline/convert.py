"""The step `convert`: from a trained student to CTranslate2 int8, and how far int8 is from float32."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from ctranslate2 import Translator
from ctranslate2.converters import TransformersConverter
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel, PreTrainedTokenizerFast

from offline.facts import write_json
from offline.joint_metric import JointMetric, compute_joint_metric
from offline.manifest import draft_manifest
from offline.recorded_rows import RecordedRow, build_pairs, load_rows
from offline.steps import StepContext
from offline.tokenizer import find_id
from offline.vocabulary_map import write_vocabulary_map
from stream_app.core.generation import DOUBT_TOKEN
from stream_app.core.prompt import build_prompt
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import VOCABULARY_MAP_NAME, CTranslate2Generator

CONVERTED_FILES: Final = ("model.bin", "config.json", "shared_vocabulary.json")
ARTIFACT_FILES: Final = (*CONVERTED_FILES, "tokenizer.json")


class ConvertOptions(BaseModel):
    """The recipe's `[convert]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agreement_rows: int = Field(default=200, ge=1)
    """Dev rows that both precisions write for; fewer if there are fewer."""
    sure_share: float = Field(default=0.35, gt=0, le=1)
    """Share of first drafts on those rows that shall count as sure; of the others the worker writes further ones and
    takes the likeliest. Readers found faults in a fifth of the likeliest seventh of an early student's texts, and in
    four fifths of the least likely seventh."""
    doubted_share: float | None = Field(default=None, gt=0, lt=1)
    """Share of first drafts on those rows that the student shall doubt; for students that `refine` taught to. By itself
    it doubts fewer than readers do, for in training most texts are good. None leaves it so."""
    vocabulary_map: int | None = Field(default=None, ge=1)
    """Only tokens of at least so many training targets may be written: faster for a large vocabulary, but a word of the
    prompt that no training text used can no longer be taken over. None: every token may be written."""


class Agreement(BaseModel):
    """`agreement.json`: the same weights in int8 and in float32, on the same prompts, with the same decoding.

    Where the artifact has a vocabulary map, float32 is without: what the map changes counts as difference too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    exact_match: float
    """Share of texts that are the same, word for word."""
    passes_gate_int8: float
    passes_gate_float32: float
    rouge_l_int8: float
    """To the Oracle's texts; between 0 and 1."""
    rouge_l_float32: float
    bytes_int8: int
    bytes_float32: int
    sure_from: float
    """Mean log-probability of a draft's tokens from which it counts as sure."""
    doubt_bias: float | None = None
    """What was added to the logit of the token of doubt, so that the wished share is doubted."""


def convert(options: ConvertOptions, context: StepContext) -> None:
    """Write the int8 artifact into the step's folder, and `agreement.json`."""
    run = context.inputs.get("refine", context.inputs["distill"])
    student = AutoModelForSeq2SeqLM.from_pretrained(run / "best")
    rows = list(load_rows(context.inputs["select"] / "dev.jsonl"))[: options.agreement_rows]
    prompts = [(prompt := build_prompt(row.event, 0)).render(prompt.plans[0]) for row in rows]
    bias = None if options.doubted_share is None else add_doubt(student, run, prompts, options.doubted_share)
    convert_student(student, run / "tokenizer.json", context.folder)
    files = list(ARTIFACT_FILES)
    if options.vocabulary_map is not None:
        pairs, _ = build_pairs(load_rows(context.inputs["select"] / "train.jsonl"))
        context.counts["tokens_that_may_be_written"] = write_vocabulary_map(
            context.folder / VOCABULARY_MAP_NAME,
            Tokenizer.from_file(str(run / "tokenizer.json")),
            (pair.target for pair in pairs),
            options.vocabulary_map,
        )
        files.append(VOCABULARY_MAP_NAME)
    draft_manifest(context.folder, files)
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch)
        convert_student(student, run / "tokenizer.json", exact, quantization="float32")
        draft_manifest(exact, ARTIFACT_FILES)
        agreement = measure_agreement(context.folder, exact, rows, prompts, options.sure_share)
    draft_manifest(context.folder, files, sure_from=agreement.sure_from)
    agreement = agreement.model_copy(update={"doubt_bias": bias})
    write_json(context.folder / "agreement.json", agreement.model_dump(mode="json"))
    context.counts["rows_compared"] = agreement.rows


def add_doubt(student: Any, run: Path, prompts: Sequence[str], share: float) -> float:
    """Make a student doubt a share of its texts, those that it doubts most: add a bias to the token's logit.

    Args:
        student: the trained model, changed in place.
        run: the folder with its `tokenizer.json`.
        prompts: what to write for.
        share: of the texts, between 0 and 1.

    Returns:
        What was added.
    """
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        convert_student(student, run / "tokenizer.json", folder, quantization="float32")
        draft_manifest(folder, ARTIFACT_FILES)
        drafts = CTranslate2Generator(load_artifact(scratch), os.cpu_count() or 1).generate(prompts)
        translator = Translator(scratch, compute_type="float32")
        sources = [encoding.tokens for encoding in tokenizer.encode_batch(list(prompts))]
        texts = [tokenizer.encode(draft.text).tokens[1:-1] for draft in drafts]
        ended = translator.score_batch(sources, texts)
        doubted = translator.score_batch(sources, [[*text, DOUBT_TOKEN] for text in texts])
    # The last score is that of the end; before it stands that of the doubt.
    odds = [end.log_probs[-1] - doubt.log_probs[-2] for end, doubt in zip(ended, doubted, strict=True)]
    bias = _find_quantile(odds, share)
    student.final_logits_bias[0, find_id(tokenizer, DOUBT_TOKEN)] += bias
    return bias


def convert_student(
    student: PreTrainedModel, tokenizer_path: Path, folder: Path, *, quantization: str = "int8"
) -> None:
    """Convert weights and write what the worker loads: the converted model and its tokenizer.

    Args:
        student: the trained model.
        tokenizer_path: its `tokenizer.json`.
        folder: where to write; made if missing, earlier files of the same names are replaced.
        quantization: a type of CTranslate2.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _mend_config(student)
    with tempfile.TemporaryDirectory() as scratch:
        source, converted = Path(scratch, "student"), Path(scratch, "converted")
        student.save_pretrained(source)
        # The converter reads the vocabulary through transformers' wrapper.
        PreTrainedTokenizerFast(
            tokenizer_file=str(tokenizer_path), **_name_special_tokens(student, tokenizer_path)
        ).save_pretrained(source)
        TransformersConverter(str(source)).convert(str(converted), quantization=quantization)
        for name in CONVERTED_FILES:
            shutil.copyfile(converted / name, folder / name)
    shutil.copyfile(tokenizer_path, folder / "tokenizer.json")


def _mend_config(student: PreTrainedModel) -> None:
    """Say what the converter asks for and some configurations of BART leave out."""
    for name, value in (("normalize_before", False), ("normalize_embedding", True)):
        if not hasattr(student.config, name):
            setattr(student.config, name, value)


def _name_special_tokens(student: PreTrainedModel, tokenizer_path: Path) -> dict[str, str]:
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    config = student.config
    ids = {"bos_token": config.bos_token_id, "eos_token": config.eos_token_id, "pad_token": config.pad_token_id}
    names = {name: str(tokenizer.id_to_token(index)) for name, index in ids.items() if index is not None}
    unknown = next((token for token in ("[UNK]", "<unk>") if tokenizer.token_to_id(token) is not None), None)
    return {**names, "unk_token": unknown or names["eos_token"]}


def measure_agreement(
    quantized: Path, exact: Path, rows: Sequence[RecordedRow], prompts: Sequence[str], sure_share: float
) -> Agreement:
    """Write for every row with both, compare, and find from which log-probability on a text is sure."""
    threads = os.cpu_count() or 1
    drafts = CTranslate2Generator(load_artifact(str(quantized)), threads).generate(prompts)
    int8 = [draft.text for draft in drafts]
    floating = CTranslate2Generator(load_artifact(str(exact)), threads, compute_type="float32")
    float32 = [draft.text for draft in floating.generate(prompts)]
    figures: list[JointMetric] = [compute_joint_metric(rows, texts) for texts in (int8, float32)]
    return Agreement(
        rows=len(rows),
        exact_match=round(fmean(one == other for one, other in zip(int8, float32, strict=True)), 4),
        passes_gate_int8=round(figures[0].passes_gate, 4),
        passes_gate_float32=round(figures[1].passes_gate, 4),
        rouge_l_int8=round(figures[0].rouge_l, 4),
        rouge_l_float32=round(figures[1].rouge_l, 4),
        bytes_int8=(quantized / "model.bin").stat().st_size,
        bytes_float32=(exact / "model.bin").stat().st_size,
        sure_from=min(_find_quantile([draft.log_probability for draft in drafts], 1 - sure_share), 0.0),
    )


def _find_quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 4)
