"""What was lost, repeated, changed or mixed up: pure functions over what was sent and what was read.

Counts are of (event, item) pairs. An event is known by its source position, which the worker copies into the headers
of everything that it writes; an item by its id in the key. A record that can never be explained has one pair, without
an item. A dead letter settles all pairs of its record, or those that it lists as failed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote

NO_ITEM: Final = ""
SOURCE: Final = "prism.source."
FAILED_ITEMS: Final = "prism.dlq.failed-item-ids"
VALUE_CUT: Final = "prism.dlq.truncated-from-bytes"
KEY_CUT: Final = "prism.dlq.key-truncated-from-bytes"
"""What a dead letter says where its topic has no room for the whole record."""


class Position(NamedTuple):
    """Where a record stands."""

    topic: str
    partition: int
    offset: int


class Pair(NamedTuple):
    """One (event, item); `rank` is the item's place within the event."""

    event: Position
    rank: int
    item: str


@dataclass(frozen=True)
class Input:
    """One record of the input topic; `items` is empty where it can never be explained."""

    position: Position
    key: bytes | None
    value: bytes | None
    items: tuple[str, ...]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Everything of it that needs an outcome."""
        return tuple(Pair(self.position, rank, item) for rank, item in enumerate(self.items or (NO_ITEM,)))


@dataclass(frozen=True)
class Read:
    """One record as a reader of the output or dead-letter topic gets it."""

    position: Position
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes | None]
    is_letter: bool
    appended_at: float = 0.0


@dataclass
class Findings:
    """What is wrong with a run; all zero where nothing is."""

    events: int = 0
    pairs: int = 0
    lost: int = 0
    duplicates: int = 0
    duplicates_differ: int = 0
    out_of_order: int = 0
    strangers: list[str] = field(default_factory=list)
    """Records that belong to no input, or that are not what their input asks for."""
    outputs: int = 0
    letters: int = 0
    cut_letters: int = 0
    """Dead letters that say that they are not the whole record."""
    first_seen: list[float] = field(default_factory=list)
    """When the broker got the first occurrence of each pair, sorted."""


def check(inputs: Sequence[Input], reads: Iterable[Read]) -> Findings:
    """Compare what was sent with what was read, in the order in which it stands in its partition."""
    by_position = {one.position: one for one in inputs}
    findings = Findings(events=len(inputs), pairs=sum(len(one.pairs) for one in inputs))
    seen: dict[Pair, dict[tuple[str, ...], tuple[bytes | None, bytes | None]]] = {}
    orders: dict[tuple[str, int, str, int], tuple[int, int]] = {}
    for read in reads:
        findings.letters += read.is_letter
        findings.outputs += not read.is_letter
        findings.cut_letters += read.is_letter and not {KEY_CUT, VALUE_CUT}.isdisjoint(read.headers)
        source = by_position.get(_read_source(read))
        if source is None or _is_altered(read, source):
            findings.strangers.append(_describe(read))
            continue
        for pair in _find_pairs(read, source):
            versions = seen.setdefault(pair, {})
            if not versions:
                findings.first_seen.append(read.appended_at)
                findings.out_of_order += _is_late(orders, read, pair)
            else:
                findings.duplicates += 1
                findings.duplicates_differ += versions.get(_name_version(read), _bytes(read)) != _bytes(read)
            versions.setdefault(_name_version(read), _bytes(read))
    findings.lost = sum(pair not in seen for one in inputs for pair in one.pairs)
    findings.first_seen.sort()
    return findings


class Change(NamedTuple):
    """At a time, something that is needed for output came up or went down."""

    at: float
    who: str
    is_up: bool


def measure_recovery(changes: Iterable[Change], first_seen: Sequence[float]) -> float:
    """Measure the longest gap from the moment when network, brokers and any worker are ready to the next new output.

    Of `who`, those that begin with `worker` are workers, of which one is enough; of the others all are needed.
    """
    states: dict[str, bool] = {}
    was_ready, longest = False, 0.0
    for change in sorted(changes):
        states[change.who] = change.is_up
        workers = [is_up for who, is_up in states.items() if who.startswith("worker")]
        is_ready = any(workers) and all(is_up for who, is_up in states.items() if not who.startswith("worker"))
        if is_ready and not was_ready:
            after = next((moment for moment in first_seen if moment >= change.at), change.at)
            longest = max(longest, after - change.at)
        was_ready = is_ready
    return longest


def _read_source(read: Read) -> Position:
    try:
        topic, partition, offset = ((read.headers[SOURCE + name] or b"").decode() for name in Position._fields)
        return Position(topic, int(partition), int(offset))
    except (KeyError, ValueError):
        return Position("", -1, -1)


def _is_altered(read: Read, source: Input) -> bool:
    """Whether a dead letter is not its record byte for byte, or an output is for something that was not asked for."""
    if read.is_letter:
        return not (
            _is_kept(read.key, source.key, KEY_CUT in read.headers)
            and _is_kept(read.value, source.value, VALUE_CUT in read.headers)
        )
    return _read_item(read) not in source.items or not _is_same_event(read, source)


def _is_kept(found: bytes | None, original: bytes | None, is_cut: bool) -> bool:
    return (original or b"").startswith(found or b"") if is_cut else found == original


def _is_same_event(read: Read, source: Input) -> bool:
    expected, found = json.loads(source.value or b"{}"), json.loads(read.value or b"{}")
    return bool(expected["event_id"] == found["event_id"])


def _find_pairs(read: Read, source: Input) -> Iterator[Pair]:
    if read.is_letter:
        listed = read.headers.get(FAILED_ITEMS)
        failed = json.loads(listed) if listed else None
        yield from (pair for pair in source.pairs if failed is None or pair.item in failed)
    else:
        item = _read_item(read)
        yield Pair(source.position, source.items.index(item), item)


def _read_item(read: Read) -> str:
    return unquote((read.key or b"").decode().partition(":")[2])


def _name_version(read: Read) -> tuple[str, ...]:
    """Name what has to agree in a repeat: the same model and source write the same bytes."""
    if read.is_letter:
        return ("dead letter",)
    value = json.loads(read.value or b"{}")
    return (value["model"]["name"], value["model"]["version"], value["source"])


def _bytes(read: Read) -> tuple[bytes | None, bytes | None]:
    return read.key, read.value


def _is_late(orders: dict[tuple[str, int, str, int], tuple[int, int]], read: Read, pair: Pair) -> bool:
    """Whether a later pair of the same source partition stands before it in the same output partition."""
    lane = (read.position.topic, read.position.partition, pair.event.topic, pair.event.partition)
    place = (pair.event.offset, pair.rank)
    last = orders.get(lane, (-1, -1))
    orders[lane] = max(last, place)
    return place < last


def _describe(read: Read) -> str:
    kind = "dead letter" if read.is_letter else "output"
    return f"{kind} at {read.position} from {_read_source(read)}"


def count_codes(codes: Iterable[int]) -> dict[str, int]:
    """Count exit codes, for a report."""
    return {str(code): number for code, number in sorted(Counter(codes).items())}
