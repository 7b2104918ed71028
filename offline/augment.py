"""Vary training pairs so that the student copies facts from its input instead of remembering them.

A text with slots serves many events with the same pattern of facts. So the same change is made to source and target:
if 'thriller' becomes 'comedy' in the event, it does so in the text. A pair is left alone where the target speaks of a
value in words that cannot be exchanged ('funny', 'romantic').
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
_UNUSED: Final = re.compile(r" ; [^;]+?(?= ; |$)")
_COMPARISON: Final = re.compile(r"\b(?:like|as in|behind|after|beside|than|of|follows?|in) <h\d>")
_LIKING_CLAIM: Final = re.compile(
    r"\b(?:you(?:r|rs)?|lov\w+|lik(?:ed|ing)|enjoy\w*|rat(?:ed|ing)\w*|favou?rit\w*|top|high\w*|stars?|pleas\w+|appeal\w*)\b",
    re.IGNORECASE,
)
GENRE_SHARE: Final = 0.25
VALUE_SHARE: Final = 0.15
UNUSED_FIELD_SHARE: Final = 0.12
UNRATED_SHARE: Final = 0.5
HIDDEN_TITLE_SHARE: Final = 0.1

Values = Mapping[tuple[str, str], Sequence[str]]
"""Plain values (no names, no numbers) that an attribute of a kind of item has somewhere, by kind and attribute."""


def collect_values(pairs: Iterable[TrainingPair]) -> Values:
    """Collect what attributes may be exchanged with: lower-case values without digits of non-film kinds."""
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for pair in pairs:
        if pair.kind.startswith("film"):
            continue
        for name, value in _list_plain_values(pair.source):
            found[pair.kind, name][value] = None
    return {key: tuple(values) for key, values in found.items()}


def augment_pair(pair: TrainingPair, rng: random.Random, values: Values) -> TrainingPair:
    """Return a variant of the pair, or the pair itself; deterministic for the state of `rng`."""
    source, target = pair.source, pair.target
    if pair.kind.startswith("film"):
        if rng.random() < GENRE_SHARE:
            source, target = _exchange_genres(source, target, rng)
    elif rng.random() < VALUE_SHARE:
        source, target = _exchange_value(pair.kind, source, target, values, rng)
    source = _drop_unused_fields(source, target, rng)
    if rng.random() < UNRATED_SHARE and _COMPARISON.search(target) and not _LIKING_CLAIM.search(target):
        source = re.sub(f"{Liking.LOVED}|{Liking.LIKED}", Liking.UNRATED, source)
    if rng.random() < HIDDEN_TITLE_SHARE:
        source = _hide_titles(source)
    # A rejected text would have to change alike; it is not worth the rules.
    rejected = pair.rejected if target == pair.target else None
    return TrainingPair(pair.kind, source, target, rejected)


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
    return facts, _mend_articles(pattern.sub(replace, target), exchange.values())


def _plural(word: str) -> str:
    return _PLURALS.get(word, f"{word}s")


def _exchange_value(kind: str, source: str, target: str, values: Values, rng: random.Random) -> tuple[str, str]:
    """Exchange one attribute's value that the target repeats for another that this attribute has elsewhere."""
    used = [(name, value) for name, value in _list_plain_values(source) if _find_word(value, target)]
    if not used:
        return source, target
    name, value = rng.choice(used)
    others = [other for other in values.get((kind, name), ()) if not _find_word(other, source)]
    # A value that shows through in another form ('baking' in 'bakes') would stay behind in the text.
    stem = value.split()[0][:4].lower()
    if not others or sum(word.lower().startswith(stem) for word in target.split()) > 1:
        return source, target
    other = rng.choice(others)
    pattern = re.compile(rf"\b{re.escape(value)}\b", re.IGNORECASE)
    return pattern.sub(other, source), _mend_articles(pattern.sub(other, target), [other])


def _list_plain_values(source: str) -> list[tuple[str, str]]:
    """List (attribute, value) of a source's fields, slots and numbers left out."""
    fields = source.split(" <about>")[0].split(" <pref>")[0]
    listed: list[tuple[str, str]] = []
    for field in re.split(r" ; ", fields)[1:]:
        words = re.sub(r" <(?:love|like|seen|meh)> .*", "", field).replace("<same> ", "")
        # The name of an attribute is taken to be one word: 'playing time 30 minutes' is then no plain value, and stays.
        name, _, shown = words.partition(" ")
        listed += [(name, value) for value in shown.split(" , ") if _is_plain(value)]
    return listed


def _is_plain(value: str) -> bool:
    return bool(re.fullmatch(r"[a-z][a-z' -]{2,}", value))


def _find_word(value: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(value)}\b", text, re.IGNORECASE) is not None


def _mend_articles(text: str, words: Iterable[str]) -> str:
    pattern = "|".join(re.escape(word) for word in sorted(words))
    return re.sub(rf"\b([Aa])n? ({pattern})\b", lambda m: f"{m[1]}{'n' if m[2][0] in 'aeiou' else ''} {m[2]}", text)


def _drop_unused_fields(source: str, target: str, rng: random.Random) -> str:
    """Now and then drop an attribute that the target does not use: the next catalogue may not have it."""
    words = set(re.findall(r"\w{4,}|<\w+>", target.lower()))

    def drop(match: re.Match[str]) -> str:
        is_used = words & set(re.findall(r"\w{4,}|<\w+>", match[0].lower()))
        return match[0] if is_used or rng.random() >= UNUSED_FIELD_SHARE else ""

    item, mark, rest = source.partition(" <about>")
    if not mark:
        return source
    return _UNUSED.sub(drop, item) + mark + rest


def _hide_titles(source: str) -> str:
    return re.sub(r"(<h\d>) [^;<]+", r"\1 ", source)
