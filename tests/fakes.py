"""A model for tests: it writes what the test tells it to, in the form that the student writes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream_app.core.errors import GenerationError
from stream_app.core.events import ModelIdentity
from stream_app.core.generation import Draft

ACCEPTED_TEXT = "you might want to take a look at <t> when there is time ."
"""A slotted text that is true of every item."""


def write_accepted_text(prompt: str) -> str:
    """Write the same true text for every prompt."""
    assert prompt
    return ACCEPTED_TEXT


def write_by_prompt(prompt: str) -> str:
    """Write a true text that depends on the prompt, so that mixed up answers show."""
    openings = ("you might want to take a look at", "there may be time for", "you could make some time for")
    return f"{openings[sum(prompt.encode()) % len(openings)]} <t> when you are free again ."


@dataclass
class ScriptedGenerator:
    """A TextGenerator that calls a function for each prompt and fails where the test says so."""

    write: Callable[[str], str] = write_accepted_text
    fails_on: Callable[[str], bool] = lambda _: False
    identity: ModelIdentity = field(default_factory=lambda: ModelIdentity(name="scripted", version="1"))
    calls: list[list[str]] = field(default_factory=list)

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write for each prompt, or fail for all of them if one of them is to fail."""
        self.calls.append(list(prompts))
        if any(self.fails_on(prompt) for prompt in prompts):
            raise GenerationError("one of the prompts cannot be written for")
        return [Draft(self.write(prompt)) for prompt in prompts]


def read_title(prompt: str) -> str:
    """Read the item's title out of a prompt."""
    match = re.search(r"<item> <t> (.*?)(?= ;| <|\Z)", prompt)
    assert match is not None
    return match[1]
