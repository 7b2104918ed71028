"""`prism dlq`: what is in the dead-letter topic, all of one letter, and sending letters back."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from stream_app.kafka.dead_letter_archive import (
    ArchivedLetter,
    LetterFilter,
    Span,
    ToolUsageError,
    ensure_topic,
    list_topics,
    open_archive,
    parse_moment,
)
from stream_app.kafka.dead_letter_replay import Replay, ReplayOptions
from stream_app.kafka.replay_outlet import open_replay, read_progress
from stream_app.settings import Settings

TEXTS: Final = ("stage", "error", "message", "topic", "first-failure", "application", "model")
NUMBERS: Final = ("partition", "offset", "timestamp", "attempts")
"""Reasons that `list` shows, by kind; `failed-item-ids`, a list, besides."""

Write = Callable[[str], object]

__all__ = ["ReplayOptions", "build_filter", "list_letters", "replay_letters", "show_letter"]


def build_filter(stage: str | None, error: str | None, since: str | None, until: str | None) -> LetterFilter:
    """Build a filter from what was written on the command line.

    Raises:
        ToolUsageError: a time is none.
    """
    now = datetime.now(UTC)
    return LetterFilter(stage, error, *(None if one is None else parse_moment(one, now) for one in (since, until)))


def list_letters(
    settings: Settings, letter_filter: LetterFilter, limit: int | None, as_json: bool, write: Write
) -> None:
    """Write one line for each letter that matches, partition by partition, oldest first; no key, no value.

    Raises:
        PrismError: the topic cannot be read.
    """
    render = _render_summary if as_json else _render_line
    asyncio.run(_list_letters(settings, letter_filter, limit, lambda letter: write(f"{render(letter)}\n")))


async def _list_letters(
    settings: Settings, letter_filter: LetterFilter, limit: int | None, show: Callable[[ArchivedLetter], object]
) -> None:
    shown = 0
    async with open_archive(settings) as archive:
        for span in await archive.list_spans():
            async with aclosing(archive.read(span)) as letters:
                async for letter in letters:
                    if shown == limit:
                        return
                    if letter_filter.matches(letter):
                        shown += 1
                        show(letter)


def show_letter(settings: Settings, name: str, write: Write) -> None:
    """Write everything of the letter `partition:offset` as one JSON document, its key and value too.

    Raises:
        ToolUsageError: there is no such letter.
        PrismError: the topic cannot be read.
    """
    partition, _, offset = name.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise ToolUsageError(f"{name!r} is no letter: write PARTITION:OFFSET, as `prism dlq list` does")
    write(_render_everything(asyncio.run(_find_letter(settings, int(partition), int(offset)))))


async def _find_letter(settings: Settings, partition: int, offset: int) -> ArchivedLetter:
    async with open_archive(settings) as archive:
        spans = [one for one in await archive.list_spans() if one.partition == partition]
        if spans and spans[0].begin <= offset < spans[0].end:
            async with aclosing(archive.read(Span(partition, offset, offset + 1))) as letters:
                async for letter in letters:
                    return letter
    raise ToolUsageError(f"there is no letter {partition}:{offset} in {settings.dead_letter_topic}")


def replay_letters(settings: Settings, options: ReplayOptions, write: Write) -> None:
    """Replay the letters that match; writes a line for each, and a last one that counts.

    Raises:
        ToolUsageError: another replay of the group is running, or its progress cannot be remembered.
        PrismError: a topic cannot be read or written; what was confirmed before is committed.
    """
    asyncio.run(_replay_letters(settings, options, write))


async def _replay_letters(settings: Settings, options: ReplayOptions, write: Write) -> None:
    topics = await list_topics(settings)
    ensure_topic(settings.dead_letter_topic, topics)
    async with open_replay(settings, options.group, options.is_dry_run) as (archive, outlet):
        spans = await archive.list_spans()
        # As owner of the partitions: what an earlier replay still committed is in it.
        known = await read_progress(settings, options.group, [span.partition for span in spans])
        if not known:
            write(f"group {options.group} has no progress: beginning with the oldest letter\n")
        replay = Replay(archive, outlet, options, topics, lambda line: write(f"{line}\n"))
        await replay.run(spans, known)
    would = "would be " if options.is_dry_run else ""
    counts = ", ".join(f"{replay.fates[fate]} {would}{fate}" for fate in ("replayed", "skipped", "left"))
    write(f"{counts}; group {options.group}\n")


def _render_line(letter: ArchivedLetter) -> str:
    source = "-" if letter.source is None else f"{letter.source[0]}-{letter.source[1]}:{letter.read('offset')}"
    reasons = (letter.read("stage") or "-", letter.read("error") or "-")
    text = "  ".join((letter.name, letter.written_at, *reasons, source, letter.read("message") or "-"))
    # Headers may hold anything, and a terminal obeys control characters.
    return "".join(character if character.isprintable() else "?" for character in text)


def _render_summary(letter: ArchivedLetter) -> str:
    document: dict[str, Any] = {name.replace("-", "_"): letter.read(name) for name in TEXTS}
    document |= {name: _parse(letter.read(name)) for name in NUMBERS}
    document["failed_item_ids"] = _parse(letter.read("failed-item-ids")) or []
    own = {"letter": letter.name, "written_at": letter.written_at, "bytes": letter.size, "losses": letter.losses}
    return orjson.dumps({**own, **document}).decode()


def _parse(text: str | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _render_everything(letter: ArchivedLetter) -> str:
    document = {
        "letter": letter.name,
        "written_at": letter.written_at,
        "losses": letter.losses,
        "key": _render_bytes(letter.key),
        "value": _render_bytes(letter.value),
        "headers": [[name, _render_bytes(value)] for name, value in letter.headers],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _render_bytes(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
