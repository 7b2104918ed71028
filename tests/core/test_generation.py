"""Generation that fails: which prompts are found at fault, how often they are tried, and what ends everything."""

from collections.abc import Sequence

import pytest

from stream_app.core.errors import GenerationError, ModelUnusableError
from stream_app.core.generation import MAX_TRIES, Draft, Failure, generate_each, generate_persistently
from tests.fakes import ACCEPTED_TEXT, ScriptedGenerator

PROMPTS = [f"p{index}" for index in range(8)]


class Waiting:
    """Notes how long it is asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class FailingGenerator(ScriptedGenerator):
    """Fails on a prompt with the next error of its list, until there is none."""

    def __init__(self, errors: dict[str, list[Exception]]) -> None:
        super().__init__()
        self.errors = errors

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        self.calls.append(list(prompts))
        for prompt in prompts:
            if len(prompts) == 1 and self.errors.get(prompt):
                raise self.errors[prompt].pop(0)
            if self.errors.get(prompt):
                raise GenerationError
        return [Draft(ACCEPTED_TEXT) for _ in prompts]

    def count_tries(self, prompt: str) -> int:
        return self.calls.count([prompt])


def test_without_a_failure_nothing_is_tried_twice_and_nothing_waits() -> None:
    generator, pause = ScriptedGenerator(), Waiting()
    assert generate_persistently(generator, PROMPTS, pause) == [Draft(ACCEPTED_TEXT)] * 8
    assert (generator.calls, pause.seconds) == ([PROMPTS], [])


def test_a_failing_prompt_is_tried_three_times_with_growing_pauses() -> None:
    generator, pause = FailingGenerator({"p5": [GenerationError()] * 9}), Waiting()
    drafts = generate_persistently(generator, PROMPTS, pause)
    assert [isinstance(draft, Draft) for draft in drafts] == [index != 5 for index in range(8)]
    assert drafts[5] == Failure("GenerationError")
    assert generator.count_tries("p5") == MAX_TRIES == 3
    assert pause.seconds == [0.1, 0.2]


def test_many_failing_prompts_wait_together() -> None:
    pause = Waiting()
    drafts = generate_persistently(ScriptedGenerator(fails_on=lambda _: True), PROMPTS, pause)
    assert drafts == [Failure("GenerationError")] * 8
    assert sum(pause.seconds) == pytest.approx(0.3)


def test_a_failure_that_passes_leaves_no_trace() -> None:
    generator, pause = FailingGenerator({"p1": [GenerationError()], "p6": [OSError(), GenerationError()]}), Waiting()
    assert generate_persistently(generator, PROMPTS, pause) == [Draft(ACCEPTED_TEXT)] * 8
    assert pause.seconds == [0.1, 0.2]


@pytest.mark.parametrize("error", [GenerationError("p3"), ValueError("p3"), RuntimeError("p3"), RecursionError()])
def test_an_error_of_any_type_is_the_prompts_own_and_its_message_is_not_kept(error: Exception) -> None:
    generator = FailingGenerator({"p3": [error] * 9})
    drafts = generate_persistently(generator, PROMPTS, Waiting())
    assert drafts[3] == Failure(type(error).__name__)
    assert sum(isinstance(draft, Draft) for draft in drafts) == 7


@pytest.mark.parametrize("error", [ModelUnusableError("gone"), MemoryError()])
def test_a_broken_machine_is_not_tried_again(error: Exception) -> None:
    generator, pause = FailingGenerator({"p3": [error]}), Waiting()
    with pytest.raises(type(error)):
        generate_persistently(generator, PROMPTS, pause)
    assert pause.seconds == []


def test_drafts_that_are_not_as_many_as_the_prompts_belong_to_none() -> None:
    class MiscountingGenerator(ScriptedGenerator):
        def generate(self, prompts: Sequence[str]) -> list[Draft]:
            return super().generate(prompts) + [Draft("")] * ("p2" in prompts)

    drafts = generate_each(MiscountingGenerator(), PROMPTS)
    assert [draft is None for draft in drafts] == [index == 2 for index in range(8)]


def test_no_prompts_ask_nothing() -> None:
    generator = ScriptedGenerator()
    assert generate_persistently(generator, [], Waiting()) == []
    assert generator.calls == []
