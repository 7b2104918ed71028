from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from offline.selection.language_model import LanguageModel
from offline.selection.options import LanguageModelOptions
from tests.offline.oracle.tiny_models import save_causal


def test_the_measure_is_the_mean_over_a_texts_own_tokens_whatever_stands_beside_it(tmp_path: Path) -> None:
    save_causal(tmp_path / "model")
    model = LanguageModel(LanguageModelOptions(model="model", device="cpu", dtype="float32"), tmp_path)
    short, long = "you liked the film", "the year of a crime drama is a comedy for you"
    together = model.measure([short, long])
    assert together == pytest.approx([*model.measure([short]), *model.measure([long])], abs=1e-4)

    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    reference = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(short)["input_ids"]]])
    with torch.inference_mode():
        loss = reference(input_ids=ids, labels=ids).loss
    assert together[0] == pytest.approx(-float(loss), abs=1e-4)
