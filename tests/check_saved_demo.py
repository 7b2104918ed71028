"""Check the file that `prism demo --save FILE` writes: `python tests/check_saved_demo.py FILE`.

A second opinion, on purpose without any code of Prism: it knows only the JSON of events and explanations. It prints a
summary as JSON, and ends with 1 if any text has a name, title or number that its event does not contain.

How it finds unsupported names: titles and attribute values of the event are cut out of the text where they stand
letter for letter. Of the rest, each capitalised word and each number must stand in the event as a word, whatever its
case, and each run of capitalised words in one piece. The first word of a sentence is excused if it is an ordinary
English word: one that some text of the file has in lower case, or one of SENTENCE_OPENERS.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

Json = dict[str, Any]

MIN_WORDS, MAX_WORDS = 8, 40
LIKED_SHARE = 0.8
MAX_EXAMPLES = 10

SENTENCE_OPENERS = frozenset(
    "a about action adventure adventures after again aliens all also although among an ancient and animated "
    "animation another anyone apocalypse are as at atmospheric away back based battle be beautiful because before "
    "being best between beyond big black book both brutal but by can casino children close combining comedies "
    "comedy comic consider continue could crime curious dark darker death did different dinosaurs directed "
    "discover disturbing do documentaries down drama dramas dreamlike easy edge enjoy even ever every expect "
    "explore exploring fans fantasies fantasy far father featuring few film first five following fond for four "
    "friends from full funny get give given gives go gone good great grown having heavy here high his horror "
    "house how humor humour hungry if in inside into it it's its just keep kidnapping know last laughs laughter "
    "lean leaving left less life lighter like little live living looking lost love loving made magic man many "
    "martial meet men mid mission mixing moon more most much murder music musical musicals mystery natural "
    "neither next no none not nothing now of old older on once one or others our out part pick pictures police "
    "politics prison prisoners pure quite rather ready rebel released return romance romantic run same science "
    "see sense sent serious set settle several shares she short similar since six so some something songs space "
    "star start stay steady step still stories story straight strange strong student submarine such summer "
    "superhero superheroes suspense swap take taken taking ten tense that the their then there these they this "
    "those though three thrillers thrills time to together too top touch trade true try trying turn two under "
    "unlike until up very want war was watch we were westerns what when where whether which while who whose why "
    "with within without world would wrongful yes you you'll you're you've young your".split()
)

WORD = re.compile(r"[^\W_](?:[^\W_]|[-'’.&/](?=[^\W_]))*")
SENTENCE_END = re.compile(r"(?:\A|[.!?:]['\"”’)]*\s+)['\"“‘(]*\Z")
HOLE = "\ue000"
TITLE = r"\ue001(\d+)\ue002"
LOVED = r"loved|adored"
LIKED = r"liked|enjoyed|rated highly|appreciated"
DISLIKED = r"disliked|hated|did not like|didn't like|did not enjoy|didn't enjoy|were not fond of"
VERB = rf"(?:so |really |also |clearly |both |all )*({LOVED}|{LIKED}|{DISLIKED})"
TITLES = rf"((?:the |a |an |both )?{TITLE}(?:(?:, and |, | and | or )(?:the |a |an )?{TITLE})*)"
VERB_THEN_TITLES = re.compile(rf"\byou(?:'ve| have|'ve also)? {VERB} {TITLES}", re.IGNORECASE)
TITLES_THEN_VERB = re.compile(
    rf"{TITLES},? (?:which|that|both of which|all of which|a \w+(?: \w+)?) "
    rf"you(?:'ve| have)? {VERB}(?![\w’'])(?! for| how)",
    re.IGNORECASE,
)


def list_texts(value: object) -> list[str]:
    """List every string of a JSON value, numbers as people write them; names of fields are left out."""
    if isinstance(value, dict):
        return [text for child in value.values() for text in list_texts(child)]
    if isinstance(value, list):
        return [text for child in value for text in list_texts(child)]
    if isinstance(value, str):
        return [value]
    return [f"{value:g}"] if isinstance(value, int | float) and not isinstance(value, bool) else []


def list_readable_texts(event: Json) -> list[str]:
    """List what an explanation may quote: everything that is said of user and items, but no ids, ranks or scores."""
    user = event["user"]
    entries = [*event["items"], *user.get("history", [])]
    kept = [
        {name: value for name, value in entry.items() if name not in ("item_id", "rank", "score")} for entry in entries
    ]
    return list_texts([kept, user.get("preferences", []), user.get("rating_scale", [0.5, 5.0])[1]])


def shorten_title(title: str) -> list[str]:
    """List a title, and its usual short forms: without bracketed notes, and the parts around a colon or dash."""
    bare = re.sub(r"\s*[(\[][^()\[\]]*[)\]]\s*", " ", title).strip()
    parts = [part.strip() for part in re.split(r":\s|\s[-–—]\s", bare)]
    return [form for form in dict.fromkeys([title, bare, *parts]) if len(form) > 1]


def list_quotable(event: Json) -> list[str]:
    """List titles and attribute values, longest first, as they may be cut out of a text."""
    entries = [*event["items"], *event["user"].get("history", [])]
    forms = {form for entry in entries for form in shorten_title(entry["title"])}
    forms |= {value for entry in entries for value in list_texts(entry.get("attributes", {}))}
    return sorted(forms, key=len, reverse=True)


def find_unsupported(text: str, event: Json, ordinary: frozenset[str]) -> list[str]:
    """Find the names and numbers of a text that its event does not contain."""
    rest = text
    for form in list_quotable(event):
        rest = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", HOLE, rest)
    readable = list_readable_texts(event)
    known = {
        form for value in readable for word in WORD.findall(value) for form in (word.lower(), drop_possessive(word))
    }
    found: list[str] = []
    run: list[re.Match[str]] = []
    for match in WORD.finditer(rest):
        if run and not (is_name_like(match[0]) and rest[run[-1].end() : match.start()] == " "):
            found += judge_run(rest, run, readable, known, ordinary)
            run = []
        if is_name_like(match[0]):
            run.append(match)
    return found + judge_run(rest, run, readable, known, ordinary)


def is_name_like(word: str) -> bool:
    """Say whether a word has a capital letter or a digit."""
    return word != word.lower() or any(character.isdigit() for character in word)


def judge_run(
    rest: str, run: list[re.Match[str]], readable: list[str], known: set[str], ordinary: frozenset[str]
) -> list[str]:
    """Judge neighbouring capitalised words: what of them the event lacks."""
    if run and SENTENCE_END.search(rest[: run[0].start()]) and is_ordinary_start(run[0][0], ordinary):
        run = run[1:]
    run = [match for match in run if match[0] not in ("I", "I'd", "I'll", "I'm", "I've")]
    missing = [match[0] for match in run if not is_known(match[0], known)]
    if missing or len(run) < 2:
        return missing
    whole = rest[run[0].start() : run[-1].end()]
    return [] if any(drop_possessive(whole) in value.lower() for value in readable) else [whole]


def drop_possessive(words: str) -> str:
    """Write in lower case, without a possessive ending."""
    return re.sub(r"['’]s?\Z", "", words.lower())


def is_ordinary_start(word: str, ordinary: frozenset[str]) -> bool:
    """Say whether the first word of a sentence is no name: only its first letter is a capital, and it is common."""
    first_part = re.split(r"[-'’/]", word)[0].lower()
    return word[1:] == word[1:].lower() and (word.lower() in ordinary or first_part in ordinary)


def is_known(word: str, known: set[str]) -> bool:
    """Say whether a word stands in the event, also as a possessive, or as the decade of one of its years."""
    lowered = word.lower()
    if lowered in known or drop_possessive(word) in known:
        return True
    decade = re.fullmatch(r"(\d{3})0s", lowered)
    return decade is not None and any(re.fullmatch(rf"{decade[1]}\d", other) for other in known)


def find_wrong_likings(text: str, event: Json) -> list[str]:
    """Find 'you loved X' and the like where the event's rating of X says otherwise, or X was never rated."""
    history = event["user"].get("history", [])
    history_forms = {form: index for index, entry in enumerate(history) for form in shorten_title(entry["title"])}
    item_forms = {form: -1 for entry in event["items"] for form in shorten_title(entry["title"])}
    forms = item_forms | history_forms
    marked = text
    for form in sorted(forms, key=len, reverse=True):
        marked = re.sub(rf"(?<![\w\ue001]){re.escape(form)}(?![\w\ue002])", f"\ue001{forms[form] + 1}\ue002", marked)
    claims = [(verb, titles) for verb, titles, *_ in VERB_THEN_TITLES.findall(marked)]
    claims += [(parts[-1], parts[0]) for parts in TITLES_THEN_VERB.findall(marked)]
    wrong = []
    for verb, titles in claims:
        for number in re.findall(TITLE, drop_next_clause(titles)):
            entry = history[int(number) - 1] if int(number) else None
            if not agrees(verb.lower(), entry, event["user"].get("rating_scale", [0.5, 5.0])[1]):
                wrong.append(f"{verb} {entry['title'] if entry else 'the recommended item'}")
    return wrong


def drop_next_clause(titles: str) -> str:
    """Drop what begins a new clause: in 'you loved A, and B is funny' the comma ends the list, unless A is a list."""
    head, comma, last = titles.rpartition(", ")
    if comma and not last.startswith("and ") and "0" in re.findall(TITLE, last):
        return head  # 'If you loved A, B is funny': nobody says what was liked of the item that is recommended.
    head, comma, last = titles.rpartition(", and ")
    if comma and (len(re.findall(TITLE, head)) == 1 or "0" in re.findall(TITLE, last)):
        return head
    return titles


def agrees(verb: str, entry: Json | None, maximum: float) -> bool:
    """Say whether a rating bears a verb out: loved is the maximum, liked at least 80 % of it."""
    rating = entry.get("rating") if entry else None
    if rating is None:
        return False
    if re.fullmatch(LOVED, verb):
        return bool(rating >= maximum)
    is_liked = rating >= LIKED_SHARE * maximum
    return is_liked if re.fullmatch(LIKED, verb) else not is_liked


def find_bad_evidence(explanation: Json, event: Json) -> list[str]:
    """Find evidence whose two spans do not show the same words, whatever their case."""
    bad = []
    for evidence in explanation["evidence"]:
        claim = explanation["text"][evidence["start"] : evidence["end"]]
        field = resolve_pointer(event, evidence["pointer"])
        value = field if isinstance(field, str) else f"{field:g}" if isinstance(field, int | float) else ""
        source = value[evidence["field_start"] : evidence["field_end"]]
        if not claim or claim.casefold() != source.casefold():
            bad.append(f"{claim!r} <- {evidence['pointer']} {source!r}")
    return bad


def resolve_pointer(document: Any, pointer: str) -> Any:
    """Follow a JSON pointer; None where it leads nowhere."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(name)] if isinstance(document, list) else document[name]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return document


def list_ordinary_words(texts: list[str]) -> frozenset[str]:
    """List the words that stand in lower case somewhere in these texts, and the openers."""
    seen = {word for text in texts for word in WORD.findall(text) if word == word.lower()}
    return SENTENCE_OPENERS | seen


def check_rows(rows: list[Json]) -> Json:
    """Check all rows; returns the summary."""
    ordinary = list_ordinary_words([row["explanation"]["text"] for row in rows])
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}

    def note(kind: str, problems: list[str], text: str) -> None:
        counts[kind] += bool(problems)
        if problems and len(examples.setdefault(kind, [])) < MAX_EXAMPLES:
            examples[kind].append(f"{', '.join(problems)} in: {text}")

    for row in rows:
        event, explanation = row["event"], row["explanation"]
        text = explanation["text"]
        words = len(text.split())
        counts[explanation["source"]] += 1
        note("with_unsupported_names", find_unsupported(text, event, ordinary), text)
        note("with_wrong_likings", find_wrong_likings(text, event), text)
        note("with_bad_evidence", find_bad_evidence(explanation, event), text)
        note("outside_word_bounds", [] if MIN_WORDS <= words <= MAX_WORDS else [f"{words} words"], text)
    return summarise(rows, counts, examples)


def summarise(rows: list[Json], counts: Counter[str], examples: dict[str, list[str]]) -> Json:
    """Build the summary that is printed."""
    keys = {(row["explanation"]["event_id"], row["explanation"]["item_id"]) for row in rows}
    return {
        "explanations": len(rows),
        "events": len({row["event"]["event_id"] for row in rows}),
        "repeated_keys": len(rows) - len(keys),
        "distinct_texts": len({row["explanation"]["text"] for row in rows}),
        "from_model": counts["model"],
        "from_template": counts["template"],
        "model_share": round(counts["model"] / len(rows), 4) if rows else 0.0,
        "template_reasons": dict(
            Counter(
                row["explanation"].get("template_reason") for row in rows if row["explanation"]["source"] == "template"
            )
        ),
        "with_unsupported_names": counts["with_unsupported_names"],
        "with_wrong_likings": counts["with_wrong_likings"],
        "with_bad_evidence": counts["with_bad_evidence"],
        "outside_word_bounds": counts["outside_word_bounds"],
        "examples": examples,
    }


def main() -> int:
    """Check one file; 1 if any text names something that its event does not, 2 if there is nothing to check."""
    parser = argparse.ArgumentParser(description="Check explanations saved by `prism demo --save FILE`.")
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.file.read_text(encoding="utf-8").splitlines() if line.strip()]
    summary = check_rows(rows)
    print(json.dumps(summary, indent=2, ensure_ascii=False))
    if not rows:
        return 2
    return 1 if summary["with_unsupported_names"] else 0


if __name__ == "__main__":
    sys.exit(main())
