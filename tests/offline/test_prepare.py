"""The prepare step: the same input gives the same files, and nobody is in both splits."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from offline.datasets.rows import SourceError
from offline.prepare import PrepareOptions, list_input_files, prepare
from offline.steps import StepContext, run_step
from stream_app.core.events import decode_event
from tests.factories import build_document
from tests.offline.datasets.logs import Entry, write_dat, write_recbole

FRAME = Path(__file__).parent / "datasets" / "frame_protocol_4.pkl"


def build_options(*sources: dict[str, Any], **options: Any) -> PrepareOptions:
    return PrepareOptions.model_validate({"sources": sources} | options)


def write_recorded(path: Path, users: list[str]) -> None:
    events = (build_document(user={"user_id": user}, event_id=f"{path.stem}-{user}") for user in users)
    rows = ({"kind": "book", "event": event, "explanation": "T"} for event in events)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def write_films(folder: Path, users: int = 60) -> Path:
    folder.mkdir()
    write_dat(folder, [Entry(str(user), item, 5, 978_300_000 + int(item)) for user in range(users) for item in "1234"])
    return folder


def run(options: PrepareOptions, base: Path, name: str = "out", seed: int = 0) -> StepContext:
    context = StepContext(folder=base / name, base=base, seed=seed)
    prepare(options, context)
    return context


def read(context: StepContext, split: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (context.folder / f"{split}.jsonl").read_bytes().splitlines()]


def list_users(rows: list[dict[str, Any]]) -> set[str]:
    return {row["event"]["user"]["user_id"] for row in rows}


def test_rows_are_events_of_one_item_that_the_worker_would_accept(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    context = run(build_options({"adapter": "movielens", "path": "films"}), tmp_path)
    rows = read(context, "train") + read(context, "dev")
    assert len(rows) == 120
    for row in rows:
        assert row.keys() == {"kind", "event", "recorded"}
        assert len(decode_event(orjson.dumps(row["event"])).items) == 1


def test_a_share_of_the_users_is_held_out_and_nobody_is_in_both_splits(tmp_path: Path) -> None:
    write_films(tmp_path / "films", users=200)
    context = run(build_options({"adapter": "movielens", "path": "films"}, dev_share=0.3), tmp_path)
    train, dev = list_users(read(context, "train")), list_users(read(context, "dev"))
    assert not train & dev
    assert len(train | dev) == 200
    assert 40 <= len(dev) <= 80


def test_a_train_row_of_a_user_in_dev_is_dropped_and_counted(tmp_path: Path) -> None:
    write_recorded(tmp_path / "train.jsonl", ["u1", "u2", "u3", "u2"])
    write_recorded(tmp_path / "dev.jsonl", ["u2", "u4"])
    source = {"adapter": "recorded", "path": "train.jsonl", "dev_path": "dev.jsonl"}
    context = run(build_options(source), tmp_path)
    assert list_users(read(context, "train")) == {"u1", "u3"}
    assert list_users(read(context, "dev")) == {"u2", "u4"}
    assert context.counts == {"book: train": 2, "book: dev": 2, "book: dropped, the user is in dev": 2}


def test_the_split_holds_across_sources_too(tmp_path: Path) -> None:
    users = [f"u{number}" for number in range(50)]
    write_recorded(tmp_path / "one.jsonl", users)
    write_recorded(tmp_path / "two.jsonl", users)
    write_recorded(tmp_path / "three.jsonl", users[:5])
    sources = [
        {"adapter": "recorded", "path": "one.jsonl", "dev_path": "three.jsonl"},
        {"adapter": "recorded", "path": "two.jsonl"},
    ]
    context = run(build_options(*sources, dev_share=0.4), tmp_path)
    train, dev = list_users(read(context, "train")), list_users(read(context, "dev"))
    assert not train & dev
    assert set(users[:5]) < dev


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    options = build_options({"adapter": "movielens", "path": "films", "rows_per_user": 1, "history_min": 1})

    def hash_files(name: str, seed: int) -> list[bytes]:
        context = run(options, tmp_path, name, seed)
        return [path.read_bytes() for path in sorted(context.folder.iterdir())]

    assert hash_files("a", 1) == hash_files("b", 1) != hash_files("c", 2)


def test_what_a_killed_run_left_behind_changes_nothing(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    options = build_options({"adapter": "movielens", "path": "films"})
    expected = run(options, tmp_path, "undisturbed")
    scratch = tmp_path / "killed" / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "train.jsonl").write_text('{"torn')
    (scratch / "interactions.sqlite3").write_bytes(b"half a database")
    (tmp_path / "killed" / "train.jsonl").write_text("torn")
    again = run(options, tmp_path, "killed")
    assert read(again, "train") == read(expected, "train")
    assert sorted(path.name for path in again.folder.iterdir()) == ["dev.jsonl", "dropped.json", "train.jsonl"]


def test_a_limit_takes_a_part_and_leaves_nothing_open(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    context = run(build_options({"adapter": "movielens", "path": "films", "limit": 7}), tmp_path)
    assert len(read(context, "train")) + len(read(context, "dev")) == 7


def test_what_was_left_out_is_counted_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_films(tmp_path / "films")
    with (tmp_path / "films" / "ratings.dat").open("a") as ratings:
        ratings.write("not a rating\n")
    context = run(build_options({"adapter": "movielens", "path": "films"}), tmp_path)
    assert context.counts["1 movielens: dropped, bad line"] == 1
    place = "ratings.dat, line 241: 1 columns instead of 4"
    assert f"prepare: 1 movielens: 1 x bad line, such as {place}" in capsys.readouterr().err
    dropped = orjson.loads((context.folder / "dropped.json").read_bytes())
    assert dropped == {"1 movielens": {"bad line": {"count": 1, "first": [place]}}}


def test_an_optional_source_may_be_missing_and_another_may_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_recorded(tmp_path / "rows.jsonl", ["u1"])
    there = {"adapter": "recorded", "path": "rows.jsonl"}
    missing = {"adapter": "yelp", "path": "yelp"}
    context = run(build_options(there, missing | {"optional": True}), tmp_path)
    assert context.counts["2 yelp: skipped, path is missing"] == 1
    assert "2 yelp is skipped: yelp does not exist" in capsys.readouterr().err
    with pytest.raises(SourceError, match="is missing"):
        run(build_options(there, missing), tmp_path)


def test_a_source_without_rows_says_why(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    options = build_options({"adapter": "movielens", "path": "films", "history_min": 5, "history_max": 9})
    with pytest.raises(SourceError, match="1 movielens: films gave no rows; user with too little history, such as"):
        run(options, tmp_path)


def test_every_adapter_can_be_named_in_a_recipe(tmp_path: Path) -> None:
    write_recorded(tmp_path / "rows.jsonl", ["u1"])
    (tmp_path / "events.jsonl").write_bytes(orjson.dumps(build_document(user={"user_id": "u9"})) + b"\n")
    (tmp_path / "atomic").mkdir()
    write_recbole(tmp_path / "atomic", [Entry("1", item, 5, 978_300_000 + int(item)) for item in "1234"])
    sources = [
        {"adapter": "recorded", "path": "rows.jsonl"},
        {"adapter": "events", "path": "events.jsonl", "kind": "film"},
        {"adapter": "xrec", "path": str(FRAME), "kind": "review"},
        {"adapter": "recbole", "path": "atomic", "kind": "film"},
    ]
    context = run(build_options(*sources, dev_share=0), tmp_path)
    assert context.counts == {"book: train": 1, "film: train": 3, "review: train": 3}


def test_input_files_are_listed_for_their_checksums(tmp_path: Path) -> None:
    write_films(tmp_path / "films")
    write_recorded(tmp_path / "rows.jsonl", ["u1"])
    options = build_options(
        {"adapter": "movielens", "path": "films", "content": "content.csv"},
        {"adapter": "recorded", "path": "rows.jsonl"},
        {"adapter": "yelp", "path": "nowhere", "optional": True},
    )
    found = [path.relative_to(tmp_path).as_posix() for path in list_input_files(options, tmp_path)]
    assert found == ["films/movies.dat", "films/ratings.dat", "rows.jsonl"]


@pytest.mark.parametrize(
    "source",
    [
        {"adapter": "movielens", "path": "x", "rating": 5},
        {"adapter": "unheard-of", "path": "x"},
        {"adapter": "movielens", "path": "x", "history_min": 9, "history_max": 8},
        {"adapter": "recbole", "path": "x", "rating_scale": [5, 1]},
        {"adapter": "movielens", "path": "x", "dev_path": "y"},
    ],
)
def test_a_mistake_in_the_recipe_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build_options(source)


def test_the_step_leaves_a_manifest_with_counts_and_no_scratch_files(tmp_path: Path) -> None:
    write_recorded(tmp_path / "rows.jsonl", [f"u{number}" for number in range(20)])
    options = build_options({"adapter": "recorded", "path": str(tmp_path / "rows.jsonl")}, dev_share=0)
    manifest = run_step("prepare", options, StepContext(folder=tmp_path / "out"), prepare)
    assert manifest.counts == {"book: train": 20}
    assert set(manifest.outputs) == {"train.jsonl", "dev.jsonl", "dropped.json"}
