"""The packaged model behind the core's port."""

import gzip
import os
import sys
import threading
from itertools import islice
from pathlib import Path

import orjson
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import RankingEvent
from stream_app.core.generation import DOUBT_TOKEN, Draft
from stream_app.core.prompt import build_prompt
from stream_app.core.slots import SLOT_TOKENS
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import LOWEST_PRIORITY, CTranslate2Generator, join_pieces, split_doubt

ROWS = Path(__file__).parents[2] / "offline" / "recipes" / "data" / "invented_dev.jsonl.gz"
EVENTS = 24


@pytest.fixture(scope="module")
def generator() -> CTranslate2Generator:
    return CTranslate2Generator(load_artifact(), threads=2)


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    with gzip.open(ROWS) as lines:
        events = [RankingEvent.model_validate(orjson.loads(line)["event"]) for line in islice(lines, EVENTS)]
    built = [build_prompt(event, 0) for event in events]
    return [prompt.render(plan) for prompt in built for plan in prompt.plans[:3]]


def test_batching_changes_no_text(generator: CTranslate2Generator, prompts: list[str]) -> None:
    together = generator.generate(prompts)
    alone = [generator.generate([prompt])[0] for prompt in prompts]
    backwards = generator.generate(prompts[::-1])[::-1]
    assert together == alone == backwards


def test_texts_differ_with_their_prompts(generator: CTranslate2Generator, prompts: list[str]) -> None:
    texts = [draft.text for draft in generator.generate(prompts)]
    assert len(set(texts)) > 0.9 * len(set(prompts))


def test_no_text_has_a_slot_that_its_prompt_lacks(generator: CTranslate2Generator, prompts: list[str]) -> None:
    bare = "<by-history> <long> <item> a film ; genre drama"
    written = zip([*prompts, bare], generator.generate([*prompts, bare]), strict=True)
    slots = set(SLOT_TOKENS)
    assert [draft for prompt, draft in written if (slots & set(draft.text.split())) - set(prompt.split())] == []


def test_some_texts_are_doubted_and_none_holds_the_doubt(generator: CTranslate2Generator, prompts: list[str]) -> None:
    drafts = generator.generate(prompts)
    assert 0 < sum(draft.is_doubted for draft in drafts) < len(drafts) / 2
    assert not any(DOUBT_TOKEN in draft.text for draft in drafts)


def test_a_draft_tells_how_long_its_prompt_is_for_the_model(generator: CTranslate2Generator) -> None:
    short, long, cut = generator.generate(["<item> <t>", "<item> <t> a film", "film " * 5_000])
    assert 0 < short.source_tokens < long.source_tokens < cut.source_tokens <= 1_024


def test_no_prompt_is_no_work(generator: CTranslate2Generator) -> None:
    assert generator.generate([]) == []


@pytest.mark.parametrize("prompt", ["", "x" * 100_000, "\u0000", "\U0001f600 " * 5_000, "<t>" * 2_000])
def test_any_prompt_gets_a_text(generator: CTranslate2Generator, prompt: str) -> None:
    assert isinstance(generator.generate([prompt])[0], Draft)


def test_the_same_weights_can_be_computed_in_another_type(prompts: list[str]) -> None:
    (draft,) = CTranslate2Generator(load_artifact(), compute_type="float32").generate(prompts[:1])
    assert draft.text
    with pytest.raises(ModelUnusableError, match="cannot load"):
        CTranslate2Generator(load_artifact(), compute_type="float7")


def build_tokenizer(pieces: str) -> Tokenizer:
    vocabulary = {piece: index for index, piece in enumerate([*pieces.split(), "[UNK]"])}
    return Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))


def test_word_pieces_are_joined_to_words() -> None:
    tokenizer = build_tokenizer("trans ##lat ##or , <t> ' s")
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    assert join_pieces(tokenizer, range(7)) == "translator , <t> ' s"


def test_byte_pairs_are_joined_to_words_and_slots_stand_apart() -> None:
    # A byte-level token with a space in front of it is written with 'Ġ'.
    pieces = "<t> Ġis Ġlike <h1> , Ġ<n12> 's Ġna Ã¯ ve <y3>".split()
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    assert join_pieces(tokenizer, range(len(pieces))) == "<t> is like <h1> , <n12> 's naïve <y3>"


def test_no_pieces_are_no_text() -> None:
    tokenizer = build_tokenizer("a")
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    assert join_pieces(tokenizer, []) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority belongs to the whole process")
def test_threads_of_a_model_in_the_background_have_the_lowest_priority_and_no_others() -> None:
    before = list_priorities()
    generator = CTranslate2Generator(load_artifact(), threads=2, is_background=True)
    added = {thread: priority for thread, priority in list_priorities().items() if thread not in before}
    assert len(added) >= 2
    assert set(added.values()) == {LOWEST_PRIORITY}
    assert generator.generate(["<by-item> <short> <plain> <item> <t> a film ; genre drama"])
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < LOWEST_PRIORITY


def list_priorities() -> dict[int, int]:
    threads = [int(path.name) for path in Path("/proc/self/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


@pytest.mark.parametrize(
    ("tokens", "text", "is_doubted"),
    [
        (["a", "film", "<meh>"], ["a", "film"], True),
        (["a", "film"], ["a", "film"], False),
        (["a", "<meh>", "film"], ["a", "<meh>", "film"], False),
        (["<meh>"], [], True),
        ([], [], False),
    ],
)
def test_doubt_stands_after_a_text_and_nowhere_else(tokens: list[str], text: list[str], is_doubted: bool) -> None:
    assert split_doubt(tokens, DOUBT_TOKEN) == (text, is_doubted)
