"""A vocabulary map for CTranslate2: which tokens the student may write for a prompt, so that the others cost nothing.

A student with a vocabulary of tens of thousands of tokens spends a large part of each decoding step on scoring tokens
that no explanation ever uses. Candidates are here the tokens of the training targets, whatever the prompt, and the
tokens of the prompt itself: names are slots, and what else is copied stands in the prompt.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer

from stream_app.core.slots import SLOT_TOKENS


def write_vocabulary_map(path: Path, tokenizer: Tokenizer, targets: Iterable[str], min_targets: int = 1) -> int:
    """Write the map of a student.

    Args:
        path: the file to write.
        tokenizer: the student's.
        targets: slotted texts that it was trained on.
        min_targets: in how many of them a token must stand to be a candidate for every prompt.

    Returns:
        How many tokens are candidates for every prompt.
    """
    counts = Counter(token for encoding in tokenizer.encode_batch(list(targets)) for token in set(encoding.tokens))
    common = {token for token, count in counts.items() if count >= min_targets} | set(SLOT_TOKENS)
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    # One line a rule: tokens of the source, a tab, candidates. Without tokens of the source it holds for every prompt.
    always = "\t" + " ".join(sorted(common & vocabulary.keys(), key=vocabulary.__getitem__))
    copied = [f"{token}\t{token}" for token in sorted(vocabulary.keys() - common, key=vocabulary.__getitem__)]
    path.write_text("\n".join((always, *copied)) + "\n", encoding="utf-8")
    return len(common & vocabulary.keys())
