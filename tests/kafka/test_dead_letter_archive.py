from datetime import UTC, datetime, timedelta

import pytest

from stream_app.kafka.dead_letter_archive import ArchivedLetter, LetterFilter, ToolUsageError, parse_moment
from stream_app.kafka.records import Headers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDED: Headers = (
    ("prism.source.topic", b"in"),
    ("prism.source.partition", b"3"),
    ("prism.source.offset", b"42"),
    ("prism.dlq.stage", b"schema"),
    ("prism.dlq.error", b"SchemaError"),
)


def build(headers: Headers = ADDED, timestamp: int = 0) -> ArchivedLetter:
    return ArchivedLetter(1, 7, timestamp, b"k", b"v", headers)


def test_what_the_record_brought_along_is_told_from_what_was_added() -> None:
    brought = (("prism.source.topic", b"before"), ("prism.source.partition", b"9"), ("prism.dlq.stage", b"before"))
    letter = build((*brought, *ADDED))
    assert letter.original_headers == brought
    assert letter.source == ("in", 3)
    assert letter.read("stage") == "schema"
    assert letter.read("message") is None


def test_a_letter_of_somebody_else_has_no_source_and_no_reasons() -> None:
    letter = build((("prism.dlq.stage", b"schema"),))
    assert (letter.source, letter.read("stage"), letter.losses) == (None, None, ())
    assert build((("prism.source.topic", b"in"),)).source is None


def test_a_filter_takes_what_fulfils_all_of_it() -> None:
    letter = build(timestamp=int(NOW.timestamp() * 1000))
    hour = timedelta(hours=1)
    assert LetterFilter().matches(letter)
    assert LetterFilter("schema", "SchemaError", NOW, NOW + hour).matches(letter)
    assert not LetterFilter(stage="decode").matches(letter)
    assert not LetterFilter(error="DecodeError").matches(letter)
    assert not LetterFilter(since=NOW + hour).matches(letter)
    assert not LetterFilter(until=NOW).matches(letter)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("90s", NOW - timedelta(seconds=90)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-02-28T23:30:00Z", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        ("2026-03-01T01:30:00+02:00", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_instant_or_a_while_ago(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2 h", "-2h", "2026-03-01T12:00:00", "2026-03-01", "999999999d"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ToolUsageError, match="is no time"):
        parse_moment(text, NOW)


def test_a_timestamp_beyond_the_calendar_is_no_obstacle() -> None:
    assert build(timestamp=2**62).written_at == "-"
