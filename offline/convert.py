"""From a trained student to CTranslate2 int8."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from ctranslate2.converters import TransformersConverter
from transformers import BartForConditionalGeneration, PreTrainedTokenizerFast

from offline.tokenizer import BEGIN, END, PAD, UNKNOWN

CONVERTED_FILES: Final = ("model.bin", "config.json", "shared_vocabulary.json")


def convert_student(student: BartForConditionalGeneration, tokenizer_path: Path, folder: Path) -> None:
    """Quantize to int8 and write what the worker loads: the converted model and its tokenizer.

    Args:
        student: the trained model.
        tokenizer_path: its `tokenizer.json`.
        folder: where to write; made if missing, earlier files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        source, converted = Path(scratch, "student"), Path(scratch, "converted")
        student.save_pretrained(source)
        # The converter reads the vocabulary through transformers' wrapper.
        PreTrainedTokenizerFast(
            tokenizer_file=str(tokenizer_path),
            bos_token=BEGIN,
            eos_token=END,
            pad_token=PAD,
            unk_token=UNKNOWN,
            cls_token=BEGIN,
            sep_token=END,
        ).save_pretrained(source)
        TransformersConverter(str(source)).convert(str(converted), quantization="int8")
        for name in CONVERTED_FILES:
            shutil.copyfile(converted / name, folder / name)
    shutil.copyfile(tokenizer_path, folder / "tokenizer.json")
