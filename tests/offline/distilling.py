"""A student of a few thousand weights, rows to teach it with, and the distill step in this process or another one."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import orjson
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast

from offline.distill_step import DistillOptions, distill_student
from offline.steps import StepContext
from offline.tokenizer import BEGIN, END, PAD, SPECIAL_TOKENS, build_tokenizer
from offline.trainer import DistillationTrainer
from tests.offline.selected_rows import build_row, write_rows

WORDS: Final = (
    "you loved like is a the and by to if which , . ' item genre director ada lund watch tonight another film of hers"
)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
TRAINING: Final[dict[str, Any]] = {
    "epochs": 2,
    "batch_size": 4,
    "warmup_steps": 1,
    "evaluations": 4,
    "stop_by": "loss",
    "precision": "fp32",
}
"""Stops by the loss, which goes down from the first step; a student of this size writes nothing to be measured."""


def write_selected(root: Path) -> Path:
    """Write ten rows to learn from and four to measure on into `root/select`."""
    write_rows(root / "select" / "train.jsonl", range(10))
    write_rows(root / "select" / "dev.jsonl", range(10, 14))
    return root


def build_word_pieces(folder: Path) -> Tokenizer:
    """Build the student's kind of tokenizer from a vocabulary of some words and all letters."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces = [*SPECIAL_TOKENS, *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS.split()]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    return build_tokenizer(folder / "vocab.txt", [WORDS], len(pieces))


def build_byte_pairs() -> Tokenizer:
    """Build a tokenizer as BART's is: byte pairs, a word begins with its space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([row["explanation"] for row in map(build_row, range(14))], trainer)
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def build_bart(tokenizer: Tokenizer, begin: str, pad: str, end: str) -> BartForConditionalGeneration:
    """Build a BART with random weights, the same ones at each call."""
    ids = {"bos_token_id": begin, "pad_token_id": pad, "eos_token_id": end, "decoder_start_token_id": end}
    named: dict[str, Any] = {name: tokenizer.token_to_id(token) for name, token in ids.items()}
    torch.manual_seed(0)
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=tokenizer.get_vocab_size(),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=512,
            forced_eos_token_id=None,
            **named,
        )
    )


def save_word_piece_start(folder: Path) -> Path:
    """Save a student as the distill step leaves one: `best/`, and the tokenizer beside it; returns `best/`."""
    tokenizer = build_word_pieces(folder)
    build_bart(tokenizer, BEGIN, PAD, END).save_pretrained(folder / "best")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "best"


def save_byte_pair_start(folder: Path) -> Path:
    """Save a pretrained model as the hub has it: weights and tokenizer in one folder."""
    tokenizer = build_byte_pairs()
    build_bart(tokenizer, "<s>", "<pad>", "</s>").save_pretrained(folder)
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder)
    return folder


def run_distill(root: Path, name: str, **options: Any) -> StepContext:
    """Run the step on `root/select` into `root/NAME`; paths in the options are relative to `root`."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    context = StepContext(folder=folder, inputs={"select": root / "select"}, seed=1, base=root)
    distill_student(DistillOptions.model_validate({"training": TRAINING} | options), context)
    return context


def _die_in_checkpoint(number: int) -> None:
    """Kill this process while it writes its checkpoint of that number: the weights are there, the rest is not."""
    trainer = DistillationTrainer
    save = trainer._save_optimizer_and_scheduler
    seen = []

    def save_or_die(self: Any, folder: str) -> None:
        seen.append(folder)
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, folder)

    setattr(trainer, "_save_optimizer_and_scheduler", save_or_die)  # noqa: B010  # Mypy knows it by other names.


if __name__ == "__main__":
    _die_in_checkpoint(int(sys.argv[4]))
    run_distill(Path(sys.argv[1]), sys.argv[2], **orjson.loads(sys.argv[3]))
