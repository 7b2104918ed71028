import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.kafka.dead_letter_archive import ArchivedLetter, LetterFilter, Span, ToolUsageError
from stream_app.kafka.dead_letter_replay import BATCH_LETTERS, Replay, ReplayOptions, Resending, decide
from stream_app.kafka.dead_letters import build_dead_letter_record
from stream_app.kafka.records import Headers, IncomingRecord
from stream_app.kafka.replay_progress import Progress, parse_progress

MODEL = ModelIdentity(name="fake", version="1")
OPTIONS = ReplayOptions(group="g")
TOPICS = {"in", "dead"}


def build_letter(
    offset: int = 0,
    stage: str = "decode",
    headers: Headers = (("trace", b"1"), ("prism.dlq.stage", b"of an earlier life")),
    key: bytes | None = b"key",
    value: bytes | None = b"value",
    **arguments: Any,
) -> ArchivedLetter:
    record = IncomingRecord("in", 3, 1_000 + offset, key, value, headers, 1.0)
    reason = DeadLetter(stage=stage, error="E", message="m")
    built = build_dead_letter_record(record, reason, "dead", MODEL, **arguments)
    return ArchivedLetter(0, offset, 0, built.key, built.value, built.headers)


class ListArchive:
    """An archive of letters in memory; only what Replay asks of one."""

    def __init__(self, letters: Sequence[ArchivedLetter]) -> None:
        self._letters = letters

    async def read(self, span: Span) -> AsyncGenerator[ArchivedLetter]:
        for letter in self._letters:
            if letter.partition == span.partition and span.begin <= letter.offset < span.end:
                yield letter


class Broker:
    """Remembers what is sent and committed; a kill comes between the two."""

    def __init__(self, kill_at: int | None = None, refused: bytes | None = None) -> None:
        self.sent: list[Resending] = []
        self.committed: dict[int, tuple[int, str]] = {}
        self._kill_at = kill_at
        self._refused = refused

    @property
    def offsets(self) -> list[bytes]:
        return [one.key or b"" for one in self.sent]

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        yield

    async def send(self, resendings: Sequence[Resending]) -> list[BaseException | None]:
        errors = [MessageSizeTooLargeError() if one.key == self._refused else None for one in resendings]
        self.sent += [one for one, error in zip(resendings, errors, strict=True) if not error]
        return errors

    async def commit(self, partition: int, progress: Progress) -> None:
        if self._kill_at is not None and len(self.sent) >= self._kill_at:
            raise KeyboardInterrupt
        self.committed[partition] = progress.first_open, progress.render_metadata()


def replay(broker: Broker, letters: Sequence[ArchivedLetter], options: ReplayOptions = OPTIONS) -> list[str]:
    lines: list[str] = []
    archive: Any = ListArchive(letters)
    known = {partition: parse_progress(*committed) for partition, committed in broker.committed.items()}
    partitions = {letter.partition for letter in letters}
    spans = [Span(one, 0, max(x.offset for x in letters if x.partition == one) + 1) for one in sorted(partitions)]
    asyncio.run(Replay(archive, broker, options, TOPICS, lines.append).run(spans, known))
    return lines


def build_letters(count: int, **arguments: Any) -> list[ArchivedLetter]:
    return [build_letter(offset, key=str(offset).encode(), **arguments) for offset in range(count)]


def test_a_letter_goes_back_as_the_record_that_it_was() -> None:
    decision = decide(build_letter(family="spring", application="a"), OPTIONS, TOPICS)
    headers = (("trace", b"1"), ("prism.dlq.stage", b"of an earlier life"), ("prism.replay.attempts", b"1"))
    assert decision.resending == Resending("in", 3, b"key", b"value", headers)


def test_attempts_are_counted_up_to_the_limit() -> None:
    for before, fate in ((b"1", "replayed"), (b"2", "replayed"), (b"3", "left"), (b"99", "left")):
        decision = decide(build_letter(headers=(("prism.replay.attempts", before),)), OPTIONS, TOPICS)
        assert decision.fate == fate
        if decision.resending:
            assert decision.resending.headers == (("prism.replay.attempts", str(int(before) + 1).encode()),)


def test_a_header_that_is_no_count_counts_as_none() -> None:
    for value in (None, b"", b"-3", b"many", b"\xb2", b"9" * 5_000):
        assert decide(build_letter(headers=(("prism.replay.attempts", value),)), OPTIONS, TOPICS).fate == "replayed"


@pytest.mark.parametrize(
    ("letter", "fate", "reason"),
    [
        (build_letter(value=b"x" * 9_000, limit_bytes=3_000), "skipped", "the value was cut from 9000 bytes"),
        (build_letter(headers=(("h", b"x" * 9_000),), limit_bytes=3_000), "skipped", "1 headers were dropped"),
        (build_letter(key=None, value=None), "skipped", "neither key nor value"),
        (replace(build_letter(), headers=()), "skipped", "where it came from"),
        (replace(build_letter(), headers=(("prism.source.topic", b"elsewhere"),)), "skipped", "where it came from"),
    ],
)
def test_what_is_not_whole_is_never_replayed(letter: ArchivedLetter, fate: str, reason: str) -> None:
    decision = decide(letter, OPTIONS, TOPICS)
    assert (decision.fate, decision.resending) == (fate, None)
    assert reason in decision.reason


def test_a_letter_whose_topic_is_gone_waits_for_it() -> None:
    assert decide(build_letter(), OPTIONS, {"dead"}).fate == "left"


def test_a_second_replay_sends_nothing_and_tells_nothing() -> None:
    broker, letters = Broker(), build_letters(3 * BATCH_LETTERS)
    assert len(replay(broker, letters)) == len(letters)
    assert replay(broker, letters) == []
    assert broker.offsets == [letter.key for letter in letters]


def test_what_a_filter_passes_over_is_replayed_later_and_only_that() -> None:
    letters = [build_letter(one, "schema" if one % 3 else "decode", key=str(one).encode()) for one in range(500)]
    broker = Broker()
    replay(broker, letters, replace(OPTIONS, filter=LetterFilter(stage="schema")))
    assert broker.offsets == [str(one).encode() for one in range(500) if one % 3]
    replay(broker, letters)
    assert sorted(map(int, broker.offsets)) == list(range(500))
    assert broker.committed[0] == (500, "")


def test_a_kill_repeats_one_batch_at_most() -> None:
    letters = build_letters(3 * BATCH_LETTERS)
    broker = Broker(kill_at=2 * BATCH_LETTERS)
    with pytest.raises(KeyboardInterrupt):
        replay(broker, letters)
    after = Broker()
    after.committed = broker.committed
    replay(after, letters)
    assert {*broker.offsets, *after.offsets} == {letter.key for letter in letters}
    assert len(broker.sent) + len(after.sent) == len(letters) + BATCH_LETTERS


def test_a_limit_ends_the_replay_and_the_next_goes_on_behind_it() -> None:
    broker, letters = Broker(), build_letters(10)
    replay(broker, letters, replace(OPTIONS, limit=4))
    assert broker.offsets == [b"0", b"1", b"2", b"3"]
    replay(broker, letters, replace(OPTIONS, limit=4))
    assert broker.offsets == [str(one).encode() for one in range(8)]


def test_a_letter_that_the_broker_refuses_is_left() -> None:
    broker, letters = Broker(refused=b"4"), build_letters(10)
    assert "0:4 left: the broker refused it: MessageSizeTooLargeError" in replay(broker, letters)
    broker._refused = None
    assert replay(broker, letters) == ["0:4 replayed: to in-3, attempt 1"]


def test_a_letter_that_was_replayed_too_often_is_left_for_a_higher_limit() -> None:
    broker, letters = Broker(), [build_letter(headers=(("prism.replay.attempts", b"3"),))]
    for _ in range(2):
        assert replay(broker, letters) == ["0:0 left: it was replayed 3 times before (--max-attempts)"]
    assert replay(broker, letters, replace(OPTIONS, max_attempts=4)) == ["0:0 replayed: to in-3, attempt 4"]


def test_a_letter_that_was_cut_is_told_once() -> None:
    broker, letters = Broker(), [build_letter(value=b"x" * 9_000, limit_bytes=3_000)]
    assert replay(broker, letters) == ["0:0 skipped: the value was cut from 9000 bytes"]
    assert replay(broker, letters) == []


def test_more_gaps_than_a_commit_remembers_end_the_replay_before_anything_is_forgotten() -> None:
    letters = [build_letter(one, "schema" if one % 2 else "decode", key=str(one).encode()) for one in range(5_000)]
    broker = Broker()
    with pytest.raises(ToolUsageError, match="scattered"):
        replay(broker, letters, replace(OPTIONS, filter=LetterFilter(stage="schema")))
    assert 500 < len(broker.sent) < 2_500
    replay(broker, letters)
    assert sorted(map(int, broker.offsets)) == list(range(5_000))


def test_a_topic_that_was_made_anew_is_replayed_from_its_beginning() -> None:
    broker = Broker()
    replay(broker, build_letters(10))
    lines = replay(broker, build_letters(3))
    assert lines[0] == "partition 0 is shorter than what was done of it: beginning anew"
    assert len(broker.sent) == 13
