"""The student's tokenizer: MiniLM's word pieces, cut to what the training text uses, plus the prompt's own tokens."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from stream_app.core.prompt import PROMPT_TOKENS

PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL_TOKENS: Final = (PAD, UNKNOWN, BEGIN, END)


def build_tokenizer(vocabulary_path: Path, texts: Iterable[str], size: int) -> Tokenizer:
    """Build the tokenizer.

    Args:
        vocabulary_path: the teacher encoder's `vocab.txt`, one piece a line, frequent pieces first.
        texts: all training text, sources and targets; every piece that it uses is kept.
        size: the number of entries aimed at; filled up with the teacher's most frequent pieces.

    Returns:
        A tokenizer that lower-cases, and frames a text with [CLS] and [SEP].
    """
    pieces = vocabulary_path.read_text(encoding="utf-8").splitlines()
    full = _assemble({piece: index for index, piece in enumerate(pieces)})
    used = {piece for encoding in full.encode_batch(list(texts)) for piece in encoding.tokens}
    # Single characters keep every text readable: an unseen word falls apart into letters, never into [UNK].
    kept = [p for p in pieces if p in used or len(p.removeprefix("##")) == 1]
    rare = [p for p in pieces if p not in used and len(p.removeprefix("##")) > 1 and not p.startswith("[")]
    kept += rare[: max(0, size - len(kept))]
    words = [piece for piece in dict.fromkeys(kept) if piece not in (*SPECIAL_TOKENS, *PROMPT_TOKENS)]
    entries = [*SPECIAL_TOKENS, *PROMPT_TOKENS, *words]
    return _assemble({piece: index for index, piece in enumerate(entries)})


def find_id(tokenizer: Tokenizer, token: str) -> int:
    """Find the id of a token that the vocabulary is known to have.

    Raises:
        KeyError: it has no such token.
    """
    return tokenizer.get_vocab()[token]


def _assemble(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=64))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in (*SPECIAL_TOKENS, *PROMPT_TOKENS)])
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (BEGIN, END)],
    )
    return tokenizer
