"""The port to the model: the core knows nothing of CTranslate2, the runtime nothing of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_app.core.errors import GenerationError
from stream_app.core.events import ModelIdentity


@dataclass(frozen=True, slots=True)
class Draft:
    """A slotted text, and how sure the model is of it."""

    text: str
    log_probability: float = 0.0
    """Mean over the text's tokens, in nats; 0 is certain."""
    is_sure: bool = True
    """Whether that is as much as this model's clean texts have; of an unsure text, another attempt may be better."""


class TextGenerator(Protocol):
    """Writes one slotted text for each prompt, always the same text for the same prompt."""

    @property
    def identity(self) -> ModelIdentity:
        """Name and version of the model."""
        ...

    def generate(self, prompts: Sequence[str]) -> list[Draft]:
        """Write for each prompt, in order.

        Raises:
            GenerationError: at least one of the prompts could not be written for; which one is not said.
            ModelUnusableError: no prompt can be written for.
        """
        ...


def generate_each(generator: TextGenerator, prompts: Sequence[str]) -> list[Draft | None]:
    """Generate for all prompts; where the generator fails, find the prompts at fault by bisection.

    Returns:
        One entry a prompt: its draft, or None where the generator fails even on that prompt alone.
    """
    if not prompts:
        return []
    try:
        return list(generator.generate(prompts))
    except GenerationError:
        if len(prompts) == 1:
            return [None]
        middle = len(prompts) // 2
        return generate_each(generator, prompts[:middle]) + generate_each(generator, prompts[middle:])
