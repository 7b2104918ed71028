"""Replaying dead letters: back to where they came from, each one once.

Every letter that is looked at is replayed, skipped (it never can be replayed) or left for a later replay: what does not
match the filter, what was replayed too often, what the broker refuses. Only what is left is looked at again. Send, wait
for the broker, commit, a batch at a time: a replay that is killed sends at most the batch in flight again, one that is
repeated sends nothing twice.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from stream_app.kafka.dead_letter_archive import Archive, ArchivedLetter, LetterFilter, Span, ToolUsageError
from stream_app.kafka.records import Headers
from stream_app.kafka.replay_progress import MAX_METADATA_BYTES, Progress, Walk

HEADER_ATTEMPTS: Final = "prism.replay.attempts"
BATCH_LETTERS: Final = 200
BATCH_BYTES: Final = 8 * 1024 * 1024
MARGIN_BYTES: Final = 1_096
"""Of the metadata, what is kept free for letters that the broker refuses out of one batch: a few bytes for each gap."""

Fate = Literal["replayed", "skipped", "left", "done"]
Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay; `limit`: at most so many letters."""

    group: str
    filter: LetterFilter = field(default_factory=LetterFilter)
    limit: int | None = None
    max_attempts: int = 3
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Resending:
    """A record as it goes back to where it came from."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of one letter, and why; without a reason there is nothing to tell."""

    letter: ArchivedLetter
    fate: Fate
    reason: str = ""
    resending: Resending | None = None


class Outlet(Protocol):
    """Where letters go, and where progress is kept."""

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep the partitions while a batch is sent and committed.

        Raises:
            ToolUsageError: this replay is no longer the only one of its group.
        """
        ...

    async def send(self, resendings: Sequence[Resending]) -> list[BaseException | None]:
        """Send records in order and wait for the broker; tells for each what was wrong."""
        ...

    async def commit(self, partition: int, progress: Progress) -> None:
        """Keep the progress of a partition."""
        ...


def decide(letter: ArchivedLetter, options: ReplayOptions, topics: set[str]) -> Decision:
    """Decide what becomes of a letter that is not done yet; `topics` are those that exist."""
    if not options.filter.matches(letter):
        return Decision(letter, "left")
    if letter.source is None:
        return Decision(letter, "skipped", "it does not say where it came from")
    if letter.losses:
        return Decision(letter, "skipped", " and ".join(letter.losses))
    if letter.has_null_value:
        return Decision(letter, "skipped", "the record had neither key nor value, and cannot be sent so")
    topic, partition = letter.source
    if topic not in topics:
        return Decision(letter, "left", f"there is no topic {topic}")
    attempts = _count_attempts(letter)
    if attempts >= options.max_attempts:
        return Decision(letter, "left", f"it was replayed {attempts} times before (--max-attempts)")
    kept = tuple(header for header in letter.original_headers if header[0] != HEADER_ATTEMPTS)
    headers = (*kept, (HEADER_ATTEMPTS, str(attempts + 1).encode()))
    resending = Resending(topic, partition, letter.key, letter.value, headers)
    return Decision(letter, "replayed", f"to {topic}-{partition}, attempt {attempts + 1}", resending)


def _count_attempts(letter: ArchivedLetter) -> int:
    # Anybody may have written the header: what is no number counts as none.
    last = dict(letter.original_headers).get(HEADER_ATTEMPTS) or b""
    return int(last) if last.isdigit() and len(last) < 10 else 0


class Replay:
    """One replay of all partitions."""

    def __init__(
        self,
        archive: Archive,
        outlet: Outlet,
        options: ReplayOptions,
        topics: set[str],
        report: Report,
    ) -> None:
        self._archive = archive
        self._outlet = outlet
        self._options = options
        self._topics = topics
        self._report = report
        self.fates: Counter[str] = Counter()

    async def run(self, spans: Sequence[Span], known: Mapping[int, Progress]) -> None:
        """Replay the letters of these spans, from where earlier replays came to."""
        for span in spans:
            progress = known.get(span.partition, Progress())
            if progress.position > span.end:
                self._report(f"partition {span.partition} is shorter than what was done of it: beginning anew")
                progress = Progress()
            if not self._is_limit_reached():
                await self._walk(span, progress.start_at(span.begin))

    async def _walk(self, span: Span, progress: Progress) -> None:
        walk, batch, size, until = Walk(), list[Decision](), 0, span.end
        async with aclosing(self._archive.read(replace(span, begin=progress.first_open))) as letters:
            async for letter in letters:
                is_done = progress.is_done(letter.offset)
                batch.append(Decision(letter, "done") if is_done else decide(letter, self._options, self._topics))
                size += letter.size
                is_last = self._is_limit_reached(batch)
                if is_last or len(batch) >= BATCH_LETTERS or size >= BATCH_BYTES:
                    until = letter.offset + 1
                    progress = await self._settle(span.partition, progress, walk, batch, until)
                    batch, size, until = [], 0, until if is_last else span.end
                if is_last:
                    break
        await self._settle(span.partition, progress, walk, batch, until)

    def _is_limit_reached(self, batch: Sequence[Decision] = ()) -> bool:
        waiting = sum(one.fate == "replayed" for one in batch)
        return self._options.limit is not None and self.fates["replayed"] + waiting >= self._options.limit

    async def _settle(
        self, partition: int, progress: Progress, walk: Walk, batch: Sequence[Decision], until: int
    ) -> Progress:
        self._ensure_memorable(progress, walk, batch, until)
        async with self._outlet.hold():
            errors = iter(await self._outlet.send([one.resending for one in batch if one.resending]))
            settled = [_refuse(one, next(errors)) if one.resending else one for one in batch]
            _note(walk, settled)
            progress = progress.advance(until, walk.open)
            await self._outlet.commit(partition, progress)
        for one in settled:
            self._tell(one)
        return progress

    def _ensure_memorable(self, progress: Progress, walk: Walk, batch: Sequence[Decision], until: int) -> None:
        # Before anything is sent: what could not be remembered would be sent again by the next replay.
        expected = replace(walk, open=list(walk.open))
        _note(expected, batch)
        if len(progress.advance(until, expected.open).render_metadata()) > MAX_METADATA_BYTES - MARGIN_BYTES:
            raise ToolUsageError(
                "the letters that the filter leaves out are too scattered to remember them all; replay with a wider "
                "filter, or without one, and another --group"
            )

    def _tell(self, decision: Decision) -> None:
        if decision.fate != "done":
            self.fates[decision.fate] += 1
        if decision.reason:
            fate = f"would be {decision.fate}" if self._options.is_dry_run else decision.fate
            self._report(f"{decision.letter.name} {fate}: {decision.reason}")


def _refuse(decision: Decision, error: BaseException | None) -> Decision:
    if error is None:
        return decision
    return replace(decision, fate="left", reason=f"the broker refused it: {type(error).__name__}")


def _note(walk: Walk, decisions: Sequence[Decision]) -> None:
    for one in decisions:
        walk.note(one.letter.offset, is_open=one.fate == "left")
