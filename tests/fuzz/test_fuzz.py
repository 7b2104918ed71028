"""A hundred thousand odd inputs through the whole path: no exception, no hang, an outcome each, outputs that hold."""

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.core.events import MAX_HISTORY, MAX_ITEMS, MAX_PREFERENCES, Explanation, encode_contract
from stream_app.core.faithfulness import MAX_WORDS, MIN_WORDS
from stream_app.core.names import is_displayable
from stream_app.core.pipeline import GENERATION_FAILED, OVERLOAD, Explained, ExplanationPipeline, Outcome, Rejected
from tests.factories import build_item, build_record
from tests.fakes import ScriptedGenerator
from tests.fuzz.corpus import load_corpus
from tests.fuzz.mutations import Mutator
from tests.fuzz.slotted import NonsenseGenerator
from tests.strategies import PEOPLE, WORDS, documents, odd_texts

SEEDS: Final = range(20)
INPUTS_A_SEED: Final = 5_000
LEAST_DECODED_SHARE: Final = 0.3
"""Of inputs that are all turned down at the door, the rest of the path would learn nothing."""
CPU_LIMIT_SECONDS: Final = 10.0
"""For one input, the user's own time: how busy the machine is does not count."""
REPEATED_EACH: Final = 25
"""One input in so many is explained again, in one batch with the others, and by the template alone."""


class HangError(BaseException):
    """Not an Exception: nothing in the path may catch it."""


@contextmanager
def limit_cpu(seconds: float) -> Iterator[None]:
    """Raise where the block takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise HangError(f"more than {seconds} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_any_input_has_an_outcome_that_holds(seed: int) -> None:
    mutator = Mutator(load_corpus(), seed)
    pipeline = ExplanationPipeline(NonsenseGenerator())
    inputs = [mutator.make_input() for _ in range(INPUTS_A_SEED)]
    outcomes = [explain_within_limit(pipeline, value) for value in inputs]
    for value, outcome in zip(inputs, outcomes, strict=True):
        assert_holds(value, outcome)
    again = slice(None, None, REPEATED_EACH)
    assert pipeline.explain(inputs[again]) == outcomes[again]
    for value, outcome in zip(inputs[again], pipeline.explain_with_template(inputs[again]), strict=True):
        assert_holds(value, outcome, template_reason=OVERLOAD)
    decoded = sum(isinstance(outcome, Explained) for outcome in outcomes)
    print(f"seed {seed}: {decoded} of {len(inputs)} inputs are events")
    assert decoded >= LEAST_DECODED_SHARE * len(inputs)


def test_an_event_at_the_limits_of_the_contract_is_explained_in_time() -> None:
    """Each item met each entry of the history anew: 36 s of CPU for one record."""
    draw = random.Random(0)

    def draw_entry(kind: str, number: int) -> dict[str, Any]:
        attributes = {
            f"a{place}": [" ".join(draw.choices((*WORDS, *PEOPLE), k=2)) for _ in range(3)] for place in "wxyz"
        }
        return {"item_id": f"{kind}{number}", "title": f"{kind} {number}", "attributes": attributes}

    history = [draw_entry("Seen", number) | {"rating": 5} for number in range(MAX_HISTORY)]
    items = [draw_entry("Film", number) | {"rank": 1} for number in range(MAX_ITEMS)]
    preferences = [" ".join(draw.choices(WORDS, k=300)) for _ in range(MAX_PREFERENCES)]
    record = build_record(history=history, items=items, preferences=preferences)
    pipeline = ExplanationPipeline(ScriptedGenerator(write=lambda _: "no ."))
    assert_holds(record, explain_within_limit(pipeline, record))


@pytest.mark.parametrize("part", ["<t>", "word", "the <t> ,"])
def test_a_text_that_runs_on_is_turned_down_unread(part: str) -> None:
    """Filling five thousand slots and judging what comes out took minutes."""
    pipeline = ExplanationPipeline(ScriptedGenerator(write=lambda _: " ".join([part] * 5_000)))
    with limit_cpu(1.0):
        [outcome] = pipeline.explain([build_record(items=[build_item("A title of some length " * 3)])])
    assert isinstance(outcome, Explained)
    assert outcome.explanations[0].template_reason == "length"


records = st.one_of(
    st.binary(max_size=60),
    st.none(),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | odd_texts,
        lambda children: st.lists(children) | st.dictionaries(odd_texts, children),
    ).map(orjson.dumps),
    documents(is_odd=True).map(orjson.dumps),
    documents(is_odd=True).map(orjson.dumps),
)


@given(value=records)
@settings(max_examples=1_500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_drawn_input_has_an_outcome_that_holds(value: bytes | None) -> None:
    assert_holds(value, explain_within_limit(ExplanationPipeline(NonsenseGenerator()), value))


def explain_within_limit(pipeline: ExplanationPipeline, value: bytes | None) -> Outcome:
    with limit_cpu(CPU_LIMIT_SECONDS):
        [outcome] = pipeline.explain([value])
    return outcome


def assert_holds(value: bytes | None, outcome: Outcome, template_reason: str | None = None) -> None:
    """Check one outcome against the contract, and that nothing went wrong on the way but what was meant to."""
    if isinstance(outcome, Rejected):
        letter = outcome.letter
        assert (letter.stage, letter.error) in (("decode", "DecodeError"), ("schema", "SchemaError")), (letter, value)
        assert 0 < len(letter.message) < 1_000
        assert orjson.loads(encode_contract(letter)) == letter.model_dump()
        return
    assert (outcome.failed_item_ids, outcome.letter) == ((), None), (outcome.errors, value)
    event = outcome.event
    wanted = [event.items[index].item_id for index in event.items_to_explain]
    assert [explanation.item_id for explanation in outcome.explanations] == wanted, value
    reasons = [explanation.template_reason for explanation in outcome.explanations]
    assert reasons.count(GENERATION_FAILED) == outcome.generation_failures == outcome.errors.total(), value
    assert template_reason is None or set(reasons) == {template_reason}
    document = event.model_dump(mode="json")
    for explanation in outcome.explanations:
        assert_explanation_holds(explanation, document)


def assert_explanation_holds(explanation: Explanation, document: dict[str, Any]) -> None:
    encoded = encode_contract(explanation)
    assert Explanation.model_validate_json(encoded) == explanation
    assert (explanation.source == "model") is (explanation.template_reason is None)
    assert explanation.template_reason is None or explanation.template_reason.isidentifier()
    assert MIN_WORDS <= len(explanation.text.split()) <= MAX_WORDS, explanation
    assert is_displayable(explanation.text), explanation
    for one in explanation.evidence:
        field = find_field(document, one.pointer)
        quoted = explanation.text[one.start : one.end]
        assert quoted, explanation
        assert str(field)[one.field_start : one.field_end].lower() == quoted.lower(), (explanation, field)


def find_field(document: Any, pointer: str) -> Any:
    """Find the value that a JSON pointer names."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document
