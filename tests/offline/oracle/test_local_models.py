"""Teachers in this process: T5 and Llama of a few thousand weights, through transformers and CTranslate2."""

from pathlib import Path
from typing import Any

import pytest

from offline.oracle.port import OracleError
from tests.offline.oracle.label_run import read_candidates, run_label, write_prepared
from tests.offline.oracle.tiny_models import save_causal, save_seq2seq, save_tokenizer

SAMPLING = {"max_tokens": 12, "temperature": 1.0}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ctranslate2.converters import TransformersConverter

    folder = tmp_path_factory.mktemp("models")
    for source in (save_seq2seq(folder / "seq2seq"), save_causal(folder / "causal")):
        converted = folder / f"{source.name}_int8"
        TransformersConverter(str(source)).convert(str(converted), quantization="int8")
        save_tokenizer(converted, chat=source.name == "causal")
    return folder


def build_options(models: Path, backend: str, kind: str, **sampling: Any) -> dict[str, Any]:
    oracle: dict[str, Any] = {"backend": backend, "device": "cpu", "sampling": SAMPLING | sampling}
    if backend == "ctranslate2":
        oracle |= {"model": str(models / f"{kind}_int8"), "kind": kind, "threads": 1}
    else:
        oracle |= {"model": str(models / kind), "dtype": "float32"}
    return {"oracle": oracle, "candidates": 3, "batch_size": 2}


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
@pytest.mark.parametrize("kind", ["seq2seq", "causal"])
def test_candidates_are_drawn_by_seed_and_going_on_gives_the_same(
    models: Path, tmp_path: Path, backend: str, kind: str
) -> None:
    options = build_options(models, backend, kind)
    write_prepared(tmp_path / "prepare", train=3, dev=2)
    counts = run_label(tmp_path, options, "whole").counts
    whole = read_candidates(tmp_path / "whole")
    assert all(whole)
    assert counts["candidates"] + counts["empty_candidates"] + counts["repeated_candidates"] == 5 * 3
    assert len({text for candidates in whole for text in candidates}) > 5
    assert 0 < counts["completion_tokens"] <= 5 * 3 * 12
    assert counts["prompt_tokens"] > 5 * 50

    log = tmp_path / "resumed" / "scratch" / "finished.jsonl"
    log.parent.mkdir(parents=True)
    lines = (tmp_path / "whole" / "scratch" / "finished.jsonl").read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[1][:10])
    run_label(tmp_path, options, "resumed")
    assert read_candidates(tmp_path / "resumed") == whole
    run_label(tmp_path, options, "other_seed", seed=2)
    assert read_candidates(tmp_path / "other_seed") != whole


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_a_temperature_of_zero_takes_the_likeliest_texts(models: Path, tmp_path: Path, backend: str) -> None:
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    options = build_options(models, backend, "seq2seq", temperature=0)
    run_label(tmp_path, options, seed=1)
    run_label(tmp_path, options, "other_seed", seed=2)
    assert read_candidates(tmp_path / "label") == read_candidates(tmp_path / "other_seed")


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        ({"backend": "transformers", "model": "nowhere/at/all"}, "cannot load the model"),
        ({"backend": "transformers", "model": "package:no_such_package"}, "no_such_package is not installed"),
        ({"backend": "ctranslate2", "model": "nowhere", "kind": "causal"}, "holds no model converted"),
    ],
)
def test_a_model_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oracle: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    write_prepared(tmp_path / "prepare", train=1, dev=0)
    with pytest.raises(OracleError, match=message):
        run_label(tmp_path, {"oracle": oracle})
