from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from stream_app.replay.results import add_counts, build_report, build_setup
from stream_app.replay.verdict import judge
from stream_app.settings import Settings
from tests.replay.linked import SETTINGS, Played, build_run, play_plan
from tests.replay.reporting import build_counts


def test_counts_are_added_field_by_field() -> None:
    assert add_counts(iter([build_counts(events=3), build_counts(events=4, missing=2)])).events == 7
    assert add_counts(iter([build_counts(missing=1), build_counts(missing=2)])).missing == 3


def test_a_generator_that_was_late_makes_the_run_invalid(tmp_path: Path) -> None:
    def hold_up(played: Played) -> None:
        send = played.link.system.send

        def send_slowly(record: object) -> None:
            played.loop.pass_time(0.2)
            send(record)  # type: ignore[arg-type]

        played.link.system.send = send_slowly  # type: ignore[method-assign]

    plan = build_run(tmp_path)
    report = build_report(plan, SETTINGS, play_plan(plan, prepare=hold_up).book)
    assert "the generator was late" in report.invalid[0]
    assert judge(report).name == "INVALID"


def test_records_that_the_broker_did_not_take_make_the_run_invalid(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    book = play_plan(plan).book
    [stretch] = book.stretches
    assert stretch.driven is not None
    stretch.driven = replace(stretch.driven, unaccepted=3)
    assert build_report(plan, SETTINGS, book).invalid == ["the broker did not accept 3 records"]


def test_the_setup_says_what_is_read_and_names_no_secret(tmp_path: Path) -> None:
    settings = Settings(
        delivery="exactly-once",
        retry_budget_seconds=60,
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="u",
        sasl_password=SecretStr("canary-7c1"),
    )
    setup = build_setup(build_run(tmp_path, workers=2), settings)
    assert setup.isolation_level == "read_committed"
    assert (setup.recording, setup.workers) == ("evening.jsonl.zst", 2)
    assert setup.versions.keys() >= {"prism", "python", "model"}
    assert "canary-7c1" not in setup.model_dump_json()
