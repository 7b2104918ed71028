"""The port to the model: the core knows nothing of CTranslate2, the runtime nothing of events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from stream_app.core.errors import BROKEN_MACHINE
from stream_app.core.events import ModelIdentity
from stream_app.core.slots import Liking

MAX_TRIES: Final = 3
"""How often a prompt is tried on which the generator fails: what a moment's lack of memory broke works again."""
FIRST_PAUSE_SECONDS: Final = 0.1
"""Before the second try; doubled before each further one."""

DOUBT_TOKEN: Final = Liking.OTHER.value
"""Written after a text by a student that was taught to judge its own: a reader would find a fault in it.

Every student's tokenizer has this token of the prompt, and no prompt shows it: what was not liked is left out.
"""

Pause = Callable[[float], None]
"""Waits for so many seconds. The core has no clock: what waits is handed in."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A slotted text, and how sure the model is of it."""

    text: str
    log_probability: float = 0.0
    """Mean over all that was written, the end too, in nats; 0 is certain."""
    is_sure: bool = True
    """Whether that is as much as this model's clean texts have; of an unsure text, another attempt may be better."""
    is_doubted: bool = False
    """Whether the model itself expects a reader to find a fault in it."""
    source_tokens: int = 0
    """Length of the prompt as the model reads it; for a metric."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What stands in place of a draft where the generator fails even on one prompt alone."""

    error: str
    """Name of the error's type; its message may quote the prompt."""


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
    return [draft if isinstance(draft, Draft) else None for draft in _bisect(generator, prompts)]


def generate_persistently(generator: TextGenerator, prompts: Sequence[str], pause: Pause) -> list[Draft | Failure]:
    """Generate for all prompts; those on which the generator fails are tried MAX_TRIES times, with growing pauses.

    All failed prompts are tried again together, so a batch waits for 0.3 s at most, however many prompts fail.

    Returns:
        One entry a prompt: its draft, or the last failure.
    """
    drafts = _bisect(generator, prompts)
    for retry in range(MAX_TRIES - 1):
        failed = [index for index, draft in enumerate(drafts) if isinstance(draft, Failure)]
        if not failed:
            break
        pause(FIRST_PAUSE_SECONDS * 2**retry)
        again = _bisect(generator, [prompts[index] for index in failed])
        for index, draft in zip(failed, again, strict=True):
            drafts[index] = draft
    return drafts


def _bisect(generator: TextGenerator, prompts: Sequence[str]) -> list[Draft | Failure]:
    if not prompts:
        return []
    result = _generate(generator, prompts)
    if not isinstance(result, Failure):
        return result
    if len(prompts) == 1:
        return [result]
    middle = len(prompts) // 2
    return _bisect(generator, prompts[:middle]) + _bisect(generator, prompts[middle:])


def _generate(generator: TextGenerator, prompts: Sequence[str]) -> list[Draft | Failure] | Failure:
    """Generate for all prompts or for none: an error of an unexpected type says no more than a GenerationError."""
    try:
        drafts = list(generator.generate(prompts))
    except BROKEN_MACHINE:
        raise
    except Exception as error:
        return Failure(type(error).__name__)
    # Too few or too many: nobody knows which text belongs to which prompt.
    return [*drafts] if len(drafts) == len(prompts) else Failure("DraftsMiscounted")
