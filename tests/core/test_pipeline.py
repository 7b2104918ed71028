"""The whole path, with a scripted model: one outcome a record, whatever happens on the way."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.core import pipeline as pipeline_module
from stream_app.core.errors import GenerationError, ModelUnusableError
from stream_app.core.events import Explanation, RankingEvent, decode_event
from stream_app.core.generation import Draft, generate_each
from stream_app.core.pipeline import MAX_ATTEMPTS, Explained, ExplanationPipeline, Outcome, Rejected
from stream_app.core.prompt import compute_prompt_fingerprint
from stream_app.core.template import WrittenText, write_template
from tests.factories import build_history_item, build_item, build_record
from tests.fakes import ACCEPTED_TEXT, ScriptedGenerator, read_title, write_by_prompt
from tests.strategies import documents

FILM = {"genre": ["crime", "thriller"], "director": "Ada Fenwick"}
UNSURE = (("one day", 0.8), ("some day", 0.6), ("this day", 0.7), ("when there is time", 0.9))
KNOWN = {"history": [build_history_item(attributes=FILM)], "items": [build_item(attributes=FILM)]}


def explain_one(generator: ScriptedGenerator, **overrides: object) -> Explained:
    """Explain one event that is sure to be valid."""
    (outcome,) = ExplanationPipeline(generator).explain([build_record(**overrides)])
    assert isinstance(outcome, Explained)
    return outcome


def test_a_text_of_the_model_is_filled_and_cited() -> None:
    (explanation,) = explain_one(ScriptedGenerator()).explanations
    assert explanation.text == "You might want to take a look at Harbour Lights when there is time."
    assert (explanation.source, explanation.template_reason, explanation.language) == ("model", None, "en")
    (evidence,) = explanation.evidence
    assert explanation.text[evidence.start : evidence.end] == "Harbour Lights"
    assert evidence.pointer == "/items/0/title"


def test_the_tokens_of_every_attempt_are_counted() -> None:
    class Counting(ScriptedGenerator):
        def generate(self, prompts: Sequence[str]) -> list[Draft]:
            return [replace(draft, source_tokens=10) for draft in super().generate(prompts)]

    outcome = explain_one(Counting(), items=[build_item(item_id="a", rank=1), build_item(item_id="b", rank=2)])
    assert outcome.source_tokens == 20
    refused = explain_one(Counting(write=lambda _: "no ."))
    assert refused.source_tokens == 10 * MAX_ATTEMPTS


def test_an_explanation_repeats_the_ids_of_its_event() -> None:
    record = {"event_id": "e-7", "items": [build_item(item_id="i-9", rank=4)], "user": {"user_id": "u-3"}}
    (explanation,) = explain_one(ScriptedGenerator(), **record).explanations
    assert (explanation.event_id, explanation.user_id, explanation.item_id, explanation.rank) == (
        "e-7",
        "u-3",
        "i-9",
        4,
    )
    assert explanation.model.name == "scripted"
    assert explanation.prompt_fingerprint == compute_prompt_fingerprint()


def test_each_record_has_one_outcome_in_order() -> None:
    records = [build_record(event_id="a"), b"{", build_record(event_id="b"), None, build_record(items=[])]
    outcomes = ExplanationPipeline(ScriptedGenerator()).explain(records)
    stages = [outcome.letter.stage if isinstance(outcome, Rejected) else outcome.event.event_id for outcome in outcomes]
    assert stages == ["a", "decode", "b", "decode", "schema"]


def test_a_dead_letter_names_the_error() -> None:
    (outcome,) = ExplanationPipeline(ScriptedGenerator()).explain([build_record(items=[])])
    assert isinstance(outcome, Rejected)
    assert outcome.letter.error == "SchemaError"
    assert "items" in outcome.letter.message


def test_no_records_have_no_outcomes_and_ask_nothing_of_the_model() -> None:
    generator = ScriptedGenerator()
    assert ExplanationPipeline(generator).explain([]) == []
    assert ExplanationPipeline(generator).explain([b"{"])
    assert not any(generator.calls)


def test_items_are_explained_in_their_order() -> None:
    items = [build_item(title, rank=rank) for title, rank in [("Salt", 3), ("Slate", 1), ("Marrow", 2)]]
    explained = explain_one(ScriptedGenerator(), items=items)
    assert [explanation.rank for explanation in explained.explanations] == [3, 1, 2]
    assert all(read in one.text for read, one in zip(["Salt", "Slate", "Marrow"], explained.explanations, strict=True))


def test_only_the_best_ranks_are_explained_if_the_event_says_so() -> None:
    items = [build_item(f"Lantern {index}", rank=9 - index) for index in range(5)]
    explained = explain_one(ScriptedGenerator(), items=items, explain_top_k=2)
    assert [explanation.rank for explanation in explained.explanations] == [6, 5]


def test_where_the_model_fails_on_one_prompt_only_that_item_gets_the_template() -> None:
    generator = ScriptedGenerator(fails_on=lambda prompt: read_title(prompt) == "Slate")
    items = [build_item(title) for title in ("Salt", "Slate", "Marrow", "Lantern", "Orrery")]
    explanations = explain_one(generator, items=items).explanations
    assert [explanation.source for explanation in explanations] == ["model", "template", "model", "model", "model"]
    assert explanations[1].template_reason == "generation_failed"


def test_a_failing_prompt_is_found_by_bisection() -> None:
    generator = ScriptedGenerator(fails_on=lambda prompt: prompt == "p5")
    texts = generate_each(generator, [f"p{index}" for index in range(8)])
    assert [text is None for text in texts] == [index == 5 for index in range(8)]
    assert len(generator.calls) == 7


def explain_with_drafts(*drafts: Draft) -> Explanation:
    """Explain one item with drafts that come one after the other."""
    waiting = list(drafts)

    class DraftingGenerator(ScriptedGenerator):
        def generate(self, prompts: Sequence[str]) -> list[Draft]:
            return [waiting.pop(0) for _ in prompts]

    (explanation,) = explain_one(DraftingGenerator(), items=[build_item("Salt")]).explanations
    return explanation


def explain_with_texts(*texts: str, **known: object) -> str:
    """Explain one item with texts that come one after the other, the last one for good."""
    waiting = list(texts)
    generator = ScriptedGenerator(write=lambda _: waiting[0] if len(waiting) == 1 else waiting.pop(0))
    (explanation,) = explain_one(generator, **known).explanations
    return explanation.text


def test_of_unsure_texts_the_likeliest_is_taken_and_a_sure_one_ends_the_search() -> None:
    texts = [(f"you might want to take a look at <t> {words} .", -loss) for words, loss in UNSURE]
    unsure = [Draft(text, log_probability, is_sure=False) for text, log_probability in texts]
    sure = Draft("there may be time for <t> when you are ready again .", -0.3)
    assert "some day" in explain_with_drafts(*unsure).text
    assert "ready again" in explain_with_drafts(unsure[0], sure).text
    assert "ready again" in explain_with_drafts(sure).text


def test_a_text_that_adds_a_word_of_its_own_gives_way_to_one_that_keeps_to_the_event() -> None:
    adding = Draft("there may be time for <t> when you are free .", -0.1)
    keeping = Draft("there may be time for <t> when you are ready again .", -0.9)
    assert "ready again" in explain_with_drafts(adding, keeping).text
    assert "are free" in explain_with_drafts(adding, *[Draft("no .")] * 4).text


def test_a_text_that_the_model_doubts_gives_way_to_another_text() -> None:
    doubted = Draft("there may be time for <t> and you again .", -0.1, is_sure=False, is_doubted=True)
    other = Draft("there may be time for <t> when you are ready again .", -0.9, is_sure=False)
    assert "ready again" in explain_with_drafts(doubted, other, *[Draft("no .")] * 3).text
    assert "and you again" in explain_with_drafts(doubted, *[Draft("no .")] * 4).text


def test_a_text_that_likens_and_tells_little_gives_way_to_one_that_tells_more() -> None:
    known = {
        "history": [build_history_item("Marrow", attributes={"genre": "drama"})],
        "items": [build_item("Salt", attributes={"genre": ["drama", "crime"], "setting": "harbour"})],
    }
    texts = [
        "like <h1> , which you loved , <t> is a drama .",
        "you loved the drama <h1> , and <t> is a harbour crime drama .",
    ]
    assert "harbour" in explain_with_texts(*texts, **known)


def test_a_reason_that_nothing_connects_with_the_item_is_the_last_choice() -> None:
    known = {
        "history": [build_history_item("Marrow", attributes={"genre": "war"})],
        "items": [build_item("Salt")],
    }
    texts = ["you loved the war of <h1> , and <t> is there .", "there may be time for <t> when you are ready again ."]
    assert explain_with_texts(*texts, **known).startswith("There may be time")


def test_of_two_sure_texts_the_one_that_meets_a_wish_is_taken() -> None:
    known = {
        "preferences": ["Slow letters."],
        "items": [build_item("Salt", summary="Slow letters in a harbour.")],
    }
    texts = [
        "there may be time for <t> and its harbour again .",
        "you like slow letters , and they are there in <t> .",
    ]
    assert explain_with_texts(*texts, **known).startswith("You like slow letters")


def test_a_text_that_names_a_liked_item_is_taken_before_one_that_names_none() -> None:
    known = {
        "history": [build_history_item("Marrow", attributes={"genre": "western"})],
        "items": [build_item("Salt", attributes={"genre": "western"})],
    }
    texts = [
        "there may be time for the western <t> when you are ready again .",
        "like <h1> , which you loved , <t> is a western .",
    ]
    assert explain_with_texts(*texts, **known).startswith("Like Marrow, which you loved,")


def test_an_unsure_text_is_better_than_the_template() -> None:
    explanation = explain_with_drafts(Draft(ACCEPTED_TEXT, -0.9, is_sure=False), *[Draft("no .")] * 4)
    assert explanation.source == "model"


def test_a_broken_model_stops_everything() -> None:
    def break_down(prompt: str) -> str:
        raise ModelUnusableError(prompt)

    with pytest.raises(ModelUnusableError):
        explain_one(ScriptedGenerator(write=break_down))


def test_a_rejected_text_is_tried_again_in_another_style() -> None:
    styles: list[str] = []

    def write(prompt: str) -> str:
        styles.append(" ".join(prompt.split()[:2]))
        return ACCEPTED_TEXT if len(styles) > 2 else "too short ."

    explained = explain_one(ScriptedGenerator(write=write), **KNOWN)
    assert explained.explanations[0].source == "model"
    assert len(set(styles[:3])) == 3
    assert explained.violations["length"] == 2


@pytest.mark.parametrize(
    ("slotted", "reason"),
    [
        ("<h7> was one that you loved , and <t> is just like that one .", "unknown_slot"),
        ("<t> is a western that was directed by <n1> with great care .", "unsupported_word"),
        ("<t> is good .", "length"),
        ("you might want to look at <t> which came out in 1999 or so .", "unsupported_number"),
        ("", "length"),
    ],
)
def test_a_text_that_the_gate_turns_down_is_replaced_by_the_template(slotted: str, reason: str) -> None:
    explained = explain_one(ScriptedGenerator(write=lambda _: slotted), **KNOWN)
    (explanation,) = explained.explanations
    assert (explanation.source, explanation.template_reason) == ("template", reason)
    assert explanation.text == write_template(explained.event, 0).text
    assert explained.violations[reason] == MAX_ATTEMPTS


def test_the_number_of_attempts_is_bounded() -> None:
    generator = ScriptedGenerator(write=lambda _: "no .")
    ExplanationPipeline(generator, max_attempts=2).explain([build_record(**KNOWN)])
    assert len(generator.calls) == 2


def test_accepted_items_are_not_written_again() -> None:
    generator = ScriptedGenerator(write=lambda prompt: "no ." if read_title(prompt) == "Slate" else ACCEPTED_TEXT)
    explain_one(generator, items=[build_item("Salt"), build_item("Slate")])
    assert [len(call) for call in generator.calls] == [2] + [1] * (MAX_ATTEMPTS - 1)


@pytest.mark.parametrize(
    ("locale", "flags"),
    [
        (None, []),
        ("en", []),
        ("en-GB", []),
        ("EN_us", []),
        ("de", ["locale_not_supported"]),
        ("ja-JP", ["locale_not_supported"]),
    ],
)
def test_another_locale_is_answered_in_english_and_flagged(locale: str | None, flags: list[str]) -> None:
    (explanation,) = explain_one(ScriptedGenerator(), locale=locale).explanations
    assert explanation.flags == flags
    assert explanation.language == "en"


def test_a_title_with_our_own_tokens_is_explained_without_them() -> None:
    (explanation,) = explain_one(ScriptedGenerator(), items=[build_item("<n1> <same> [SEP]", item_id="a")]).explanations
    assert explanation.text == "You might want to take a look at this item when there is time."
    assert explanation.evidence == []


def test_a_failing_generator_is_tried_again_after_a_pause_and_a_failure_that_passes_changes_nothing() -> None:
    failures, pauses = [1, 1, 1], list[float]()

    def fail(prompt: str) -> bool:
        return read_title(prompt) == "Slate" and bool(failures and failures.pop())

    records = [build_record(items=[build_item(title) for title in ("Salt", "Slate", "Marrow")])]
    recovered = ExplanationPipeline(ScriptedGenerator(write_by_prompt, fail), pause=pauses.append).explain(records)
    assert recovered == ExplanationPipeline(ScriptedGenerator(write_by_prompt)).explain(records)
    assert pauses == [0.1]


def test_failures_of_the_generator_are_counted_by_item_and_named_by_type() -> None:
    generator = ScriptedGenerator(fails_on=lambda prompt: read_title(prompt) != "Slate")
    explained = explain_one(generator, items=[build_item(title) for title in ("Salt", "Slate", "Marrow")])
    assert explained.generation_failures == 2
    assert explained.errors == {"GenerationError": 2}
    assert (explained.failed_item_ids, explained.letter) == ((), None)


def test_after_a_failed_generation_no_other_text_of_the_model_is_taken() -> None:
    """Whoever repeats the record when the generator works again must not see another text of the same model."""

    class SecondPlanFails(ScriptedGenerator):
        def generate(self, prompts: Sequence[str]) -> list[Draft]:
            self.calls.append(list(prompts))
            if len(self.calls) > 1:
                raise GenerationError
            return [Draft(ACCEPTED_TEXT, -0.9, is_sure=False) for _ in prompts]

    generator = SecondPlanFails()
    (explanation,) = explain_one(generator).explanations
    assert (explanation.source, explanation.template_reason) == ("template", "generation_failed")
    assert len({call[0] for call in generator.calls}) == 2


def test_an_unexpected_error_of_the_generator_stays_with_its_prompt() -> None:
    def write(prompt: str) -> str:
        if read_title(prompt) == "Slate":
            raise ZeroDivisionError(prompt)
        return ACCEPTED_TEXT

    explained = explain_one(ScriptedGenerator(write), items=[build_item(title) for title in ("Salt", "Slate")])
    assert [explanation.source for explanation in explained.explanations] == ["model", "template"]
    assert explained.errors == {"ZeroDivisionError": 1}


@pytest.mark.parametrize("log_probability", [-math.inf, math.nan])
def test_a_text_that_the_gate_lets_through_is_taken_however_unlikely(log_probability: float) -> None:
    text = "you loved <h1> , and there may be time for <t> when you are free ."
    known = {"history": [build_history_item("Marrow", attributes={"genre": "war"})], "items": [build_item("Salt")]}

    class UnlikelyGenerator(ScriptedGenerator):
        def generate(self, prompts: Sequence[str]) -> list[Draft]:
            return [Draft(text, log_probability, is_sure=False) for _ in prompts]

    explained = explain_one(UnlikelyGenerator(), **known)
    assert not explained.violations
    assert explained.explanations[0].source == "model"


@pytest.mark.parametrize("step", ["build_prompt", "judge_slotted"])
def test_a_bug_on_one_item_gives_it_the_template_and_its_neighbours_their_texts(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(pipeline_module, step)

    def fail_on_odd(*arguments: object) -> object:
        event, index = (arguments[-2], arguments[-1])
        assert isinstance(event, RankingEvent)
        assert isinstance(index, int)
        if event.items[index].title == "Odd":
            raise KeyError("Confidential-Contents")
        return real(*arguments)

    monkeypatch.setattr(pipeline_module, step, fail_on_odd)
    generator = ScriptedGenerator()
    records = [build_record(items=[build_item("Salt"), build_item("Odd")]), build_record()]
    odd, plain = ExplanationPipeline(generator).explain(records)
    assert isinstance(odd, Explained)
    assert isinstance(plain, Explained)
    assert [one.source for one in odd.explanations] == ["model", "template"]
    assert odd.explanations[1].template_reason == "internal_error"
    assert odd.generation_failures == 1
    assert set(odd.errors) == {"KeyError"}
    assert plain.explanations[0].source == "model"
    # Nothing is written twice: only the odd item may be asked about again.
    assert sum("Salt" in prompt or "Harbour" in prompt for call in generator.calls for prompt in call) == 2


def break_template(monkeypatch: pytest.MonkeyPatch, *titles: str) -> None:
    """Let the template fail on items of these titles."""

    def fail_or_write(event: RankingEvent, index: int) -> WrittenText:
        if event.items[index].title in titles:
            raise LookupError("Confidential-Contents")
        return write_template(event, index)

    monkeypatch.setattr(pipeline_module, "write_template", fail_or_write)


def test_items_for_which_even_the_template_fails_are_named_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    break_template(monkeypatch, "Slate")
    items = [build_item(title) for title in ("Salt", "Slate", "Marrow")]
    explained = explain_one(ScriptedGenerator(write=lambda _: "no ."), items=items)
    assert [explanation.item_id for explanation in explained.explanations] == ["item-Salt", "item-Marrow"]
    assert explained.failed_item_ids == ("item-Slate",)
    assert explained.letter is not None
    assert (explained.letter.stage, explained.letter.error) == ("explain", "LookupError")
    assert explained.letter.message == "1 of 3 items could not be explained, not even by the template"
    assert explained.letter.attempts == 1


def test_a_letter_says_how_often_the_model_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    break_template(monkeypatch, "Slate")
    items = [build_item("Salt"), build_item("Slate")]
    explained = explain_one(ScriptedGenerator(fails_on=lambda prompt: "Slate" in prompt), items=items)
    assert explained.letter is not None
    assert (explained.letter.error, explained.letter.attempts) == ("LookupError", 3)


def test_a_record_of_which_every_item_fails_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    break_template(monkeypatch, "Salt", "Slate")
    records = [build_record(items=[build_item("Salt"), build_item("Slate")]), build_record()]
    rejected, explained = ExplanationPipeline(ScriptedGenerator(write=lambda _: "no .")).explain(records)
    assert isinstance(rejected, Rejected)
    assert (rejected.letter.stage, rejected.letter.error) == ("explain", "LookupError")
    assert "Confidential" not in rejected.letter.message
    assert isinstance(explained, Explained)


def test_an_unexpected_error_of_decoding_rejects_its_record_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_on_odd(record: bytes | None) -> RankingEvent:
        if record == b"odd":
            raise TypeError("Confidential-Contents")
        return decode_event(record)

    monkeypatch.setattr(pipeline_module, "decode_event", fail_on_odd)
    rejected, explained = ExplanationPipeline(ScriptedGenerator()).explain([b"odd", build_record()])
    assert isinstance(rejected, Rejected)
    assert (rejected.letter.stage, rejected.letter.error) == ("decode", "TypeError")
    assert "Confidential" not in rejected.letter.message
    assert isinstance(explained, Explained)


@pytest.mark.parametrize("step", ["decode_event", "build_prompt", "judge_slotted", "write_template"])
@pytest.mark.parametrize("error", [ModelUnusableError("gone"), MemoryError()])
def test_a_broken_machine_is_never_taken_for_an_odd_record(
    step: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise error

    monkeypatch.setattr(pipeline_module, step, break_down)
    with pytest.raises(type(error)):
        ExplanationPipeline(ScriptedGenerator(write=lambda _: "no .")).explain([build_record()])


def test_the_template_alone_answers_at_once_and_says_why() -> None:
    generator = ScriptedGenerator()
    records = [build_record(**KNOWN), b"{", build_record(items=[build_item(title) for title in ("Salt", "Slate")])]
    outcomes = ExplanationPipeline(generator).explain_with_template(records)
    assert generator.calls == []
    first, rejected, second = outcomes
    assert isinstance(rejected, Rejected)
    assert rejected.letter.stage == "decode"
    assert isinstance(first, Explained)
    assert isinstance(second, Explained)
    explanations = (*first.explanations, *second.explanations)
    assert [(one.source, one.template_reason) for one in explanations] == [("template", "overload")] * 3
    assert first.explanations[0].text == write_template(first.event, 0).text
    assert (first.generation_failures, first.errors, first.violations) == (0, Counter(), Counter())


def test_the_template_alone_gives_the_ids_that_the_model_would_have_given() -> None:
    pipeline = ExplanationPipeline(ScriptedGenerator())
    records = [build_record(**KNOWN)]
    (hurried,), (explained,) = pipeline.explain_with_template(records), pipeline.explain(records)
    assert isinstance(hurried, Explained)
    assert isinstance(explained, Explained)
    assert hurried.explanations[0].explanation_id == explained.explanations[0].explanation_id


records = st.one_of(
    st.binary(max_size=60),
    st.none(),
    documents(is_odd=True).map(orjson.dumps),
    documents().map(orjson.dumps),
    st.tuples(documents().map(orjson.dumps), st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]]),
)
slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@given(batch=st.lists(records, max_size=5))
@slow
def test_any_bytes_have_an_outcome_and_batching_changes_none(batch: list[bytes | None]) -> None:
    pipeline = ExplanationPipeline(ScriptedGenerator(write=write_by_prompt))
    together = pipeline.explain(batch)
    assert len(together) == len(batch)
    assert together == [outcome for record in batch for outcome in pipeline.explain([record])]
    for outcome in together:
        assert_complete(outcome)


@given(batch=st.lists(documents().map(orjson.dumps), min_size=1, max_size=4), threshold=st.integers(0, 255))
@slow
def test_a_model_that_fails_here_and_there_loses_no_item(batch: list[bytes], threshold: int) -> None:
    generator = ScriptedGenerator(write=write_by_prompt, fails_on=lambda prompt: sum(prompt.encode()) % 256 < threshold)
    for outcome in ExplanationPipeline(generator).explain(batch):
        assert_complete(outcome)


def assert_complete(outcome: Outcome) -> None:
    if isinstance(outcome, Rejected):
        assert outcome.letter.stage in ("decode", "schema")
        assert outcome.letter.message
        return
    expected = [outcome.event.items[index].item_id for index in outcome.event.items_to_explain]
    assert [explanation.item_id for explanation in outcome.explanations] == expected
    assert all(8 <= len(explanation.text.split()) <= 40 for explanation in outcome.explanations)
