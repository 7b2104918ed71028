"""The judge on a small random model that is made here, so that nothing is downloaded."""

from pathlib import Path

import numpy as np
import pytest

from offline.evaluation.judge import CausalJudge, render_judge_prompt
from tests.offline.evaluation.measuring import build_row

pytestmark = pytest.mark.slow
WORDS = ["[PAD]", "[UNK]", *"explanation : two hard days of pottery may suit you well".split()]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> CausalJudge:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("judge")
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(WORDS), n_positions=64, n_embd=16, n_layer=1, n_head=2, bos_token_id=None)
    GPT2LMHeadModel(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return CausalJudge(folder)


def test_the_score_is_the_mean_log_probability_of_the_texts_tokens_alone(judge: CausalJudge, tmp_path: Path) -> None:
    import torch

    tokenizer, model = judge._loaded
    tokens = torch.tensor([tokenizer.encode("explanation : two hard days", add_special_tokens=False)])
    with torch.inference_mode():
        chances = model(tokens).logits.log_softmax(-1)[0]
    expected = np.mean([float(chances[place - 1, tokens[0, place]]) for place in (2, 3, 4)])
    assert judge.score(["explanation :"], ["two hard days"])[0] == pytest.approx(expected, abs=1e-5)


def test_a_text_scores_the_same_whatever_shares_its_batch(judge: CausalJudge) -> None:
    texts = ["two days", "two hard days of pottery may suit you well", "well"]
    together = judge.score(["explanation :"] * 3, texts)
    alone = [judge.score(["explanation :"], [text])[0] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)


def test_an_empty_text_has_no_score(judge: CausalJudge) -> None:
    scores = judge.score(["explanation :"] * 2, ["", "two days"])
    assert np.isnan(scores[0])
    assert scores[1] < 0


def test_the_prompt_has_the_instruction_the_facts_and_ends_before_the_text() -> None:
    prompt = render_judge_prompt(build_row(0).event)
    assert "Item: Weekend 0; topic: pottery; level: hard" in prompt
    assert "History, loved (5 of 5): Evening Pottery" in prompt
    assert prompt.endswith("\nExplanation:")
