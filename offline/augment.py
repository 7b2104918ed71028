"""Vary training pairs so that the student copies facts from its input instead of remembering them.

The same change is made to source and target: if 'thriller' becomes 'comedy' in the event, it does so in the text. A
pair is left alone where the target speaks of a genre in words that cannot be exchanged ('funny', 'romantic').
"""

import random
import re
from typing import Final

from offline.recorded_rows import TrainingPair
from stream_app.core.slots import Liking

_COUNTABLE: Final = ("drama", "comedy", "thriller", "western", "mystery", "documentary", "musical")
_UNCOUNTABLE: Final = ("crime", "action", "adventure", "fantasy", "horror", "war", "science fiction")
_PLURALS: Final = {"comedy": "comedies", "mystery": "mysteries", "documentary": "documentaries"}
_CUES: Final = re.compile(
    r"\b(?:romantic|comic|comedic|dramatic|fun|funny|funnier|laugh|laughs|laughed|laughter|humou?r|humorous|thrills|"
    r"thrilling|fantastic|magic|magical|adventurous|criminal|criminals|animated|scary|scares|fright|frightening|fear|"
    r"space|battle|battles|soldiers?|songs?|music|sing|sings|cowboys?|detectives?|serious|light|lighter|tense|tension|"
    r"suspense|western|mysterious|real|true|dark|darker|police|heist|monsters?|future|futuristic|noir)\b"
)
GENRE_SHARE: Final = 0.4
UNRATED_SHARE: Final = 0.3
HIDDEN_TITLE_SHARE: Final = 0.1


def augment_pair(pair: TrainingPair, rng: random.Random) -> TrainingPair:
    """Return a variant of the pair, or the pair itself; deterministic for the state of `rng`."""
    source, target = pair.source, pair.target
    if pair.kind.startswith("film") and rng.random() < GENRE_SHARE:
        source, target = _exchange_genres(source, target, rng)
    if rng.random() < UNRATED_SHARE:
        source = _forget_dislike(source, target)
    if rng.random() < HIDDEN_TITLE_SHARE:
        source = _hide_titles(source)
    return TrainingPair(pair.kind, source, target)


def _exchange_genres(source: str, target: str, rng: random.Random) -> tuple[str, str]:
    if _CUES.search(target):
        return source, target
    exchange: dict[str, str] = {}
    for group in (_COUNTABLE, _UNCOUNTABLE):
        exchange.update(zip(group, rng.sample(group, len(group)), strict=True))
    exchange |= {_plural(word): _plural(other) for word, other in exchange.items() if word in _COUNTABLE}
    pattern = re.compile(rf"\b({'|'.join(sorted(exchange, key=len, reverse=True))})\b", re.IGNORECASE)

    def replace(match: re.Match[str]) -> str:
        return exchange[match[1].lower()]

    facts = re.sub(r"; genre [^;<]*(?:<same> [^;<]*)*", lambda m: pattern.sub(replace, m[0]), source)
    return facts, _mend_articles(pattern.sub(replace, target))


def _plural(word: str) -> str:
    return _PLURALS.get(word, f"{word}s")


def _mend_articles(text: str) -> str:
    words = "|".join((*_COUNTABLE, *_UNCOUNTABLE))
    return re.sub(rf"\b([Aa])n? ({words})\b", lambda m: f"{m[1]}{'n' if m[2][0] in 'aeiou' else ''} {m[2]}", text)


def _forget_dislike(source: str, target: str) -> str:
    """Show an item that the target does not use as unrated, so that the student meets unrated items at all."""
    match = re.search(rf"{Liking.OTHER} (<h\d>)", source)
    if match is None or match[1] in target:
        return source
    return source.replace(f"{Liking.OTHER} {match[1]}", f"{Liking.UNRATED} {match[1]}")


def _hide_titles(source: str) -> str:
    return re.sub(r"(<h\d>) [^;<]+", r"\1 ", source)
