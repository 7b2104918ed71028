"""Make the rating form: one HTML file that works offline and does not say which system wrote what."""

import base64
import hashlib
import random
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from offline.evaluation.facts import list_fact_lines
from offline.evaluation.systems import ORACLE, STUDENT, STUDENT_RAW, TEMPLATE
from offline.evaluation.texts import TextRow, read_texts
from offline.human_eval.documents import Key, KeyedPair, KeyedText

FORM_NAME: Final = "form.html"
KEY_NAME: Final = "key.json"
_FIELDS: Final = {STUDENT: "emitted", STUDENT_RAW: "raw", TEMPLATE: "template", ORACLE: "oracle"}


class FormOptions(BaseModel):
    """What a form asks about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    systems: tuple[str, ...] = Field((STUDENT, TEMPLATE, ORACLE), description="Systems whose texts are graded.")
    rows: int = Field(20, ge=0, description="Rows whose texts are graded, one text of each system.")
    pair: tuple[str, str] | None = Field((STUDENT, TEMPLATE), description="Systems that are compared side by side.")
    pair_rows: int = Field(20, ge=0, description="Rows that are compared; rows with two equal texts are passed over.")
    seed: int = 0


class UnknownSystemError(ValueError):
    """The texts have no system of this name."""


class _GradedText(BaseModel):
    """A text as the form shows it."""

    id: str
    facts: list[tuple[str, str]]
    text: str


class _ComparedTexts(BaseModel):
    """Two texts as the form shows them."""

    id: str
    facts: list[tuple[str, str]]
    left: str
    right: str


class _FormData(BaseModel):
    """What stands in the form beside its script."""

    form_id: str = ""
    texts: list[_GradedText]
    pairs: list[_ComparedTexts]


def build_form(texts: Path, folder: Path, options: FormOptions) -> Key:
    """Write `form.html` for the raters and `key.json` for the analysis.

    Args:
        texts: `texts.jsonl` of an evaluation.
        folder: where to write; made if missing.
        options: what to ask.

    Raises:
        UnknownSystemError: the texts have no system of a name in the options.
    """
    builder = _FormBuilder(list(read_texts(texts)), options)
    data, key = builder.build()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FORM_NAME).write_text(_render(data), encoding="utf-8")
    (folder / KEY_NAME).write_text(key.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return key


class _FormBuilder:
    def __init__(self, rows: Sequence[TextRow], options: FormOptions) -> None:
        self._rows = rows
        self._options = options
        self._rng = random.Random(options.seed)
        # Drawn at once, so that no two are the same.
        needed = options.rows * len(options.systems) + options.pair_rows
        self._codes = iter(f"{code:08x}" for code in self._rng.sample(range(16**8), needed))
        self._texts: dict[str, KeyedText] = {}
        self._pairs: dict[str, KeyedPair] = {}
        self._identical = 0

    def build(self) -> tuple[_FormData, Key]:
        data = _FormData(texts=self._collect_texts(), pairs=self._collect_pairs())
        form_id = hashlib.sha256(data.model_dump_json().encode()).hexdigest()[:12]
        key = Key(
            form_id=form_id,
            seed=self._options.seed,
            texts=self._texts,
            pairs=self._pairs,
            identical_pairs=self._identical,
        )
        return data.model_copy(update={"form_id": form_id}), key

    def _draw_rows(self) -> list[TextRow]:
        return self._rng.sample(self._rows, len(self._rows))

    def _collect_texts(self) -> list[_GradedText]:
        graded: list[_GradedText] = []
        for row in self._draw_rows()[: self._options.rows]:
            authors: dict[str, list[str]] = {}
            for system in self._options.systems:
                authors.setdefault(find_text(row, system), []).append(system)
            for text, systems in authors.items():
                code = next(self._codes)
                self._texts[code] = KeyedText(event_id=row.event.event_id, systems=systems)
                graded.append(_GradedText(id=code, facts=_list_facts(row), text=text))
        # In order of their codes: an order by system would give the systems away.
        return sorted(graded, key=lambda text: text.id)

    def _collect_pairs(self) -> list[_ComparedTexts]:
        compared: list[_ComparedTexts] = []
        for row in self._draw_rows() if self._options.pair else ():
            if len(compared) == self._options.pair_rows:
                break
            assert self._options.pair is not None
            left, right = self._rng.sample(self._options.pair, 2)
            texts = find_text(row, left), find_text(row, right)
            if texts[0] == texts[1]:
                self._identical += 1
                continue
            code = next(self._codes)
            self._pairs[code] = KeyedPair(event_id=row.event.event_id, left=left, right=right)
            compared.append(_ComparedTexts(id=code, facts=_list_facts(row), left=texts[0], right=texts[1]))
        return sorted(compared, key=lambda pair: pair.id)


def find_text(row: TextRow, system: str) -> str:
    """Find what a system wrote about a row.

    Raises:
        UnknownSystemError: the row has no text of it.
    """
    if system in _FIELDS:
        text: str = getattr(row, _FIELDS[system])
        return text
    if system not in row.others:
        raise UnknownSystemError(f"no texts of {system!r}; there are {', '.join([*_FIELDS, *sorted(row.others)])}")
    return row.others[system]


def _list_facts(row: TextRow) -> list[tuple[str, str]]:
    return [(line.label, line.text) for line in list_fact_lines(row.event)]


def _render(data: _FormData) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    script = resources.files("offline.human_eval").joinpath("form.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("offline.human_eval", "."), autoescape=True, undefined=StrictUndefined
    )
    # The page's policy allows this one script, so that nothing in a title can run even if it were not escaped.
    return environment.get_template("form.html.jinja").render(
        data=data.model_dump(mode="json"), script=script, script_digest=digest, form_id=data.form_id
    )
