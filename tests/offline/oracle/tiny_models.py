"""Random models of a few thousand weights with a tokenizer of whole words, in the files that real ones have."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

CHAT_FORM = "{% for m in messages %}<{{ m.role }}> {{ m.content }} {% endfor %}<assistant>"
_SPECIAL = ("<pad>", "</s>", "<unk>", "<user>", "<assistant>")
_WORDS = (*_SPECIAL, *"you film is a the an and of with for by drama comedy crime liked loved year harbour".split())


def save_tokenizer(folder: Path, *, chat: bool = False) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(_WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if not chat:
        tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    # CTranslate2 reads all of these names from a converted folder.
    names = {"pad_token": "<pad>", "bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]
    if chat:
        wrapped.chat_template = CHAT_FORM
    wrapped.save_pretrained(folder)


def save_seq2seq(folder: Path) -> Path:
    """Save a T5, as FLAN-T5 is one."""
    sizes: dict[str, Any] = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    tokens: dict[str, Any] = {"decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}
    config = T5Config(vocab_size=len(_WORDS), **tokens, **sizes)
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_causal(folder: Path) -> Path:
    """Save a Llama with a chat form."""
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=len(_WORDS), pad_token_id=0, bos_token_id=1, eos_token_id=1, **sizes, **heads)
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    save_tokenizer(folder, chat=True)
    return folder
