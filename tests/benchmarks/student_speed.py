"""How much faster is the student in int8 on CTranslate2 than the same weights in float32 on transformers?

One thread each, the same prompts in batches of 32, the same plain greedy decoding, taken in turns in one process:

    python -m tests.benchmarks.student_speed runs/default/convert runs/default/distill/best ROWS
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import ctranslate2
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSeq2SeqLM

from offline.recorded_rows import load_rows
from stream_app.core.prompt import build_prompt

BATCH = 32
ROUNDS = 5
MAX_TARGET_TOKENS = 80


def main() -> None:
    """Measure in turns and print the median rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("rows", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(options.artifact / "tokenizer.json"))
    rows = list(load_rows(options.rows))[: 4 * BATCH]
    prompts = [(prompt := build_prompt(row.event, 0)).render(prompt.plans[0]) for row in rows]
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(prompts)]
    batches = [sorted(encoded, key=len)[start : start + BATCH] for start in range(0, len(encoded), BATCH)]
    writers = {
        "CTranslate2 int8": _build_quantized(options.artifact, tokenizer),
        "transformers float32": _build_exact(options.weights),
    }
    rates: dict[str, list[float]] = {name: [] for name in writers}
    for _ in range(ROUNDS):
        for name, write in writers.items():
            started = time.perf_counter()
            for batch in batches:
                write(batch)
            rates[name].append(len(encoded) / (time.perf_counter() - started))
    for name, measured in rates.items():
        print(f"{name}: {median(measured):.1f} explanations/s (median of {ROUNDS} rounds of {len(encoded)})")
    print(f"ratio: {median(rates['CTranslate2 int8']) / median(rates['transformers float32']):.2f}")


def _build_quantized(folder: Path, tokenizer: Tokenizer) -> Callable[[Sequence[list[int]]], object]:
    translator = ctranslate2.Translator(str(folder), compute_type="int8", inter_threads=1, intra_threads=1)

    def write(batch: Sequence[list[int]]) -> object:
        tokens = [[tokenizer.id_to_token(index) for index in ids] for ids in batch]
        return translator.translate_batch(tokens, beam_size=1, max_decoding_length=MAX_TARGET_TOKENS)

    return write


def _build_exact(folder: Path) -> Callable[[Sequence[list[int]]], object]:
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    pad = model.config.pad_token_id

    def write(batch: Sequence[list[int]]) -> object:
        width = max(map(len, batch))
        ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch])
        with torch.inference_mode():
            return model.generate(
                input_ids=ids,
                attention_mask=(ids != pad).long(),
                num_beams=1,
                do_sample=False,
                max_new_tokens=MAX_TARGET_TOKENS,
            )

    return write


if __name__ == "__main__":
    main()
