"""Mutations of events, drawn with a seeded generator: hypothesis would need an hour for as many.

Most change the structure (a value, a key, a list), so that a good part of the results is still an event, and an odd
one; the others change bytes.
"""

import copy
import random
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

from stream_app.core.events import MAX_DEPTH, MAX_TEXT_CHARACTERS
from stream_app.core.prompt import PROMPT_TOKENS
from tests.strategies import ATTRIBUTES, ODD_TEXTS, PEOPLE, TITLES, WORDS

Document = dict[str, Any]
Place = tuple[Any, Any]
"""A container and the key or index of a value in it."""

LENGTHS: Final = (64, 65, 256, 257, 512, 513, MAX_TEXT_CHARACTERS, MAX_TEXT_CHARACTERS + 1)
NUMBERS: Final = (0, 1, -1, 0.5, 5, 5.0, 4.999999, 1e308, -0.0, 2**31, 2**63, 1_000_000, 1_000_001, True, 10**30)
RUNS: Final = ("a", "A ", "a-", "A. ", "1,", "'", "the ", "é", "\u0301", "\u200d", "\U0001f468\u200d", "<t> ", "(", "ﬃ")
TIMES: Final = ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "now")
_SCRIPTS: Final = ((0, 0x7F), (0x80, 0x24F), (0x300, 0x36F), (0x590, 0x6FF), (0x2000, 0x206F), (0x3040, 0x30FF))
_PLANES: Final = ((0x1F300, 0x1F6FF), (0xE000, 0xE010), (0x1D400, 0x1D4FF), (0xFB00, 0xFB4F), (0xE0000, 0xE007F))


def draw_text(draw: random.Random) -> str:
    """Draw a text: odd, believable, of any script, at a limit's length, or several of these together."""
    kind = draw.randrange(6)
    if kind == 0:
        return draw.choice(ODD_TEXTS)
    if kind == 1:
        return draw.choice((*TITLES, *PEOPLE, *WORDS))
    if kind == 2:
        return " ".join(draw.choice((*TITLES, *PEOPLE, *WORDS, *ODD_TEXTS, *PROMPT_TOKENS)) for _ in range(4))
    if kind == 3:
        return (draw.choice(RUNS) * max(LENGTHS))[: draw.choice(LENGTHS)]
    if kind == 4:
        return unicodedata.normalize(draw.choice(("NFC", "NFD", "NFKD")), draw.choice(TITLES))
    scripts = [draw.choice((*_SCRIPTS, *_PLANES)) for _ in range(draw.randint(1, 12))]
    return "".join(chr(draw.randint(*script)) for script in scripts)


def draw_value(draw: random.Random, depth: int = 0) -> Any:
    """Draw any JSON value."""
    kind = draw.randrange(8 if depth < 3 else 4)
    if kind <= 1:
        return draw_text(draw)
    if kind <= 3:
        return draw.choice((None, False, *NUMBERS))
    if kind <= 5:
        return [draw_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {draw_text(draw): draw_value(draw, depth + 1) for _ in range(draw.randrange(4))}


def list_places(node: Any) -> Iterator[Place]:
    """List every value below a node, by where it stands."""
    keys: Any = node if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from list_places(node[key])


class Mutator:
    """Makes inputs from a corpus; the same seed, the same inputs."""

    def __init__(self, corpus: list[Document], seed: int) -> None:
        self._corpus = corpus
        self._draw = random.Random(seed)
        self._gentle: list[Callable[[Document], None]] = [
            self._change_text,
            self._change_text,
            self._change_text,
            self._append_text,
            self._copy_text,
            self._change_attribute,
            self._take_from_another,
            self._repeat_entry,
            self._drop_entry,
            self._change_option,
            self._add_unknown_key,
        ]
        self._rude: list[Callable[[Document], None]] = [
            self._change_anything,
            self._drop_anything,
            self._change_number,
            self._bury,
        ]

    def make_input(self) -> bytes:
        """Make the next input."""
        kind = self._draw.randrange(20)
        if kind == 0:
            return self._draw.randbytes(self._draw.randrange(80))
        if kind == 1:
            return self._encode(draw_value(self._draw))
        document = copy.deepcopy(self._draw.choice(self._corpus))
        for _ in range(self._draw.randint(1, 6)):
            self._draw.choice(self._gentle)(document)
        if kind <= 4:
            self._draw.choice(self._rude)(document)
        encoded = self._encode(document)
        return self._change_bytes(encoded) if kind >= 17 else encoded

    def _encode(self, document: Any) -> bytes:
        try:
            return orjson.dumps(document)
        except TypeError:
            # Integers beyond 64 bits: valid JSON all the same.
            return repr(document).replace("'", '"').encode(errors="replace")

    def _choose(self, document: Document, *kinds: type) -> Place | None:
        places = [place for place in list_places(document) if type(place[0][place[1]]) in kinds]
        return self._draw.choice(places) if places else None

    def _choose_text(self, document: Document) -> Place | None:
        places = [
            (node, key) for node, key in list_places(document) if isinstance(node[key], str) and key != "occurred_at"
        ]
        return self._draw.choice(places) if places else None

    def _change_text(self, document: Document) -> None:
        if place := self._choose_text(document):
            # Mostly short: a long one is often beyond its field's limit.
            text = draw_text(self._draw)
            place[0][place[1]] = text if self._draw.random() < 0.3 else text[: self._draw.randint(1, 60)]

    def _append_text(self, document: Document) -> None:
        if place := self._choose_text(document):
            parts = [place[0][place[1]], draw_text(self._draw)[:40]]
            self._draw.shuffle(parts)
            place[0][place[1]] = self._draw.choice((" ", "", ": ", " - ", "\n", "'s ")).join(parts)

    def _copy_text(self, document: Document) -> None:
        source, target = self._choose_text(document), self._choose_text(document)
        if source and target:
            target[0][target[1]] = source[0][source[1]]

    def _change_attribute(self, document: Document) -> None:
        history = document["user"].get("history") if isinstance(document.get("user"), dict) else None
        entries = [*(document.get("items") or []), *(history or [])]
        entries = [entry for entry in entries if isinstance(entry, dict)]
        if not entries:
            return
        attributes = self._draw.choice(entries).setdefault("attributes", {})
        if isinstance(attributes, dict):
            name = self._draw.choice((*ATTRIBUTES, draw_text(self._draw)[:64] or "x"))
            values = [draw_text(self._draw)[:512] for _ in range(self._draw.randint(0, 3))]
            attributes[name] = values[0] if len(values) == 1 else values

    def _take_from_another(self, document: Document) -> None:
        other = self._draw.choice(self._corpus)
        part = self._draw.choice(("items", "user", "history", "preferences", "attributes"))
        if part in ("items", "user"):
            document[part] = copy.deepcopy(other[part])
        elif part != "attributes" and isinstance(document.get("user"), dict):
            document["user"][part] = copy.deepcopy(other["user"].get(part, []))
        elif isinstance(document.get("items"), list) and document["items"]:
            document["items"][0] = copy.deepcopy(other["items"][0]) | {"rank": 1}

    def _repeat_entry(self, document: Document) -> None:
        if (place := self._choose(document, list)) and place[0][place[1]]:
            entries = place[0][place[1]]
            for number in range(self._draw.choice((1, 1, 1, 3, 9))):
                entry = copy.deepcopy(self._draw.choice(entries))
                if isinstance(entry, dict) and "item_id" in entry:
                    entry["item_id"] = f"{entry['item_id']}-{number}-{len(entries)}"[:256]
                entries.insert(self._draw.randint(0, len(entries)), entry)

    def _drop_entry(self, document: Document) -> None:
        if (place := self._choose(document, list)) and len(place[0][place[1]]) > 1:
            place[0][place[1]].pop(self._draw.randrange(len(place[0][place[1]])))

    def _change_option(self, document: Document) -> None:
        options: dict[str, Any] = {
            "explain_top_k": self._draw.choice((None, 1, 2, 10**6)),
            "locale": self._draw.choice((None, "en", "de-DE", "EN_us", "İ", "x" * 64)),
            "ranker": self._draw.choice((None, "r", "")),
            "occurred_at": self._draw.choice(TIMES),
        }
        name = self._draw.choice(list(options))
        document[name] = options[name]
        if isinstance(document.get("user"), dict) and self._draw.random() < 0.3:
            document["user"]["rating_scale"] = self._draw.choice(([0, 5], [0.5, 5], [1, 10], [0, 1e300]))

    def _add_unknown_key(self, document: Document) -> None:
        if place := self._choose(document, dict):
            place[0][place[1]][draw_text(self._draw)[:64] or "x"] = draw_value(self._draw)

    def _change_anything(self, document: Document) -> None:
        node, key = self._draw.choice(list(list_places(document)))
        node[key] = draw_value(self._draw)

    def _drop_anything(self, document: Document) -> None:
        node, key = self._draw.choice(list(list_places(document)))
        del node[key]

    def _change_number(self, document: Document) -> None:
        if place := self._choose(document, int, float):
            place[0][place[1]] = self._draw.choice(NUMBERS)

    def _bury(self, document: Document) -> None:
        node, key = self._draw.choice(list(list_places(document)))
        for _ in range(self._draw.choice((1, MAX_DEPTH, 3 * MAX_DEPTH))):
            node[key] = self._draw.choice(([node[key]], {"a": node[key]}))

    def _change_bytes(self, encoded: bytes) -> bytes:
        changed = bytearray(encoded)
        for _ in range(self._draw.randint(1, 3)):
            start = self._draw.randrange(len(changed) + 1)
            end = min(len(changed), start + self._draw.randint(0, 20))
            kind = self._draw.randrange(6)
            if kind == 0 and start < len(changed):
                changed[start] ^= 1 << self._draw.randrange(8)
            elif kind == 1:
                del changed[start:end]
            elif kind == 2:
                changed[start:start] = self._draw.randbytes(self._draw.randint(1, 6))
            elif kind == 3:
                changed[start:start] = changed[start:end]
            elif kind == 4 and start < len(changed):
                # Any other letter: most of a record's bytes are text, and stay an event.
                changed[start] = self._draw.choice(b"abcXYZ0189 .-'\"\\<>&{}[]:,\x00\x7f\xc3")
            elif kind == 5 and self._draw.random() < 0.1:
                del changed[start:]
        return bytes(changed)
