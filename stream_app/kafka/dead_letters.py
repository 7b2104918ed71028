"""Dead letters: the record that could not be explained, byte for byte, with the reason in headers."""

from dataclasses import replace
from typing import Final

from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.kafka.records import Headers, IncomingRecord, OutgoingRecord

HEADER_PREFIX: Final = "prism.dlq."
TRUNCATED_BYTES: Final = 65_536
"""How much of a record is kept where the broker refuses all of it."""

MAX_MESSAGE_BYTES: Final = 2_000


def build_dead_letter_record(
    record: IncomingRecord, letter: DeadLetter, topic: str, model: ModelIdentity
) -> OutgoingRecord:
    """Build the dead letter of a record; original key, value and headers stay as they are."""
    whole = OutgoingRecord(
        topic=topic, key=record.key, value=record.value, headers=record.headers + _render_headers(record, letter, model)
    )
    size = len(record.value or b"")
    if size <= TRUNCATED_BYTES:
        return whole
    note = (f"{HEADER_PREFIX}truncated-from-bytes", str(size).encode())
    return replace(
        whole, shorter=replace(whole, value=(record.value or b"")[:TRUNCATED_BYTES], headers=(*whole.headers, note))
    )


def _render_headers(record: IncomingRecord, letter: DeadLetter, model: ModelIdentity) -> Headers:
    fields = {
        "stage": letter.stage,
        "error": letter.error,
        "message": letter.message,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "model": f"{model.name}/{model.version}",
    }
    return tuple((f"{HEADER_PREFIX}{name}", _encode(text)) for name, text in fields.items())


def _encode(text: str) -> bytes:
    # A message may quote a field name of the record, and that may hold anything, lone surrogates too.
    return text.encode("utf-8", "replace")[:MAX_MESSAGE_BYTES]
