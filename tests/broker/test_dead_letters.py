"""`prism dlq` as people run it: against a broker, with letters that a worker wrote or that stand for a worker's."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.exit_codes import ExitCode
from stream_app.kafka.dead_letter_archive import ToolUsageError
from stream_app.kafka.dead_letter_replay import BATCH_LETTERS
from stream_app.kafka.dead_letters import build_dead_letter_record
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, estimate_size
from stream_app.kafka.replay_outlet import open_replay
from tests.broker.conftest import build_lane
from tests.broker.fake_worker import LIMIT_VARIABLE
from tests.broker.harness import (
    DEADLINE_SECONDS,
    ID_HEADER,
    Broker,
    Lane,
    Record,
    build_event,
    collect_ids,
    find_end,
    list_partitions,
    open_reader,
)

ROOT = Path(__file__).resolve().parents[2]
MODEL = ModelIdentity(name="fake", version="1")


@pytest.fixture
def kafka_lane(kafka_broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    lane = build_lane(kafka_broker, request.node.originalname, tmp_path)
    lane.create_topics()
    yield lane
    for worker in lane.workers:
        worker.end()


def start_dlq(lane: Lane, *arguments: str) -> "subprocess.Popen[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRISM_")}
    variables = {
        "PRISM_BOOTSTRAP_SERVERS": lane.settings.bootstrap_servers,
        "PRISM_INPUT_TOPIC": lane.settings.input_topic,
        "PRISM_OUTPUT_TOPIC": lane.settings.output_topic,
        "PRISM_DEAD_LETTER_TOPIC": lane.settings.dead_letter_topic,
        "PRISM_CONSUMER_GROUP": lane.settings.consumer_group,
    }
    command = [sys.executable, "-m", "stream_app", "dlq", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=inherited | variables, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def fail_dlq(lane: Lane, *arguments: str) -> tuple[int, str]:
    with start_dlq(lane, *arguments) as process:
        output, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert output == "", output
    assert errors.count("\n") == 1, errors
    return process.returncode, errors


def run_dlq(lane: Lane, *arguments: str) -> list[str]:
    with start_dlq(lane, *arguments) as process:
        output, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == ExitCode.OK, errors
    return output.splitlines()


def write_letters(lane: Lane, records: Iterable[IncomingRecord], stage: str = "decode", **arguments: str) -> None:
    """Write what a worker would have written; with a transactional id, each letter in a transaction of its own."""
    producer = Producer({"bootstrap.servers": lane.broker.bootstrap_servers, "log_level": 0, **arguments})
    if arguments:
        producer.init_transactions(DEADLINE_SECONDS)
    reason = DeadLetter(stage=stage, error="Error", message="why")
    for record in records:
        built = build_dead_letter_record(record, reason, lane.settings.dead_letter_topic, MODEL)
        if arguments:
            producer.begin_transaction()
        producer.produce(built.topic, built.value, key=built.key, headers=list(built.headers))
        producer.poll(0)
        if arguments:
            producer.commit_transaction()
    assert producer.flush(DEADLINE_SECONDS) == 0


def build_inputs(lane: Lane, first: int, count: int) -> list[IncomingRecord]:
    headers = (("trace", b"\x00\xff"), ("trace", None))
    return [
        IncomingRecord(
            lane.settings.input_topic,
            number % 4,
            number,
            f"user-{number}".encode(),
            f"value-{number}".encode(),
            ((ID_HEADER, str(number).encode()), *headers),
        )
        for number in range(first, first + count)
    ]


def count_inputs(lane: Lane) -> Counter[str]:
    return Counter(record.id for record in lane.read_inputs())


def create_small_topic(lane: Lane) -> str:
    topic = f"{lane.name}-small"
    admin = AdminClient({"bootstrap.servers": lane.broker.bootstrap_servers, "log_level": 0})
    [created] = admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "2000"})]).values()
    created.result(10)
    return topic


async def is_accepted(producer: AIOKafkaProducer, record: OutgoingRecord) -> bool:
    try:
        await producer.send_and_wait(record.topic, record.value, key=record.key, headers=list(record.headers))
    except MessageSizeTooLargeError:
        return False
    return True


def read_attempts(letter: Record) -> bytes | None:
    return dict(letter.headers).get("prism.replay.attempts")


@pytest.mark.slow
@pytest.mark.kafka
def test_letters_are_listed_shown_mended_and_replayed_each_once(kafka_lane: Lane) -> None:
    large = {f"large-{number}": build_event(number, items=20) for number in range(5)}
    broken = {"broken-0": b"{", "broken-1": b"\xff"}
    bad = kafka_lane.start_worker(0.0, **{LIMIT_VARIABLE: "2000"})
    kafka_lane.send([("small", build_event(99)), *large.items(), *broken.items()])
    kafka_lane.read_all_of({"small", *large, *broken})
    bad.signal(signal.SIGTERM)
    assert bad.wait() == os.EX_OK

    lines = run_dlq(kafka_lane, "list")
    assert len(lines) == len(large) + len(broken)
    assert len(run_dlq(kafka_lane, "list", "--limit", "2")) == 2
    assert run_dlq(kafka_lane, "list", "--stage", "schema") == run_dlq(kafka_lane, "list", "--until", "1h") == []
    assert run_dlq(kafka_lane, "list", "--stage", "decode", "--error", "DecodeError", "--since", "1h") == lines
    summaries = [json.loads(line) for line in run_dlq(kafka_lane, "list", "--json")]
    assert {one["topic"] for one in summaries} == {kafka_lane.settings.input_topic}
    assert "user/" not in "".join(lines) + json.dumps(summaries)
    shown = [json.loads("\n".join(run_dlq(kafka_lane, "show", one["letter"]))) for one in summaries]
    by_id = {dict(one["headers"])[ID_HEADER]: one for one in shown}
    assert by_id["large-3"]["value"] == large["large-3"].decode()
    assert by_id["broken-1"]["value"] == {"base64": "/w=="}
    assert ["trace", None] in by_id["large-3"]["headers"]

    dry = run_dlq(kafka_lane, "replay", "--dry-run")
    assert sum(" would be replayed: " in line for line in dry) == 7
    assert run_dlq(kafka_lane, "replay", "--dry-run") == dry
    assert len(kafka_lane.read_inputs()) == 8

    good = kafka_lane.start_worker()
    for attempt in (b"1", b"2", b"3"):
        assert run_dlq(kafka_lane, "replay")[-1].startswith("7 replayed, 0" if attempt == b"1" else "2 replayed, 0")
        outputs, letters = kafka_lane.read_until(
            lambda outputs, letters, attempt=attempt: (  # type: ignore[misc]
                {"small", *large} <= collect_ids(outputs) and sum(read_attempts(one) == attempt for one in letters) == 2
            )
        )
        assert collect_ids([one for one in letters if read_attempts(one)]) == set(broken)
    last = run_dlq(kafka_lane, "replay")
    assert sum("left: it was replayed 3 times before" in line for line in last) == 2
    assert last[-1].startswith("0 replayed, 0 skipped, 2 left")
    good.wait_until(lambda: good.read_metric("prism_records_in_flight") == 0, "all is settled")
    outputs, letters = kafka_lane.read_settled()
    assert Counter(one.id for one in outputs) == {"small": 1, **dict.fromkeys(large, 20)}
    assert len(letters) == 7 + 3 * 2


def test_a_replayed_record_is_the_record_that_it_was_in_its_partition(lane: Lane) -> None:
    inputs = build_inputs(lane, 0, 20)
    write_letters(lane, inputs)
    run_dlq(lane, "replay")
    found = {record.id: record for record in lane.read_inputs()}
    for one in inputs:
        record = found[str(one.offset)]
        assert (record.key, record.value, record.offset[0]) == (one.key, one.value, one.partition)
        assert record.headers == [*one.headers, ("prism.replay.attempts", b"1")]


@pytest.mark.slow
@pytest.mark.kafka
def test_what_a_filter_leaves_out_is_replayed_later_and_nothing_twice(kafka_lane: Lane) -> None:
    for first, stage in ((0, "schema"), (10, "decode"), (20, "schema"), (30, "decode")):
        write_letters(kafka_lane, build_inputs(kafka_lane, first, 10), stage)
    assert run_dlq(kafka_lane, "replay", "--stage", "schema")[-1].startswith("20 replayed")
    assert set(count_inputs(kafka_lane)) == {str(number) for number in (*range(10), *range(20, 30))}
    assert run_dlq(kafka_lane, "replay", "--stage", "schema")[-1].startswith("0 replayed, 0 skipped, 20 left")
    write_letters(kafka_lane, build_inputs(kafka_lane, 40, 10), "schema")
    assert run_dlq(kafka_lane, "replay", "--limit", "5")[-1].startswith("5 replayed")
    assert run_dlq(kafka_lane, "replay")[-1].startswith("25 replayed")
    assert run_dlq(kafka_lane, "replay")[-1].startswith("0 replayed, 0 skipped, 0 left")
    assert count_inputs(kafka_lane) == {str(number): 1 for number in range(50)}


@pytest.mark.slow
@pytest.mark.kafka
def test_a_replay_that_is_killed_loses_nothing_and_repeats_one_batch_at_most(kafka_lane: Lane) -> None:
    letters = 20 * BATCH_LETTERS
    write_letters(kafka_lane, build_inputs(kafka_lane, 0, letters))
    with start_dlq(kafka_lane, "replay") as process:
        assert process.stdout is not None
        for _ in range(2 * BATCH_LETTERS):  # What comes after fits only in part into the pipe: it is still at work.
            process.stdout.readline()
        process.kill()
    counted = count_inputs(kafka_lane)
    assert 0 < len(counted) < letters
    run_dlq(kafka_lane, "replay")
    counted = count_inputs(kafka_lane)
    assert len(counted) == letters
    assert counted.total() <= letters + BATCH_LETTERS


@pytest.mark.kafka
def test_two_replays_of_one_group_do_not_run_at_once(kafka_lane: Lane) -> None:
    write_letters(kafka_lane, build_inputs(kafka_lane, 0, 10))
    group = f"{kafka_lane.settings.consumer_group}-dlq-replay"

    async def hold_the_group() -> None:
        async with open_replay(kafka_lane.settings, group, is_dry_run=False) as (_, outlet):
            code, errors = await asyncio.to_thread(fail_dlq, kafka_lane, "replay")
            assert code == ExitCode.USAGE
            assert "another replay of this group is running" in errors
            with pytest.raises(ToolUsageError, match="another replay"):
                async with outlet.hold():
                    pass

    asyncio.run(hold_the_group())
    assert not count_inputs(kafka_lane)
    assert run_dlq(kafka_lane, "replay")[-1].startswith("10 replayed")


@pytest.mark.kafka
def test_letters_of_transactions_are_read_to_the_end_and_replayed_once(kafka_lane: Lane) -> None:
    write_letters(kafka_lane, build_inputs(kafka_lane, 0, 12), **{"transactional.id": kafka_lane.name})
    assert len(run_dlq(kafka_lane, "list")) == 12
    assert run_dlq(kafka_lane, "replay", "--stage", "schema")[-1].startswith("0 replayed, 0 skipped, 12 left")
    assert run_dlq(kafka_lane, "replay")[-1].startswith("12 replayed")
    assert run_dlq(kafka_lane, "replay")[-1].startswith("0 replayed, 0 skipped, 0 left")
    assert count_inputs(kafka_lane) == {str(number): 1 for number in range(12)}


@pytest.mark.kafka
def test_progress_is_the_committed_offset_where_nothing_was_left(kafka_lane: Lane) -> None:
    write_letters(kafka_lane, build_inputs(kafka_lane, 0, 12))
    run_dlq(kafka_lane, "replay", "--group", "mine")
    with open_reader(kafka_lane.broker, "mine") as reader:
        partitions = [
            TopicPartition(one.topic, one.partition)
            for one in list_partitions(reader, kafka_lane.settings.dead_letter_topic)
        ]
        ends = [find_end(reader, one) for one in partitions]
        assert [one.offset for one in reader.committed(partitions, timeout=10)] == ends


@pytest.mark.kafka
def test_a_record_of_at_most_the_estimated_size_is_accepted_by_the_broker(kafka_lane: Lane) -> None:
    topic = create_small_topic(kafka_lane)

    async def try_all() -> list[tuple[int, bool]]:
        # Not idempotent: that could send nothing after the first refusal.
        producer = AIOKafkaProducer(bootstrap_servers=kafka_lane.broker.bootstrap_servers)
        await producer.start()
        try:
            return [(estimate_size(one), await is_accepted(producer, one)) for one in records]
        finally:
            await producer.stop()

    headers = tuple((f"h{number}", None if number % 2 else b"x" * number) for number in range(20))
    records = [
        OutgoingRecord(topic, key, b"x" * size, some)
        for key in (None, b"", b"k" * 100)
        for some in ((), headers)
        for size in range(1_300, 1_980, 3)
    ]
    answers = asyncio.run(try_all())
    assert {accepted for size, accepted in answers if size <= 2_000} == {True}
    assert {accepted for size, accepted in answers if size > 2_020} == {False}


@pytest.mark.kafka
def test_a_letter_too_large_for_its_topic_is_left_and_its_neighbours_are_replayed(kafka_lane: Lane) -> None:
    topic = create_small_topic(kafka_lane)
    values = [b"x" * (5_000 if number % 10 == 5 else 700) for number in range(40)]
    records = [
        IncomingRecord(topic, 0, number, b"key", value, ((ID_HEADER, str(number).encode()),))
        for number, value in enumerate(values)
    ]
    write_letters(kafka_lane, records)
    lines = run_dlq(kafka_lane, "replay")
    assert sum("left: the broker refused it: MessageSizeTooLargeError" in line for line in lines) == 4
    assert lines[-1].startswith("36 replayed, 0 skipped, 4 left")
    with open_reader(kafka_lane.broker) as reader:
        [partition] = list_partitions(reader, topic)
        reader.assign([partition])
        found = reader.consume(36, timeout=30)
        assert find_end(reader, partition) == 36
    assert [len(message.value() or b"") for message in found] == [700] * 36


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("show", "0:0"), "there is no letter 0:0"),
        (("show", "9:0"), "there is no letter 9:0"),
        (("show", "first"), "write PARTITION:OFFSET"),
        (("list", "--since", "yesterday"), "'yesterday' is no time"),
    ],
)
def test_what_cannot_be_asked_for_ends_with_64_and_one_line(lane: Lane, arguments: tuple[str, ...], what: str) -> None:
    code, errors = fail_dlq(lane, *arguments)
    assert code == ExitCode.USAGE
    assert what in errors


@pytest.mark.kafka
@pytest.mark.parametrize("arguments", [("list",), ("show", "0:0"), ("replay",), ("replay", "--dry-run")])
def test_a_missing_topic_ends_with_78_and_is_not_created(
    kafka_broker: Broker, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    lane = build_lane(kafka_broker, "no-topic", tmp_path)
    code, errors = fail_dlq(lane, *arguments)
    assert code == ExitCode.CONFIGURATION
    assert lane.settings.dead_letter_topic in errors
    assert lane.settings.dead_letter_topic in lane.create_topics()


def test_an_unreachable_broker_ends_with_69_and_one_line(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        lane = build_lane(Broker(f"127.0.0.1:{unused.getsockname()[1]}", forgets=True), "unreachable", tmp_path)
        code, errors = fail_dlq(lane, "list")
    assert code == ExitCode.BROKER_UNREACHABLE
    assert "no broker answers" in errors
