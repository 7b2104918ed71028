"""Claims of how the user liked a title: found in the outline of a text and held against the ratings."""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.facts import EventFacts
from stream_app.core.outline import Outline, list_genres
from stream_app.core.slots import Liking

TITLE: Final = r"<(?:t|h\d+)>"
GROUP: Final = rf"{TITLE}(?:(?: ,)? (?:and|or|,|as well as) {TITLE})*"

_ADVERBS: Final = r"(?: (?:have|both|so|really|also|clearly|too|once|had|already))*"
_YOU_VERB: Final = r"(?<=you )(?:(?:really|also|so|both|have|once|clearly|too|already) )*"
_LOVE: Final = re.compile(
    rf"{_YOU_VERB}(?:love|adore)\b|\b(?:loved|adored)\b|\bfavou?rites?\b|\bfive(?: -)? ?stars?\b|\bfive-star\b"
    r"|\b(?:top|full|maximum|perfect) (?:ratings?|marks?|scores?)|\bhighest (?:rating|mark|score)\b"
)
_LIKE: Final = re.compile(
    rf"{_YOU_VERB}(?:like|enjoy|rate highly|appreciate)\b|(?<=you )liked\b|\b(?:enjoyed|appreciated)\b"
    r"|\brat(?:ed|es?) (?:\S+ )?(?:so |very |quite )?(?:highly|well)\b|\bhighly rated\b|\bthought highly\b|\bfond of\b"
    r"|\bhigh (?:ratings?|marks?|scores?|praise)\b|\bfour(?: -)? ?stars?\b|\bto your (?:taste|liking)\b|\bwon your\b"
    r"|\b(?:won you over|did (?:so |very )?well with you|pleased you|hit with you|suited you|delighted you)\b"
    r"|\b(?:appealed to you|worked (?:so )?(?:well )?for you)\b"
)
_DISLIKE: Final = re.compile(
    r"\b(?:did|do|have) ?(?:not|n't) (?:much |really |quite )?(?:like|love|enjoy)\b"
    r"|\b(?:didn't|don't|never) (?:much |really |quite )?(?:liked?|loved?|enjoy(?:ed)?)\b|\bdisliked?\b"
    r"|\brat(?:ed|es?) (?:\S+ )?(?:low|lower|poorly|down)\b|\b(?:low|poor) (?:ratings?|marks?|scores?)\b"
    r"|\bleft you cold\b|\bdisappointed you\b|\bdid not (?:suit|please|work for|win) you\b"
)
_NO_CLAIM: Final = re.compile(
    r"\b(?:should|might|may|could|would|will|can|to|not|never|'ll|n't|if|other than)(?: \S+){0,2} \Z"
)
_CONTRAST: Final = re.compile(
    r"\b(?:unlike|less|not|no|without|than|never|instead|change|departure|far from|away|rather|different|contrast"
    r"|though|although|but|while|whereas|despite|lower|lukewarm|middling|mixed|average|fell|leaves?|lacked|more|yet"
    r"|however|other)\b|n't\b"
)

# What may stand between a claim and the title it is about: words of the same clause, no other title.
_CLAUSE: Final = r"(?: (?!,|but\b|while\b|<[th])\S+)*"
_STOPS: Final = (
    r"(?:but|is|was|are|were|has|have|so|which|try|here|this|will|should|may|might|also|like)\b"
    r"|and\b(?! \{)|that\b(?! of)"
)
_RELATIVE: Final = re.compile(
    rf"({GROUP})(?: 's)?(?: ,)?((?: (?!(?:and|but|is|was|has|you)\b|,|<[th])\S+){{0,6}}) you{_ADVERBS} \Z"
)
_WAS_ONE: Final = re.compile(
    rf"({TITLE})(?: ,[^<,]* ,)? (?:was|is|were|are) "
    rf"((?:(?!,|you\b|<[th])\S+ )*)(?:that |which )?you{_ADVERBS} \Z"
)
_OBJECT: Final = re.compile(rf"(?: (?!{_STOPS}|,|:|\(|<[th])\S+){{0,6}} ({GROUP})")
_SUBJECT: Final = re.compile(rf"({GROUP})({_CLAUSE}(?: ,{_CLAUSE} ,)?{_CLAUSE}) ?\Z")
_PRONOUN: Final = re.compile(r" (?:it|both|that one|them)\b")
_LAST_GROUP: Final = re.compile(rf".*?({GROUP})((?:(?!<[th]).)*)\Z")
_PLURAL: Final = re.compile(r" (?:both|all|each|two|three|were|are|have|earned|films|favou?rites)\b")
_HISTORY: Final = re.compile(r"<h\d+>")
_TASTE: Final = re.compile(
    r"(?:\byou (?:\w+ )?(?:like|love|enjoy|prefer|liked|loved|enjoyed|favou?r)"
    r"|\byour (?:\w+ )?(?:liking|love|taste|fondness|favou?rite)(?: for| of| in)?)"
    r"(?P<phrase>(?: (?:an?|the|good|of|in|dark|light|and|some|both|,|\{\w+\}))+)"
)


def find_wrong_likings(outline: Outline) -> Iterator[str]:
    """Find titles that the text says the user loved, liked or disliked, and the ratings do not."""
    for sentence in outline.sentences:
        disliked = [match.span() for match in _DISLIKE.finditer(sentence)]
        for match in _DISLIKE.finditer(sentence):
            yield from _compare(outline.facts, match, sentence, (Liking.OTHER,))
        for pattern, accepted in ((_LOVE, (Liking.LOVED,)), (_LIKE, (Liking.LOVED, Liking.LIKED))):
            for match in pattern.finditer(sentence):
                is_inside = any(start <= match.start() < end for start, end in disliked)
                if not is_inside and not _NO_CLAIM.search(sentence[: match.start()]):
                    yield from _compare(outline.facts, match, sentence, accepted)


def _compare(facts: EventFacts, match: re.Match[str], sentence: str, accepted: tuple[Liking, ...]) -> Iterator[str]:
    for marker in find_targets(sentence, match.start(), match.end()):
        if marker == "<t>":
            yield f"{match[0]}: the item itself"
        elif facts.history[int(marker[2:-1])].liking not in accepted:
            yield f"{match[0]}: {facts.history[int(marker[2:-1])].title}"


def find_targets(sentence: str, start: int, end: int) -> list[str]:
    """Find the markers of the titles that a claim at this place of a sentence is about."""
    left, right = sentence[:start], sentence[end:]
    by_object = _OBJECT.match(right)
    if by_object is not None and (history := _HISTORY.findall(by_object[1])):
        return history
    if _PRONOUN.match(right) and left.endswith("you ") and (last := _LAST_GROUP.match(left)):
        return _choose(last[1], last[2] + right, is_adjacent=False)
    by_relative = _WAS_ONE.search(left) or _RELATIVE.search(left)
    if by_relative is not None:
        gap = by_relative[2]
        return _choose(by_relative[1], gap, is_adjacent=not gap.strip(" ,") or "which" in gap)
    if left.endswith("you ") or " you have " in left[-12:]:
        # 'you loved' with a noun of its own: 'Heat is a thriller, and you loved thrillers'.
        return []
    by_subject = _SUBJECT.search(left)
    return _choose(by_subject[1], by_subject[2], is_adjacent=False) if by_subject else []


def _choose(group: str, gap: str, *, is_adjacent: bool) -> list[str]:
    titles = re.findall(TITLE, group)
    if _PLURAL.search(gap):
        return [title for title in titles if title != "<t>"]
    last = titles[-1]
    return [last] if last != "<t>" or is_adjacent else []


def find_unfit_titles(outline: Outline) -> Iterator[str]:
    """Find titles rated below liked that stand in the text other than as a contrast."""
    for sentence in outline.sentences:
        if not _CONTRAST.search(sentence) and not _DISLIKE.search(sentence):
            entries = outline.find_subjects(sentence.replace("<t>", ""))
            yield from (f"as a reason: {entry.title}" for entry in entries if entry.liking is Liking.OTHER)


def find_taste_genres(outline: Outline) -> Iterator[str]:
    """Find genres that the user is said to like and that nothing they like or prefer has."""
    for sentence in outline.sentences:
        for match in _TASTE.finditer(sentence):
            if _NO_CLAIM.search(sentence[: match.start()]):
                continue
            yield from (genre for genre in list_genres(match["phrase"]) if not _is_liked(genre, outline.facts))


def _is_liked(genre: str, facts: EventFacts) -> bool:
    return genre in facts.preference_genres or any(genre in entry.genres for entry in facts.liked)
