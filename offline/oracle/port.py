"""The port to the Oracle: what is asked of a teacher and what it answers, whoever serves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from offline.oracle.prompt import OraclePrompt
from offline.steps import StepError


class OracleError(StepError):
    """The Oracle cannot go on. What is finished is kept: the same command goes on from there."""


@dataclass(frozen=True, slots=True)
class Request:
    """One explanation to write, and the one that the data brought with it, if any."""

    prompt: OraclePrompt
    recorded: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The candidates for one request, as written, and the tokens that they cost; 0 where nothing was computed."""

    candidates: tuple[str, ...]
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Oracle(Protocol):
    """Writes candidates for a batch of requests; local ones write the same for the same batch, count and seed."""

    @property
    def name(self) -> str:
        """What the rows name as their teacher."""
        ...

    def answer(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        """Write up to `count` candidates for each request, in order.

        Raises:
            OracleError: it cannot write, and trying again now would not help.
        """
        ...
