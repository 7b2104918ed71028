"""The packaged model behind the core's port."""

from pathlib import Path

import orjson
import pytest

from stream_app.core.events import RankingEvent
from stream_app.core.prompt import build_prompt
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator, join_pieces

ROWS = Path(__file__).parents[1] / "offline" / "dev_rows.jsonl"


@pytest.fixture(scope="module")
def generator() -> CTranslate2Generator:
    return CTranslate2Generator(load_artifact(), threads=2)


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    events = [RankingEvent.model_validate(orjson.loads(line)["event"]) for line in ROWS.read_bytes().splitlines()]
    built = [build_prompt(event, 0) for event in events]
    return [prompt.render(style) for prompt in built for style in prompt.styles[:3]]


def test_batching_changes_no_text(generator: CTranslate2Generator, prompts: list[str]) -> None:
    together = generator.generate(prompts)
    alone = [generator.generate([prompt])[0] for prompt in prompts]
    backwards = generator.generate(prompts[::-1])[::-1]
    assert together == alone == backwards


def test_texts_differ_with_their_prompts(generator: CTranslate2Generator, prompts: list[str]) -> None:
    texts = generator.generate(prompts)
    assert len(set(texts)) > 0.9 * len(set(prompts))


def test_no_prompt_is_no_work(generator: CTranslate2Generator) -> None:
    assert generator.generate([]) == []


@pytest.mark.parametrize("prompt", ["", "x" * 100_000, "\u0000", "\U0001f600 " * 5_000, "<t>" * 2_000])
def test_any_prompt_gets_a_text(generator: CTranslate2Generator, prompt: str) -> None:
    assert isinstance(generator.generate([prompt])[0], str)


def test_pieces_are_joined_to_words() -> None:
    assert join_pieces(["trans", "##lat", "##or", ",", "<t>"]) == "translator , <t>"
