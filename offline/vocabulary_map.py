"""A vocabulary map for CTranslate2: which tokens the student may write, so that scoring the others costs nothing.

A student with a vocabulary of tens of thousands of tokens, such as BART-Base, spends a large part of each decoding
step on tokens that no explanation uses. Names are slots: it needs little beside the tokens of the training targets.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer

from stream_app.core.generation import DOUBT_TOKEN
from stream_app.core.slots import SLOT_TOKENS


def write_vocabulary_map(path: Path, tokenizer: Tokenizer, targets: Iterable[str], min_targets: int = 1) -> int:
    """Write the map of a student.

    The candidates are the same for every prompt, although the format knows rules by tokens of the prompt: CTranslate2
    4.8 keeps the numbers of an earlier call's candidates (`Decoder::update_output_layer` adds to `_to_output_word_id`
    and never empties it), and writes nonsense as soon as they change.

    Args:
        path: the file to write.
        tokenizer: the student's.
        targets: slotted texts that it was trained on.
        min_targets: in how many of them a token must stand; slots and the token of doubt may always be written.

    Returns:
        How many tokens may be written.
    """
    counts = Counter(token for encoding in tokenizer.encode_batch(list(targets)) for token in set(encoding.tokens))
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    common = {token for token, count in counts.items() if count >= min_targets} | {*SLOT_TOKENS, DOUBT_TOKEN}
    common &= vocabulary.keys()
    # A line is: tokens of the prompt, a tab, candidates. Without tokens of the prompt it holds for every prompt.
    path.write_text("\t" + " ".join(sorted(common, key=vocabulary.__getitem__)) + "\n", encoding="utf-8")
    return len(common)
