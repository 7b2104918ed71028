"""The port to the model: the core knows nothing of CTranslate2, the runtime nothing of events."""

from collections.abc import Sequence
from typing import Protocol

from stream_app.core.errors import GenerationError
from stream_app.core.events import ModelIdentity


class TextGenerator(Protocol):
    """Writes one slotted text for each prompt, always the same text for the same prompt."""

    @property
    def identity(self) -> ModelIdentity:
        """Name and version of the model."""
        ...

    def generate(self, prompts: Sequence[str]) -> list[str]:
        """Write for each prompt, in order.

        Raises:
            GenerationError: at least one of the prompts could not be written for; which one is not said.
            ModelUnusableError: no prompt can be written for.
        """
        ...


def generate_each(generator: TextGenerator, prompts: Sequence[str]) -> list[str | None]:
    """Generate for all prompts; where the generator fails, find the prompts at fault by bisection.

    Returns:
        One entry a prompt: its slotted text, or None where the generator fails even on that prompt alone.
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
