"""A BART student whose weights start from a MiniLM sentence encoder (Rothe et al. 2020, arXiv 1907.12461).

A BERT encoder layer and a BART encoder layer have the same structure, so the encoder is copied as it is. The decoder's
layers are copies of some of MiniLM's layers, evenly spread, and its cross-attention starts as a copy of their
self-attention. From a random start a student of this size learns one sentence for every input (models/EXPERIMENTS.md).
"""

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BartConfig, BartForConditionalGeneration

from offline.tokenizer import BEGIN, END, PAD

POSITION_OFFSET: Final = 2  # BART keeps two unused rows in front of its position embeddings.
MAX_POSITIONS: Final = 512
_PROJECTIONS: Final = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
ENCODER_LAYERS: Final = 6


def build_student(
    encoder_path: Path, teacher_vocabulary: list[str], tokenizer: Tokenizer, decoder_layers: int
) -> BartForConditionalGeneration:
    """Build the student, 6 encoder layers and up to 6 decoder layers of width 384, from a MiniLM checkpoint.

    Args:
        encoder_path: `model.safetensors` of a 6-layer, 384-wide BERT encoder.
        teacher_vocabulary: that encoder's word pieces, in order of their ids.
        tokenizer: the student's tokenizer; pieces that the teacher lacks start as the mean of all embeddings.
        decoder_layers: how many of MiniLM's layers the decoder starts from.
    """
    weights = {name.removeprefix("bert."): tensor for name, tensor in load_file(encoder_path).items()}
    student = BartForConditionalGeneration(_build_config(tokenizer, decoder_layers))
    state = student.state_dict()
    _copy_embeddings(weights, teacher_vocabulary, tokenizer, state)
    for layer in range(ENCODER_LAYERS):
        _copy_layer(weights, layer, state, f"model.encoder.layers.{layer}")
    for layer, source in enumerate(choose_sources(decoder_layers)):
        _copy_layer(weights, source, state, f"model.decoder.layers.{layer}")
        _copy_layer(weights, source, state, f"model.decoder.layers.{layer}", cross_attention=True)
    student.load_state_dict(state)
    student.tie_weights()
    # Dropout in the encoder costs a fifth of the time of a step on a CPU; the decoder is where overfitting shows.
    student.model.encoder.dropout = 0.0
    for encoder_layer in student.model.encoder.layers:
        encoder_layer.dropout = 0.0
    return student


def choose_sources(decoder_layers: int) -> list[int]:
    """Choose the encoder layers that the decoder's layers start from, the last of them always."""
    return [round((layer + 1) * ENCODER_LAYERS / decoder_layers) - 1 for layer in range(decoder_layers)]


def _build_config(tokenizer: Tokenizer, decoder_layers: int) -> BartConfig:
    config = BartConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=384,
        encoder_layers=ENCODER_LAYERS,
        decoder_layers=decoder_layers,
        encoder_attention_heads=12,
        decoder_attention_heads=12,
        encoder_ffn_dim=1536,
        decoder_ffn_dim=1536,
        max_position_embeddings=MAX_POSITIONS,
        activation_function="gelu",
        dropout=0.1,
        attention_dropout=0.0,
        scale_embedding=False,
        pad_token_id=tokenizer.token_to_id(PAD),
        bos_token_id=tokenizer.token_to_id(BEGIN),
        eos_token_id=tokenizer.token_to_id(END),
        decoder_start_token_id=tokenizer.token_to_id(BEGIN),
        forced_eos_token_id=None,
        # SDPA's backward pass on a CPU costs as much as the rest of the step.
        attn_implementation="eager",  # type: ignore[call-arg]  # a keyword that BartConfig hands on to its base
    )
    # CTranslate2's converter reads these two; a config made from scratch lacks them.
    config.normalize_before = False
    config.normalize_embedding = True
    return config


def _copy_embeddings(
    weights: dict[str, torch.Tensor],
    teacher_vocabulary: list[str],
    tokenizer: Tokenizer,
    state: dict[str, torch.Tensor],
) -> None:
    words = weights["embeddings.word_embeddings.weight"]
    teacher_ids = {piece: index for index, piece in enumerate(teacher_vocabulary)}
    embeddings = words.mean(0).repeat(tokenizer.get_vocab_size(), 1)
    embeddings += 0.02 * torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(0))
    for piece, index in tokenizer.get_vocab().items():
        if piece in teacher_ids:
            embeddings[index] = words[teacher_ids[piece]]
    for name in ("model.shared", "model.encoder.embed_tokens", "model.decoder.embed_tokens"):
        state[f"{name}.weight"] = embeddings
    state["lm_head.weight"] = embeddings
    # BERT adds the embedding of token type 0 to every position; BART has no token types.
    positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    for side in ("encoder", "decoder"):
        state[f"model.{side}.embed_positions.weight"][POSITION_OFFSET:] = positions[:MAX_POSITIONS]
        for part in ("weight", "bias"):
            state[f"model.{side}.layernorm_embedding.{part}"] = weights[f"embeddings.LayerNorm.{part}"]


def _copy_layer(
    weights: dict[str, torch.Tensor],
    source: int,
    state: dict[str, torch.Tensor],
    target: str,
    *,
    cross_attention: bool = False,
) -> None:
    for bart_name, bert_name in _PROJECTIONS.items():
        if cross_attention and not bart_name.startswith("self_attn"):
            continue
        name = bart_name.replace("self_attn", "encoder_attn") if cross_attention else bart_name
        for part in ("weight", "bias"):
            state[f"{target}.{name}.{part}"] = weights[f"encoder.layer.{source}.{bert_name}.{part}"]
