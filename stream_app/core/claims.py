"""Names, numbers and genres that a text claims and the event does not have; taste that nothing is known of."""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.facts import contains_whole, fold_case
from stream_app.core.lexicon import is_common
from stream_app.core.outline import Outline, list_genres

_WORD: Final = re.compile(r"[^\W_]+(?:['’.&/-][^\W_]+)*\.?")
_SENTENCE_START: Final = re.compile(r"(?:\A|[.!?:]['\"’)]*\s)\W*\Z")
_FIRST_PERSON: Final = frozenset(("I", "I'd", "I'll", "I've", "I'm"))
_DIGITS: Final = re.compile(r"['’]?(\d+(?:[.,]\d+)*)(s\b)?")
_NUMBER_WORDS: Final = {
    word: str(number)
    for number, word in enumerate(
        "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
        "nineteen twenty".split(),
        start=3,
    )
}
_SPELLED: Final = re.compile(
    rf"(?<!\ball )\b({'|'.join(_NUMBER_WORDS)})\b(?![ -](?:stars?|marks?|things|reasons|genres)\b)", re.IGNORECASE
)
_DERIVING_SUFFIXES: Final = ("s", "n", "an", "ian", "ese", "ish", "i")
_MIN_STEM: Final = 4
_COUNTED_NUMBER: Final = 6
_NEGATED: Final = re.compile(
    r"(?:\b(?:no|not|without|never|less|instead|rather|unlike|nothing|neither|nor|than|away|far|hardly|little|any|beyond"
    r"|lacks?|free|leaves?|drops|missing)\b|n't)(?: \S+){0,4} \Z"
)
_TASTE: Final = re.compile(
    r"\byou(?: (?:also|really|clearly|so|often|usually|tend to|have|both|always|already))*"
    r" (?:like|love|enjoy|prefer|favou?r|liked|loved|enjoyed|adored?|rated highly)\b"
    r"|\byour (?:\S+ )?(?:favou?rites?|liking|love|taste|tastes|fondness|preference|five stars)\b"
)
_NO_CLAIM: Final = re.compile(
    r"\b(?:if|when|whenever|should|might|may|could|would|will|can|do|whether)(?: \S+){0,3} \Z"
)


def find_unsupported_claims(outline: Outline) -> Iterator[tuple[str, str]]:
    """Find claims that the event does not support, as pairs of rule and detail."""
    yield from (("unsupported_name", name) for name in _find_unsupported_names(outline))
    yield from (("unsupported_number", number) for number in _find_unsupported_numbers(outline))
    yield from (("unsupported_attribute", genre) for genre in _find_unsupported_genres(outline))
    if not outline.facts.knows_taste:
        yield from (("unsupported_user_claim", claim) for claim in _find_taste_claims(outline))


def _find_unsupported_names(outline: Outline) -> Iterator[str]:
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(outline.masked):
        if not _is_name_word(outline.masked, match):
            continue
        if run and not _is_joined(outline.masked, run[-1], match):
            yield from _check_run(outline, run)
            run = []
        run.append(match)
    if run:
        yield from _check_run(outline, run)


def _is_name_word(text: str, match: re.Match[str]) -> bool:
    word = match[0].rstrip(".")
    if word == word.lower() or word[0].isdigit() or word in _FIRST_PERSON:
        return False
    is_ordinary = word[1:] == word[1:].lower() and (is_common(word) or is_common(re.split(r"[-'’/]", word)[0]))
    return not (is_ordinary and _SENTENCE_START.search(text[: match.start()]))


def _is_joined(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    if left[0].endswith(("'s", "’s")):
        return False
    ends_sentence = left[0].endswith(".") and len(left[0]) > len("Dr.")
    return not ends_sentence and text[left.end() : right.start()] in (" ", " & ")


def _check_run(outline: Outline, run: list[re.Match[str]]) -> Iterator[str]:
    name = outline.masked[run[0].start() : run[-1].end()].rstrip(".")
    folded = fold_case(name).removesuffix("'s").removesuffix("’s").removesuffix("'")
    if not contains_whole(folded, outline.facts.words) and not _is_derived(folded, outline.facts.words):
        yield name


def _is_derived(name: str, words: str) -> bool:
    # 'Japanese' and 'Sundays' stand on 'Japan' and 'Sunday'.
    stems = (name.removesuffix(suffix) for suffix in _DERIVING_SUFFIXES if name.endswith(suffix))
    return any(len(stem) >= _MIN_STEM and contains_whole(stem, words) for stem in stems)


def _find_unsupported_numbers(outline: Outline) -> Iterator[str]:
    facts = outline.facts
    for match in _DIGITS.finditer(outline.masked):
        number, is_decade = match[1], match[2] is not None
        if number in facts.numbers and not is_decade:
            continue
        if is_decade and _knows_decade(number, facts.numbers):
            continue
        if not (is_decade and contains_whole(match[0].lower(), facts.words)):
            yield match[0]
    for match in _SPELLED.finditer(outline.masked):
        word = match[1].lower()
        is_known = _NUMBER_WORDS[word] in facts.numbers or contains_whole(word, facts.words)
        if not is_known and not _counts_something(outline, int(_NUMBER_WORDS[word])):
            yield match[0]


def _knows_decade(number: str, numbers: frozenset[str]) -> bool:
    if not number.endswith("0"):
        return False
    years = (known for known in numbers if len(known) == len("1990") and known.isdigit())
    return any(year[:3].endswith(number[:-1]) and len(number) in (2, 4) for year in years)


def _counts_something(outline: Outline, number: int) -> bool:
    # 'three films that you loved' counts what the event lists, and needs no field that says three.
    counts = (len(outline.named), len(outline.facts.liked), len(outline.facts.history))
    return number <= _COUNTED_NUMBER and number in counts


def _find_unsupported_genres(outline: Outline) -> Iterator[str]:
    facts, text = outline.facts, outline.text
    for genre in dict.fromkeys(list_genres(text)):
        if genre in facts.item.genres or any(genre in entry.genres for entry in outline.companions):
            continue
        if genre not in facts.preference_genres and not _is_negated(f"{{{genre}}}", text):
            yield genre


def _is_negated(token: str, text: str) -> bool:
    positions = (match.start() for match in re.finditer(re.escape(token), text))
    return all(_NEGATED.search(text[:position]) for position in positions)


def _find_taste_claims(outline: Outline) -> Iterator[str]:
    for match in _TASTE.finditer(outline.text):
        if not _NO_CLAIM.search(outline.text[: match.start()]):
            yield match[0]
