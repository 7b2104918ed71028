"""A teacher behind HTTP: any endpoint with OpenAI's chat completions, through the maintained client."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from offline.oracle.options import OpenAIOptions
from offline.oracle.port import Answer, OracleError, Request

_SECONDS_PER_MINUTE = 60


class OpenAIOracle:
    """Asks for each event on its own, several at a time; the client repeats what failed, with growing pauses."""

    def __init__(self, options: OpenAIOptions) -> None:
        self.name = options.name or options.model
        self._options = options
        self._key = _read_key(options.api_key_variable)
        self._pacer = RequestPacer(options.requests_per_minute)

    def answer(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        """Ask for all requests.

        Raises:
            OracleError: a request failed for good, or as often as the recipe allows.
        """
        try:
            return asyncio.run(self._answer_all(requests, count, seed))
        except openai.OpenAIError as error:
            raise OracleError(
                f"{self._options.base_url} failed after {self._options.max_retries} retries: "
                f"{type(error).__name__}: {error}. What is finished is kept: the same command goes on from there."
            ) from error

    async def _answer_all(self, requests: Sequence[Request], count: int, seed: int) -> list[Answer]:
        places = asyncio.Semaphore(self._options.concurrency)
        # A hook of the HTTP client, so that repeated requests count for the rate limit too.
        http_client = DefaultAsyncHttpxClient(event_hooks={"request": [self._pacer.wait]})
        async with AsyncOpenAI(
            api_key=self._key,
            base_url=self._options.base_url,
            max_retries=self._options.max_retries,
            timeout=self._options.timeout_seconds,
            http_client=http_client,
        ) as client:
            asked = [self._answer_one(client, places, request, count, seed) for request in requests]
            return list(await asyncio.gather(*asked))

    async def _answer_one(
        self, client: AsyncOpenAI, places: asyncio.Semaphore, request: Request, count: int, seed: int
    ) -> Answer:
        messages: Any = [asdict(message) for message in request.prompt.render_chat()]
        sampling = self._options.sampling
        at_once = min(self._options.candidates_per_request or count, count)
        texts: list[str] = []
        prompt_tokens = completion_tokens = 0
        async with places:
            for first in range(0, count, at_once):
                completion = await client.chat.completions.create(
                    model=self._options.model,
                    messages=messages,
                    n=min(at_once, count - first),
                    seed=seed + first,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=sampling.max_tokens,
                )
                texts += [choice.message.content or "" for choice in completion.choices]
                if completion.usage is not None:
                    prompt_tokens += completion.usage.prompt_tokens
                    completion_tokens += completion.usage.completion_tokens
        return Answer(tuple(texts), prompt_tokens, completion_tokens)


class RequestPacer:
    """Spreads requests evenly: each starts at least a fixed time after the one before."""

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval_seconds = _SECONDS_PER_MINUTE / per_minute if per_minute else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    async def wait(self, _: object = None) -> None:
        """Wait for the turn of one request."""
        now = self._clock()
        turn = max(now, self._next)
        self._next = turn + self._interval_seconds
        if turn > now:
            await self._sleep(turn - now)


def _read_key(variable: str | None) -> str:
    if variable is None:
        return "none"  # The client insists on a key; endpoints that ask for none ignore it.
    key = os.environ.get(variable)
    if not key:
        raise OracleError(f"the environment variable {variable}, which is to hold the endpoint's key, is not set")
    return key
