"""The headers by which other products' tools know a dead letter: Spring Kafka, Kafka Connect, Kafka Streams.

Names and encodings are those that DeadLetterPublishingRecoverer (Spring Kafka 2.2 and later), DeadLetterQueueReporter
(Kafka Connect, KIP-298) and the exception handlers of Kafka Streams (KIP-1034) write. Stack traces are left out: they
may quote the record.
"""

import struct
from typing import Final, Literal

from stream_app.core.events import DeadLetter
from stream_app.kafka.records import Headers, IncomingRecord

HeaderFamily = Literal["prism", "spring", "connect", "streams"]

MAX_TEXT_BYTES: Final = 2_000
NO_TIMESTAMP: Final = -1
CONVERTING_STAGES: Final = frozenset({"decode", "schema"})


def render_family(family: HeaderFamily, record: IncomingRecord, letter: DeadLetter, application: str) -> Headers:
    """Render the headers of a family; none for `prism`, whose headers every dead letter has."""
    if family == "spring":
        return _render_spring(record, letter, application)
    if family == "connect":
        return _render_connect(record, letter, application)
    if family == "streams":
        return _render_streams(record, letter)
    return ()


def count_milliseconds(record: IncomingRecord) -> int:
    """Count the milliseconds of a record's timestamp; -1, as Kafka has it, where it has none."""
    if record.timestamp_seconds is None or record.timestamp_seconds < 0:
        return NO_TIMESTAMP
    # A producer may have written any number: as a float the largest would no longer fit into 64 bits.
    return min(round(record.timestamp_seconds * 1000), 2**63 - 1)


def encode_text(text: str) -> bytes:
    """Encode a text of unknown length and content for a header."""
    # A message may quote a field name of the record, and that may hold anything, lone surrogates too.
    return text.encode("utf-8", "replace")[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()


def _render_spring(record: IncomingRecord, letter: DeadLetter, application: str) -> Headers:
    # Numbers are big-endian and binary here: an int for the partition, longs for offset and time.
    milliseconds = count_milliseconds(record)
    timestamp_type = "LogAppendTime" if record.is_append_time else "CreateTime"
    return (
        ("kafka_dlt-original-topic", record.topic.encode()),
        ("kafka_dlt-original-partition", struct.pack(">i", record.partition)),
        ("kafka_dlt-original-offset", struct.pack(">q", record.offset)),
        ("kafka_dlt-original-timestamp", struct.pack(">q", milliseconds)),
        (
            "kafka_dlt-original-timestamp-type",
            ("NoTimestampType" if milliseconds == NO_TIMESTAMP else timestamp_type).encode(),
        ),
        ("kafka_dlt-original-consumer-group", encode_text(application)),
        ("kafka_dlt-exception-fqcn", encode_text(letter.error)),
        ("kafka_dlt-exception-message", encode_text(letter.message)),
    )


def _render_connect(record: IncomingRecord, letter: DeadLetter, application: str) -> Headers:
    # The stage is one of Connect's own names, because tools map it to an enumeration.
    fields = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": application,
        "task.id": "0",
        "stage": "VALUE_CONVERTER" if letter.stage in CONVERTING_STAGES else "TASK_PUT",
        "class.name": "stream_app.core.pipeline",
        "exception.class.name": letter.error,
        "exception.message": letter.message,
    }
    return tuple((f"__connect.errors.{name}", encode_text(text)) for name, text in fields.items())


def _render_streams(record: IncomingRecord, letter: DeadLetter) -> Headers:
    fields = {
        "exception": f"{letter.error}: {letter.message}",
        "message": letter.message,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
    }
    return tuple((f"__streams.errors.{name}", encode_text(text)) for name, text in fields.items())
