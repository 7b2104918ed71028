"""What comes in and what goes out, as plain values: nothing here knows a Kafka client."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from stream_app.core.events import Explanation, encode_contract

Headers = tuple[tuple[str, bytes | None], ...]

HEADER_SOURCE_TOPIC: Final = "prism.source.topic"
HEADER_SOURCE_PARTITION: Final = "prism.source.partition"
HEADER_SOURCE_OFFSET: Final = "prism.source.offset"
HEADER_GENERATED_AT: Final = "prism-generated-at"
HEADER_INFERENCE_SECONDS: Final = "prism-inference-seconds"

BATCH_BYTES: Final = 61
"""The header of a record batch (version 2 of the format)."""
RECORD_BYTES: Final = 21
"""The longest form of what every record has: length 5, attributes 1, difference of time 10, of offset 5."""


@dataclass(frozen=True, slots=True)
class IncomingRecord:
    """One record of the input topic, byte for byte."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_seconds: float | None = None
    is_append_time: bool = False
    """Whether the broker set the timestamp (LogAppendTime) instead of the producer (CreateTime)."""


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """One record to publish; `shorter` is published instead where the broker finds this one too large."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    shorter: "OutgoingRecord | None" = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a load test finds on the broker before it begins."""

    partitions: int
    """Of the input topic."""
    max_record_bytes: int
    """What the input topic takes."""
    brokers: tuple[str, ...]
    """Where the brokers say that they are, host:port: a tunnel on this machine may lead anywhere."""
    is_embedded: bool = False
    """Whether it is librdkafka's mock cluster, which drops old records in silence."""


@dataclass(frozen=True, slots=True)
class OutgoingReplay:
    """One record of a load test; without a partition, the key chooses it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """An outcome, and when it was readable, by the monotonic clock."""

    is_dead_letter: bool
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    read_at: float


@dataclass(frozen=True, slots=True)
class Timing:
    """When a batch was explained and how long that took. Travels in headers: values stay pure functions."""

    generated_at: datetime
    inference_seconds: float

    def render_headers(self) -> Headers:
        """Render as headers: an RFC 3339 time in UTC, and seconds."""
        generated_at = self.generated_at.astimezone(UTC).isoformat(timespec="milliseconds")
        return (
            (HEADER_GENERATED_AT, generated_at.encode()),
            (HEADER_INFERENCE_SECONDS, f"{self.inference_seconds:.6f}".encode()),
        )


def build_explanation_record(
    record: IncomingRecord, explanation: Explanation, topic: str, timing: Timing
) -> OutgoingRecord:
    """Build the output record of one explanation: the input's headers first, then where it came from and when."""
    return OutgoingRecord(
        topic=topic,
        key=encode_key(explanation.user_id, explanation.item_id),
        value=encode_contract(explanation),
        headers=(*record.headers, *render_source_headers(record), *timing.render_headers()),
    )


def render_source_headers(record: IncomingRecord) -> Headers:
    """Render where a record came from: the identity of everything that is made of it."""
    return (
        (HEADER_SOURCE_TOPIC, record.topic.encode()),
        (HEADER_SOURCE_PARTITION, str(record.partition).encode()),
        (HEADER_SOURCE_OFFSET, str(record.offset).encode()),
    )


def estimate_size(record: OutgoingRecord) -> int:
    """Estimate how many bytes `max.message.bytes` counts for a record that is sent alone, uncompressed.

    Never too few, and at most 20 too many: all fields as the record format has them, except that the differences of
    time and offset to the batch count with their longest form.
    """
    size = BATCH_BYTES + RECORD_BYTES + _measure_bytes(record.key) + _measure_bytes(record.value)
    size += _measure_varint(len(record.headers))
    return size + sum(_measure_bytes(name.encode()) + _measure_bytes(value) for name, value in record.headers)


def _measure_bytes(value: bytes | None) -> int:
    return 1 if value is None else _measure_varint(len(value)) + len(value)


def _measure_varint(number: int) -> int:
    # Seven bits a byte, after one bit for the sign.
    return max(1, (number.bit_length() + 7) // 7)


def encode_key(user_id: str, item_id: str) -> bytes:
    """Encode a record key: user id and item id, percent-encoded, so that a colon within an id stays unambiguous."""
    return f"{quote(user_id, safe='')}:{quote(item_id, safe='')}".encode("ascii")
