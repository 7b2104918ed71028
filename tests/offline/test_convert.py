"""From a trained student to an artifact that the worker loads, whatever tokenizer it has."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BartForConditionalGeneration

from offline.convert import Agreement, ConvertOptions, add_doubt, convert
from offline.recorded_rows import build_pairs, load_rows
from offline.steps import StepContext
from stream_app.core.generation import DOUBT_TOKEN
from stream_app.core.prompt import PROMPT_TOKENS, build_prompt
from stream_app.core.slots import SLOT_TOKENS
from stream_app.runtime.artifact import load_artifact
from stream_app.runtime.generator import CTranslate2Generator
from tests.factories import build_event
from tests.offline.distilling import TRAINING, run_distill, save_byte_pair_start, save_word_piece_start, write_selected

pytestmark = pytest.mark.slow
LONG_PROMPT = "<by-item> <short> <item> <t> the film " + "by ada lund " * 200


def run_convert(root: Path, name: str = "convert", steps: Sequence[str] = (), **options: Any) -> StepContext:
    folder = root / name
    folder.mkdir(exist_ok=True)
    inputs = {step: root / step for step in ("select", "distill", *steps)}
    context = StepContext(folder=folder, inputs=inputs, seed=1, base=root)
    convert(ConvertOptions.model_validate({"agreement_rows": 3, **options}), context)
    return context


def prefer_token(folder: Path, token: str) -> None:
    """Make trained weights write one token wherever they may: chance alone would rarely show it."""
    model = BartForConditionalGeneration.from_pretrained(folder / "best")
    index = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id(token)
    assert isinstance(model.final_logits_bias, torch.Tensor)
    model.final_logits_bias[0, index] = 30.0
    model.save_pretrained(folder / "best")


@pytest.fixture(scope="module", params=["word-pieces", "byte-pairs"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `convert/`, of a student with either kind of tokenizer that writes the item's slot."""
    folder = write_selected(tmp_path_factory.mktemp("convert"))
    if request.param == "word-pieces":
        save_word_piece_start(folder / "start")
    else:
        save_byte_pair_start(folder / "start" / "best")
    start = {"kind": "pretrained", "model": "start/best"}
    run_distill(folder, "distill", start=start, training=TRAINING | {"epochs": 1, "evaluations": 1})
    prefer_token(folder / "distill", "<t>")
    run_convert(folder)
    return folder


def test_the_artifact_is_one_that_the_worker_loads_and_writes_with(root: Path) -> None:
    artifact = load_artifact(str(root / "convert"))
    assert artifact.manifest.name == "candidate"
    assert set(artifact.manifest.files) == {"model.bin", "config.json", "shared_vocabulary.json", "tokenizer.json"}
    prompt = build_prompt(build_event(), 0)
    (draft,) = CTranslate2Generator(artifact).generate([prompt.render(prompt.plans[0])])
    assert draft.text


def test_slots_come_out_as_words_of_their_own(root: Path) -> None:
    generator = CTranslate2Generator(load_artifact(str(root / "convert")))
    drafts = generator.generate(["<t> the film", "you loved <t> , a film"])
    words = [word for draft in drafts for word in draft.text.split()]
    assert "<t>" in words
    assert {word for word in words if "<" in word} <= set(PROMPT_TOKENS)


def test_a_slot_that_the_prompt_lacks_is_not_written(root: Path) -> None:
    generator = CTranslate2Generator(load_artifact(str(root / "convert")))
    (draft,) = generator.generate(["you loved the film"])
    assert not {word for word in draft.text.split() if word in SLOT_TOKENS}


def test_a_prompt_that_is_too_long_is_cut(root: Path) -> None:
    generator = CTranslate2Generator(load_artifact(str(root / "convert")))
    assert isinstance(generator.generate([LONG_PROMPT])[0].text, str)


def test_both_precisions_are_compared_on_the_first_rows(root: Path) -> None:
    agreement = Agreement.model_validate_json((root / "convert" / "agreement.json").read_bytes())
    assert agreement.rows == 3
    assert agreement.bytes_int8 == (root / "convert" / "model.bin").stat().st_size < agreement.bytes_float32
    document = orjson.loads((root / "convert" / "agreement.json").read_bytes())
    shares = [value for name, value in document.items() if name.startswith(("exact", "passes", "rouge"))]
    assert len(shares) == 5
    assert all(0 <= share <= 1 for share in shares)


def test_drafts_are_sure_from_what_the_agreement_says(root: Path) -> None:
    agreement = Agreement.model_validate_json((root / "convert" / "agreement.json").read_bytes())
    artifact = load_artifact(str(root / "convert"))
    assert artifact.manifest.sure_from == agreement.sure_from < 0
    drafts = CTranslate2Generator(artifact).generate(["<t> the film", "you loved <t> , a film"])
    assert [draft.is_sure for draft in drafts] == [draft.log_probability >= agreement.sure_from for draft in drafts]


def test_converting_again_replaces_what_is_there_with_the_same(root: Path) -> None:
    folder = root / "convert"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "model.bin").write_bytes(b"torn")
    context = run_convert(root)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert context.counts == {"rows_compared": 3}


def test_a_refined_student_is_the_one_that_is_converted(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root, tmp_path / "run"))
    shutil.copytree(folder / "distill", folder / "refine")
    tokenizer = Tokenizer.from_file(str(folder / "distill" / "tokenizer.json"))
    unrefined = CTranslate2Generator(load_artifact(str(folder / "convert"))).generate(["<t>"])[0].text
    words = {tokenizer.decode([index]).strip(): token for token, index in tokenizer.get_vocab().items()}
    word = max((word for word in words if word.isalpha() and word not in unrefined), key=lambda word: (len(word), word))
    prefer_token(folder / "refine", words[word])
    run_convert(folder, "refined", steps=("refine",))
    assert word in CTranslate2Generator(load_artifact(str(folder / "refined"))).generate(["<t>"])[0].text


def test_a_student_doubts_the_share_of_its_texts_that_is_asked_for(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root, tmp_path / "run"))
    student = BartForConditionalGeneration.from_pretrained(folder / "distill" / "best")
    index = Tokenizer.from_file(str(folder / "distill" / "tokenizer.json")).token_to_id(DOUBT_TOKEN)
    prompts = [pair.source for pair in build_pairs(load_rows(folder / "select" / "train.jsonl"))[0]]
    assert isinstance(student.final_logits_bias, torch.Tensor)
    student.final_logits_bias[0, index] = -3.0
    assert add_doubt(student, folder / "distill", prompts, 0.5) == pytest.approx(3, abs=0.3)
    assert student.final_logits_bias[0, index].item() == pytest.approx(0, abs=0.3)
    run_convert(folder, doubted_share=0.5)
    agreement = Agreement.model_validate_json((folder / "convert" / "agreement.json").read_bytes())
    assert agreement.doubt_bias is not None


def test_with_a_vocabulary_map_only_tokens_of_targets_are_written(root: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(root, tmp_path / "run"))
    tokenizer = Tokenizer.from_file(str(folder / "distill" / "tokenizer.json"))
    pairs, _ = build_pairs(load_rows(folder / "select" / "train.jsonl"))
    known = {token for pair in pairs for token in tokenizer.encode(pair.target).tokens}
    prompts = ["you loved <t>", " ".join(pair.source for pair in pairs[:3]), pairs[0].source]
    unknown = [token for token in tokenizer.encode(prompts[1]).tokens if token not in {*known, *PROMPT_TOKENS}]
    rare = max(unknown, key=len)
    prefer_token(folder / "distill", rare)
    context = run_convert(folder, "mapped", vocabulary_map=1)
    assert context.counts["tokens_that_may_be_written"] == len(known | {*SLOT_TOKENS, DOUBT_TOKEN})
    assert "vmap.txt" in load_artifact(str(folder / "mapped")).manifest.files
    run_convert(folder)
    free, mapped = (CTranslate2Generator(load_artifact(str(folder / name))) for name in ("convert", "mapped"))
    word = tokenizer.decode([tokenizer.get_vocab()[rare]]).strip()
    # Of each its first and its later calls: the map must not depend on the calls before.
    for prompt in (*prompts, *reversed(prompts)):
        assert word in free.generate([prompt])[0].text
        text = mapped.generate([prompt])[0].text
        assert word not in text
        assert "<t>" in text
        assert text == CTranslate2Generator(load_artifact(str(folder / "mapped"))).generate([prompt])[0].text
