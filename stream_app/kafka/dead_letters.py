"""Dead letters: the record that could not be explained, byte for byte, with the reason in headers.

```text
the record's own headers | prism.source.* | prism.dlq.* | another product's family | notes on what was cut
```

What varies when a record fails again (attempts, times) stands in headers only: key and value are the same bytes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import orjson

from stream_app import __version__
from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.kafka.dead_letter_families import HeaderFamily, count_milliseconds, encode_text, render_family
from stream_app.kafka.records import Headers, IncomingRecord, OutgoingRecord, estimate_size, render_source_headers

HEADER_PREFIX: Final = "prism.dlq."
NULL_VALUE: Final = "null-value"
"""aiokafka takes no record without key and value, Kafka does: the letter of such a one has an empty value, and this."""
VALUE_CUT: Final = "truncated-from-bytes"
KEY_CUT: Final = "key-truncated-from-bytes"
HEADERS_DROPPED: Final = "headers-dropped"

TRUNCATED_BYTES: Final = 65_536
"""The size of what is sent where the broker refuses a dead letter although it should fit."""


def build_dead_letter_record(
    record: IncomingRecord,
    letter: DeadLetter,
    topic: str,
    model: ModelIdentity,
    *,
    family: HeaderFamily = "prism",
    first_failure: datetime | None = None,
    failed_item_ids: Sequence[str] = (),
    application: str = "",
    limit_bytes: int | None = None,
) -> OutgoingRecord:
    """Build the dead letter of a record; original key, value and headers stay as they are.

    Args:
        record: the record that could not be explained.
        letter: why.
        topic: the dead-letter topic.
        model: the model that the worker runs.
        family: whose headers are added to Prism's own.
        first_failure: when it failed for the first time.
        failed_item_ids: where only some items failed, which.
        application: who could not explain it: the consumer group.
        limit_bytes: `max.message.bytes` of the topic. A larger letter is cut until it fits: first its value, then the
            original headers are dropped, then its key is cut. A header says so each time.

    Returns:
        The record to publish. It has a `shorter` form, for when the broker refuses it all the same.
    """
    reasons = _render_reasons(record, letter, model, first_failure, failed_item_ids, application)
    whole = OutgoingRecord(
        topic=topic,
        key=record.key,
        value=record.value,
        headers=(
            *record.headers,
            *render_source_headers(record),
            *reasons,
            *render_family(family, record, letter, application),
        ),
    )
    if whole.key is None and whole.value is None:
        whole = replace(_note(whole, NULL_VALUE, "true"), value=b"")
    fitting = whole if limit_bytes is None else _fit(whole, len(record.headers), limit_bytes)
    if estimate_size(fitting) <= TRUNCATED_BYTES:
        return fitting
    return replace(fitting, shorter=_fit(whole, len(record.headers), TRUNCATED_BYTES))


def _render_reasons(
    record: IncomingRecord,
    letter: DeadLetter,
    model: ModelIdentity,
    first_failure: datetime | None,
    failed_item_ids: Sequence[str],
    application: str,
) -> Headers:
    fields: dict[str, str | None] = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(count_milliseconds(record)),
        "stage": letter.stage,
        "error": letter.error,
        "message": letter.message,
        "attempts": str(letter.attempts),
        "first-failure": None if first_failure is None else _render_moment(first_failure),
        "application": application or None,
        "application-version": __version__,
        "model": f"{model.name}/{model.version}",
    }
    reasons = [(f"{HEADER_PREFIX}{name}", encode_text(text)) for name, text in fields.items() if text is not None]
    if failed_item_ids:
        reasons.append((f"{HEADER_PREFIX}failed-item-ids", orjson.dumps(list(failed_item_ids))))
    return tuple(reasons)


def _render_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def _fit(whole: OutgoingRecord, original_headers: int, limit_bytes: int) -> OutgoingRecord:
    """Cut a dead letter until it fits: as little as possible, and what is worth least first."""
    bare = whole
    if original_headers:
        noted = _note(whole, HEADERS_DROPPED, str(original_headers))
        bare = replace(noted, headers=noted.headers[original_headers:])
    return _cut_value(whole, limit_bytes) or _cut_value(bare, limit_bytes) or _cut_key(bare, limit_bytes)


def _cut_value(letter: OutgoingRecord, limit_bytes: int) -> OutgoingRecord | None:
    """Cut the value until the letter fits; None: it does not fit without any value either."""
    if estimate_size(letter) <= limit_bytes:
        return letter
    value = letter.value or b""
    noted = _note(letter, VALUE_CUT, str(len(value)))
    kept = len(value) - (estimate_size(noted) - limit_bytes)
    return replace(noted, value=value[:kept]) if kept >= 0 else None


def _cut_key(letter: OutgoingRecord, limit_bytes: int) -> OutgoingRecord:
    """Cut the key, beside the whole value, as far as needed; our own headers are all that may stay too large."""
    if letter.value:
        letter = replace(_note(letter, VALUE_CUT, str(len(letter.value))), value=b"")
    if not letter.key:
        return letter
    noted = _note(letter, KEY_CUT, str(len(letter.key)))
    kept = max(0, len(letter.key) - (estimate_size(noted) - limit_bytes))
    return replace(noted, key=letter.key[:kept])


def _note(letter: OutgoingRecord, name: str, text: str) -> OutgoingRecord:
    return replace(letter, headers=(*letter.headers, (f"{HEADER_PREFIX}{name}", text.encode())))
