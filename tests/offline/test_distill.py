"""Training with a student of a few thousand weights: what it writes, what adds to the loss, and being killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BartForConditionalGeneration

from offline.cli import main
from offline.distill import SECONDS_NAME, find_checkpoint
from offline.facts import TrainingFacts
from offline.losses import compute_unlikelihood, mark_rejected_tokens
from offline.pair_dataset import PairDataset, build_collator
from offline.recorded_rows import build_pairs, load_rows
from offline.steps import StepError, load_manifest
from offline.tokenizer import BEGIN, PAD, find_id
from stream_app.core.prompt import PROMPT_TOKENS
from tests.offline.distilling import (
    TRAINING,
    build_bart,
    build_word_pieces,
    run_distill,
    save_byte_pair_start,
    save_word_piece_start,
    write_selected,
)
from tests.offline.selected_rows import write_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
ROOT = Path(__file__).parents[2]
START = {"kind": "pretrained", "model": "start/best"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with selected rows, a start, and `undisturbed/`, the step's work on them."""
    folder = write_selected(tmp_path_factory.mktemp("distill"))
    save_word_piece_start(folder / "start")
    run_distill(folder, "undisturbed", start=START)
    return folder


def load_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "best" / "model.safetensors")


def ensure_same_weights(one: Path, other: Path) -> None:
    left, right = load_weights(one), load_weights(other)
    assert left.keys() == right.keys()
    assert [name for name in left if not torch.equal(left[name], right[name])] == []


def test_the_step_leaves_weights_tokenizer_and_facts(root: Path) -> None:
    folder = root / "undisturbed"
    assert {path.name for path in folder.iterdir()} == {"checkpoints", "best", "tokenizer.json", "training.json"}
    facts = TrainingFacts.model_validate_json((folder / "training.json").read_bytes())
    assert (facts.pairs, facts.dropped, facts.seed, facts.epochs) == (10, 0, 1, 2)
    assert "loss" in facts.dev_figures
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = BartForConditionalGeneration.from_pretrained(folder / "best")
    assert facts.vocabulary == tokenizer.get_vocab_size() == model.config.vocab_size
    assert facts.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert all(tokenizer.token_to_id(token) is not None for token in PROMPT_TOKENS)


def test_training_changes_encoder_and_decoder(root: Path) -> None:
    before, after = load_file(root / "start" / "best" / "model.safetensors"), load_weights(root / "undisturbed")
    for name in ("model.encoder.layers.0.fc1.weight", "model.decoder.layers.0.fc1.weight", "model.shared.weight"):
        assert not torch.equal(before[name], after[name])


def test_a_run_killed_inside_a_checkpoint_goes_on_to_the_same_weights(root: Path) -> None:
    # Checkpoints at steps 1, 2, ...: the fifth is in the second epoch.
    command = [sys.executable, "-m", "tests.offline.distilling", str(root), "killed"]
    command += [orjson.dumps({"start": START}).decode(), "5"]
    (root / "killed").mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=500, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    checkpoints = root / "killed" / "checkpoints"
    torn = max(checkpoints.iterdir(), key=lambda path: int(path.name.split("-")[1]))
    assert (torn / "model.safetensors").exists()
    whole = find_checkpoint(checkpoints)
    assert whole is not None
    assert int(whole.name.split("-")[1]) == int(torn.name.split("-")[1]) - 1
    (whole / SECONDS_NAME).write_text("5000.0")

    run_distill(root, "killed", start=START)
    ensure_same_weights(root / "killed", root / "undisturbed")
    facts = [
        TrainingFacts.model_validate_json((root / name / "training.json").read_bytes())
        for name in (
            "killed",
            "undisturbed",
        )
    ]
    assert 5000 <= facts[0].seconds < 6000, "the time before the interruption counts"
    assert facts[0].model_copy(update={"seconds": 0}) == facts[1].model_copy(update={"seconds": 0})


def test_a_checkpoint_without_a_whole_state_is_none(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "none") is None
    for name, state in (("checkpoint-8", "{}"), ("checkpoint-12", "{}"), ("checkpoint-20", '{"a"'), ("other", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text(state, encoding="utf-8")
    (tmp_path / "checkpoint-30").mkdir()
    assert find_checkpoint(tmp_path) == tmp_path / "checkpoint-12"


def measure_unlikelihood(root: Path, name: str) -> float:
    folder = root / name
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = BartForConditionalGeneration.from_pretrained(folder / "best")
    model.eval()  # type: ignore[no-untyped-call]
    pairs, _ = build_pairs(load_rows(root / "select" / "train.jsonl"))
    dataset = PairDataset(pairs, tokenizer, has_rejected=True)
    collate = build_collator(find_id(tokenizer, PAD), find_id(tokenizer, BEGIN))
    batch = collate([dataset[index] for index in range(len(pairs))])
    with torch.no_grad():
        logits = model(batch["input_ids"], batch["attention_mask"], decoder_input_ids=batch["rejected_ids"]).logits
    return compute_unlikelihood(logits, mark_rejected_tokens(batch["rejected_labels"], batch["labels"])).item()


def test_with_unlikelihood_rejected_words_are_less_likely_than_without(root: Path) -> None:
    training = TRAINING | {"evaluations": 1, "epochs": 6, "decoder_learning_rate": 5e-3}
    run_distill(root, "plain", start=START, training=training)
    run_distill(root, "unlikely", start=START, training=training | {"unlikelihood_weight": 5})
    assert measure_unlikelihood(root, "unlikely") < measure_unlikelihood(root, "plain")


def measure_distance(root: Path, name: str, teacher: Path) -> float:
    pairs, _ = build_pairs(load_rows(root / "select" / "dev.jsonl"))
    folder = root / name
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    dataset = PairDataset(pairs, tokenizer)
    models = [BartForConditionalGeneration.from_pretrained(path) for path in (folder / "best", teacher)]
    for model in models:
        model.eval()  # type: ignore[no-untyped-call]
    collate = build_collator(find_id(tokenizer, PAD), find_id(tokenizer, BEGIN))
    batch = collate([dataset[index] for index in range(len(pairs))])
    with torch.no_grad():
        student, taught = (model(**batch).logits.log_softmax(-1)[batch["labels"] != -100] for model in models)
    return torch.nn.functional.kl_div(student, taught, log_target=True, reduction="batchmean").item()


def test_with_a_teacher_the_student_comes_closer_to_it(root: Path) -> None:
    training = TRAINING | {"evaluations": 1, "epochs": 6, "label_smoothing": 0}
    run_distill(
        root, "teacher", start=START, training=training | {"decoder_learning_rate": 1e-2, "is_augmented": False}
    )
    teacher = root / "teacher" / "best"
    training |= {"decoder_learning_rate": 5e-3}
    run_distill(root, "alone", start=START, training=training)
    # The teacher's path is relative to the recipe, as all paths are.
    run_distill(root, "taught", start=START, teacher="teacher/best", training=training | {"word_level_weight": 0.9})
    assert measure_distance(root, "taught", teacher) < measure_distance(root, "alone", teacher)


def test_word_level_distillation_refuses_another_vocabulary_even_of_the_same_size(root: Path) -> None:
    tokenizer = build_word_pieces(root / "other")
    document = orjson.loads(tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    vocabulary["film"], vocabulary["watch"] = vocabulary["watch"], vocabulary["film"]
    other = Tokenizer.from_str(orjson.dumps(document).decode())
    build_bart(other, "[CLS]", "[PAD]", "[SEP]").save_pretrained(root / "other" / "best")
    other.save(str(root / "other" / "tokenizer.json"))
    training = TRAINING | {"word_level_weight": 0.5}
    size = other.get_vocab_size()
    with pytest.raises(StepError, match=rf"{size} entries and the student's {size}, {size - 2} are the same"):
        run_distill(root, "refused", start=START, teacher="other/best", training=training)


@pytest.mark.parametrize(
    "options",
    [{"teacher": "start/best"}, {"training": TRAINING | {"word_level_weight": 0.5}}],
    ids=["teacher", "weight"],
)
def test_a_teacher_without_weight_or_a_weight_without_teacher_is_refused(
    root: Path, options: dict[str, object]
) -> None:
    with pytest.raises(StepError, match="needs both"):
        run_distill(root, "refused", start=START, **options)


def test_a_model_that_is_not_there_is_an_error_of_the_step(root: Path) -> None:
    # A name that the hub cannot have, so that nobody asks it.
    with pytest.raises(StepError, match="cannot load no/such/folder"):
        run_distill(root, "refused", start=START | {"model": "no/such/folder"})


def test_without_rows_to_measure_on_nothing_starts(tmp_path: Path) -> None:
    write_rows(tmp_path / "select" / "train.jsonl", range(2))
    write_rows(tmp_path / "select" / "dev.jsonl", [])
    with pytest.raises(StepError, match="2 pairs to train with and 0 to measure on"):
        run_distill(tmp_path, "distill", start=START)


def test_a_pretrained_start_learns_the_prompts_tokens(root: Path) -> None:
    save_byte_pair_start(root / "byte-pairs")
    start = {"kind": "pretrained", "model": "byte-pairs"}
    run_distill(
        root, "pretrained", start=start, training=TRAINING | {"evaluations": 1, "stop_by": "joint"}, max_pairs=8
    )
    facts = TrainingFacts.model_validate_json((root / "pretrained" / "training.json").read_bytes())
    assert facts.pairs == 8
    assert {"loss", "joint", "passes_gate", "rouge_l"} <= facts.dev_figures.keys()
    model = BartForConditionalGeneration.from_pretrained(root / "pretrained" / "best")
    tokenizer = Tokenizer.from_file(str(root / "pretrained" / "tokenizer.json"))
    assert all(len(tokenizer.encode(token, add_special_tokens=False).ids) == 1 for token in PROMPT_TOKENS)
    assert model.config.vocab_size == tokenizer.get_vocab_size()
    assert model.config.decoder_start_token_id == model.config.bos_token_id


RECIPE = """name = "trial"
[[prepare.sources]]
adapter = "recorded"
path = "rows/train.jsonl"
dev_path = "rows/dev.jsonl"
[select]
dev = "all"
require_personal = false
require_specific = false
max_skeleton_copies = 99
max_similarity = 1
[distill.start]
kind = "pretrained"
model = "start/best"
[distill.training]
epochs = 1
batch_size = 2
evaluations = 1
metric_rows = 4
precision = "fp32"
unlikelihood_weight = 0.5
"""


def test_two_processes_share_the_work_and_one_of_them_writes(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows" / "train.jsonl", range(10))
    write_rows(tmp_path / "rows" / "dev.jsonl", range(10, 14))
    save_word_piece_start(tmp_path / "start")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    arguments = [str(tmp_path / "recipe.toml"), "--run", str(tmp_path / "run")]
    assert main(["run", *arguments, "--until", "select"]) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "offline.cli", "--", "distill", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=500, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("distill: ") == 1
    folder = tmp_path / "run" / "distill"
    manifest = load_manifest(folder)
    assert {"best/model.safetensors", "tokenizer.json", "training.json"} <= manifest.outputs.keys()
    whole = find_checkpoint(folder / "checkpoints")
    assert whole is not None
    # Each of the two left its random state, and they halved the steps.
    assert {path.name for path in whole.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    pairs = orjson.loads((folder / "training.json").read_bytes())["pairs"]
    steps = orjson.loads((whole / "trainer_state.json").read_bytes())["global_step"]
    assert steps <= -(-pairs // 4)
