from pathlib import Path

import pytest

from offline.recorded_rows import load_rows
from offline.selection.report import SelectionReport
from offline.steps import StepError
from tests.offline.oracle.tiny_models import save_causal, save_seq2seq
from tests.offline.selection.select_run import BAD, GOOD, PLAIN, build_row, read_rows, run_select


def read_report(root: Path) -> SelectionReport:
    return SelectionReport.model_validate_json((root / "select" / "report.json").read_bytes())


def test_the_best_candidate_is_chosen_and_only_wrong_ones_are_rejected(tmp_path: Path) -> None:
    context = run_select(tmp_path, [build_row([BAD, PLAIN, GOOD])], [], {})
    (row,) = read_rows(tmp_path / "select" / "train.jsonl")
    assert row["explanation"] == GOOD
    assert [text["text"] for text in row["rejected"]] == [BAD]
    assert "unsupported_name" in row["rejected"][0]["reasons"]
    assert context.counts["train_rows"] == context.counts["train_chosen"] == 1
    assert context.counts["train_rejected_unsupported_name"] == 1


def test_a_recording_can_be_read_from_what_is_written(tmp_path: Path) -> None:
    run_select(tmp_path, [build_row([BAD, GOOD])], [], {})
    (row,) = load_rows(tmp_path / "select" / "train.jsonl")
    assert (row.kind, row.explanation, row.rejected) == ("film", GOOD, (BAD,))


def test_rows_without_a_candidate_that_passes_are_dropped_and_counted(tmp_path: Path) -> None:
    context = run_select(tmp_path, [build_row([BAD]), build_row([]), build_row([GOOD])], [], {})
    assert len(read_rows(tmp_path / "select" / "train.jsonl")) == 1
    assert context.counts["train_dropped"] == 2


def test_a_text_that_was_chosen_before_gives_way_to_the_next_best(tmp_path: Path) -> None:
    run_select(tmp_path, [build_row([GOOD]), build_row([GOOD, PLAIN]), build_row([GOOD])], [], {})
    rows = read_rows(tmp_path / "select" / "train.jsonl")
    assert [row["explanation"] for row in rows] == [GOOD, PLAIN]
    assert rows[1]["rejected"] == []
    assert read_report(tmp_path).splits["train"].reasons["near_duplicate"].count == 2


def test_the_copies_of_a_skeleton_are_limited(tmp_path: Path) -> None:
    titles = ["Harbour Lights", "Winter Crossing", "Salt Road", "Low Tide"]
    rows = [build_row([GOOD.replace("Harbour Lights", title)], title) for title in titles]
    run_select(tmp_path, rows, [], {"max_skeleton_copies": 2, "max_similarity": 1.0})
    assert len(read_rows(tmp_path / "select" / "train.jsonl")) == 2
    assert read_report(tmp_path).splits["train"].reasons["repeated_skeleton"].count == 2


def test_dev_rows_are_selected_like_others_or_kept_as_they_are(tmp_path: Path) -> None:
    dev = [build_row([BAD, GOOD]), build_row([BAD]), build_row([])]
    run_select(tmp_path, [], dev, {}, "selected")
    assert [row["explanation"] for row in read_rows(tmp_path / "selected" / "dev.jsonl")] == [GOOD]
    run_select(tmp_path, [], dev, {"dev": "all"})
    assert [row["explanation"] for row in read_rows(tmp_path / "select" / "dev.jsonl")] == [BAD, BAD]
    assert read_report(tmp_path).splits["dev"].reasons["unsupported_name"].count == 2


def test_the_report_tells_acceptance_by_kind_and_shows_three_examples_a_reason(tmp_path: Path) -> None:
    rows = [build_row([BAD, GOOD]), *(build_row([BAD], kind="book") for _ in range(5))]
    run_select(tmp_path, rows, [], {})
    split = read_report(tmp_path).splits["train"]
    assert (split.kinds["film"].rows_chosen, split.kinds["film"].candidates_passed) == (1, 1)
    assert (split.kinds["book"].rows, split.kinds["book"].rows_chosen) == (5, 0)
    assert split.reasons["unsupported_name"].count == 6
    assert len(split.reasons["unsupported_name"].examples) == 3
    assert split.chosen_positions == {1: 1}
    page = (tmp_path / "select" / "report.md").read_text(encoding="utf-8")
    assert "| film | 1 | 1 | 100.0% | 2 | 1 | 50.0% |" in page
    assert page.count(BAD) >= 3


def test_markup_of_a_text_does_not_reach_the_page(tmp_path: Path) -> None:
    run_select(tmp_path, [build_row(["<script>alert(1)</script> | *you* [x](y)"], title="<b>Bold</b>")], [], {})
    page = (tmp_path / "select" / "report.md").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<b>" not in page
    assert r"\| \*you\* \[x\](y)" in page


def test_the_same_rows_give_the_same_files(tmp_path: Path) -> None:
    rows = [build_row([BAD, PLAIN, GOOD]), build_row([PLAIN]), *(build_row([BAD]) for _ in range(9))]
    run_select(tmp_path, rows, rows[:1], {}, "one")
    run_select(tmp_path, rows, rows[:1], {}, "two")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_processes_give_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [build_row([BAD, PLAIN, GOOD]), build_row([BAD]), build_row([GOOD])]
    run_select(tmp_path, rows, [], {}, "alone")
    monkeypatch.setattr("offline.selection.select.MANY_ROWS", 2)
    run_select(tmp_path, rows, [], {}, "shared")
    for name in ("train.jsonl", "report.json"):
        assert (tmp_path / "shared" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_a_line_that_is_no_labelled_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"train\.jsonl, line 2"):
        run_select(tmp_path, [build_row([GOOD]), {"kind": "film"}], [], {})


def test_a_language_model_enters_the_score_and_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    save_causal(tmp_path / "model")
    options = {"language_model": {"model": "model", "device": "cpu", "dtype": "float32", "batch_size": 1}}
    rows = [build_row([BAD, PLAIN, GOOD])]
    run_select(tmp_path, rows, [], options)
    assert 0 < read_report(tmp_path).splits["train"].mean_scores["likelihood"] < 1

    log = (tmp_path / "select" / "scratch" / "fluency_train.jsonl").read_bytes().splitlines(keepends=True)
    assert len(log) == 2
    (tmp_path / "resumed" / "scratch").mkdir(parents=True)
    (tmp_path / "resumed" / "scratch" / "fluency_train.jsonl").write_bytes(log[0] + log[1][:9])
    run_select(tmp_path, rows, [], options, "resumed")
    for name in ("train.jsonl", "report.json", "scratch/fluency_train.jsonl"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "select" / name).read_bytes()


def test_texts_that_a_language_model_finds_unlikely_are_turned_down(tmp_path: Path) -> None:
    save_causal(tmp_path / "model")
    model = {"model": "model", "device": "cpu", "dtype": "float32", "min_log_probability": -0.001}
    run_select(tmp_path, [build_row([GOOD])], [], {"language_model": model})
    assert set(read_report(tmp_path).splits["train"].reasons) == {"not_fluent"}


def test_a_seq2seq_model_cannot_judge_fluency(tmp_path: Path) -> None:
    save_seq2seq(tmp_path / "model")
    options = {"language_model": {"model": "model", "device": "cpu", "dtype": "float32"}}
    with pytest.raises(StepError, match="no causal model"):
        run_select(tmp_path, [build_row([GOOD])], [], options)
