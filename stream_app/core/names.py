"""Find the names and numbers of a text, and the part of a title that may be shown to a person.

Everything here works on one field of an event. Text in events is data from outside: what could not be printed safely
(links, markup, control characters, instructions to a model, tokens of our own prompt) is never offered for display.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from stream_app.core.lexicon import CATEGORY_ATTRIBUTES, FUNCTION_WORDS, NAME_CONNECTORS, is_common

MAX_NAME_WORDS: Final = 8
MAX_SHOWN_TITLE_WORDS: Final = 14
MAX_SHOWN_TITLE_CHARACTERS: Final = 100

WORD: Final = re.compile(r"[^\W_](?:[^\W_]|[-'’.&/](?=[^\W_]))*")
_ABBREVIATION: Final = re.compile(r"(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Sgt|Lt|Capt|Vol|No)\Z")
_SENTENCE_END: Final = re.compile(r"[.!?:…]['\"”’)]*\s+['\"“‘(]*\Z")
_SENTENCE_END_WINDOW: Final = 64
_BRACKETED_NOTE: Final = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*\Z")
_SUBTITLE: Final = re.compile(r"\s*(?::|\s[-–—])\s")
_UNSAFE: Final = re.compile(
    r"https?:|www\.|://|(?<![\w-])[\w-]+\.(?:com|org|net|io|ru|cn|info|biz|co|xyz|app|dev|ly|me|to)\b|\S@\S|"
    r"[<>{}\[\]|\\`*_~^]|&#?\w+;|"
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:above|previous|prior|instructions?|prompts?|rules?)\b|"
    r"\b(?:system|assistant|user|developer)\s*(?:prompt|message)?\s*:|"
    r"\b(?:you are now|act as|pretend to be|repeat after me|respond with|output only)\b",
    re.IGNORECASE | re.DOTALL,
)
_MARKERS: Final = str.maketrans(dict.fromkeys("<>[]{}|\\`", " "))


@dataclass(frozen=True, slots=True)
class Mention:
    """A name or number inside a text; the span is half-open and counts code points."""

    start: int
    end: int
    kind: Literal["name", "number"]


def clean_text(text: str) -> str:
    """Remove what must not reach the prompt: markers, control and format characters, runs of white space."""
    kept = (" " if unicodedata.category(character) in _INVISIBLE else character for character in text)
    return " ".join("".join(kept).translate(_MARKERS).split())


_INVISIBLE: Final = frozenset(("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"))


def is_displayable(text: str) -> bool:
    """Say whether a piece of an event may be printed letter for letter."""
    if any(unicodedata.category(character) in _INVISIBLE for character in text):
        return False
    return not _UNSAFE.search(text)


def find_shown_title(title: str) -> Mention | None:
    """Find the part of a title that people say: without bracketed notes, and without its subtitle where it is long.

    Returns:
        The span of that part, or None where no part of the title can be shown safely.
    """
    shown = title
    while (shorter := _BRACKETED_NOTE.sub("", shown)).strip() and shorter != shown:
        shown = shorter
    if not _is_short_enough(shown):
        shown = _SUBTITLE.split(shown, maxsplit=1)[0]
    start = len(shown) - len(shown.lstrip())
    shown = shown.strip()
    if not shown or not _is_short_enough(shown) or not is_displayable(shown):
        return None
    return Mention(start, start + len(shown), "name")


def _is_short_enough(title: str) -> bool:
    return len(title.split()) <= MAX_SHOWN_TITLE_WORDS and len(title) <= MAX_SHOWN_TITLE_CHARACTERS


def find_value_mentions(attribute: str, value: str) -> list[Mention]:
    """Find the names and numbers of an attribute's value; a value that is a name as a whole is one mention."""
    words = list(WORD.finditer(value))
    if not words:
        return []
    if not any(_is_capitalised(word[0]) for word in words) or _is_category(attribute, words):
        return [mention for mention in find_mentions(value) if mention.kind == "number"]
    is_name = _is_capitalised(words[0][0]) and all(_may_stand_in_name(word[0]) for word in words)
    if is_name and len(words) <= MAX_NAME_WORDS and is_displayable(value):
        return [Mention(words[0].start(), _end_of_name(value, words[-1]), "name")]
    return find_mentions(value)


def _is_category(attribute: str, words: list[re.Match[str]]) -> bool:
    return attribute.lower() in CATEGORY_ATTRIBUTES and all(is_common(word[0]) for word in words)


def _may_stand_in_name(word: str) -> bool:
    return _is_capitalised(word) or word in NAME_CONNECTORS or word[0].isdigit()


def find_mentions(text: str) -> list[Mention]:
    """Find names (runs of capitalised words) and numbers in running English text, in order."""
    words = list(WORD.finditer(text))
    mentions: list[Mention] = []
    index = 0
    while index < len(words):
        word = words[index][0]
        if word[0].isdigit():
            last = _find_number_end(text, words, index)
            mentions.append(Mention(words[index].start(), words[last].end(), "number"))
            index = last
        elif _is_capitalised(word):
            last = _find_run_end(text, words, index)
            mentions.extend(_name_in_run(text, words[index : last + 1]))
            index = last
        index += 1
    return [mention for mention in mentions if is_displayable(text[mention.start : mention.end])]


def _find_number_end(text: str, words: list[re.Match[str]], first: int) -> int:
    """Find the last word of a number: '30,000' is one, of which '30' would say something else."""
    last = first
    while last + 1 < len(words) and words[last + 1][0][0].isdigit():
        if text[words[last].end() : words[last + 1].start()] not in (",", "."):
            break
        last += 1
    return last


def _find_run_end(text: str, words: list[re.Match[str]], first: int) -> int:
    last = first
    while last + 1 < len(words) and _is_joined(text, words[last], words[last + 1]):
        if _is_capitalised(words[last + 1][0]):
            last += 1
        elif (
            words[last + 1][0] in ("of", "de", "la", "du", "del", "van", "von", "der")
            and last + 2 < len(words)
            and _is_joined(text, words[last + 1], words[last + 2])
            and _is_capitalised(words[last + 2][0])
        ):
            last += 2
        else:
            break
    return last


def _is_joined(text: str, left: re.Match[str], right: re.Match[str]) -> bool:
    gap = text[left.end() : right.start()]
    return gap in (" ", " & ") or (gap == ". " and bool(_ABBREVIATION.search(left[0])))


def _name_in_run(text: str, run: list[re.Match[str]]) -> list[Mention]:
    if _starts_sentence(text, run[0].start()):
        while run and run[0][0].lower() in FUNCTION_WORDS:
            run = run[1:]
        if len(run) == 1 and _starts_sentence(text, run[0].start()) and is_common(run[0][0]):
            return []
    if not run or len(run) > MAX_NAME_WORDS or run[0][0] == "I":
        return []
    return [Mention(run[0].start(), _end_of_name(text, run[-1]), "name")]


def _starts_sentence(text: str, position: int) -> bool:
    if re.fullmatch(r"\W*", text[:position]):
        return True
    # A window, because searching the whole text before every word would take quadratic time on hostile input.
    return bool(_SENTENCE_END.search(text[max(0, position - _SENTENCE_END_WINDOW) : position]))


def _end_of_name(text: str, last: re.Match[str]) -> int:
    end = last.end()
    # "Robert Downey Jr." keeps its period inside a sentence; at the end of one the period belongs to the sentence.
    if text[end : end + 1] == "." and _ABBREVIATION.search(last[0]) and text[end + 1 :].strip()[:1].islower():
        return end + 1
    if last[0].endswith(("'s", "’s")):
        return end - 2
    return end


def _is_capitalised(word: str) -> bool:
    return any(character.isupper() or character.istitle() for character in word) and not word[0].isdigit()
