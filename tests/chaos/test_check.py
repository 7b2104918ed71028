"""The checker objects to wrong results: a matrix is worth as much as what it can see."""

import json
from collections.abc import Mapping
from dataclasses import replace

from stream_app.kafka.records import encode_key
from tests.chaos.check import Change, Findings, Input, Position, Read, check, measure_recovery


def build_input(offset: int, items: tuple[str, ...] = ("a", "b"), partition: int = 0) -> Input:
    value = json.dumps({"event_id": f"event-{partition}-{offset}"}).encode() if items else b"{"
    return Input(Position("in", partition, offset), b"user", value, items)


def build_headers(source: Input, **more: bytes) -> dict[str, bytes | None]:
    named = zip(Position._fields, source.position, strict=True)
    return {**{f"prism.source.{name}": str(value).encode() for name, value in named}, **more}


def build_output(source: Input, item: str, place: int, text: str = "text", writer: str = "model") -> Read:
    event_id = json.loads(source.value or b"")["event_id"]
    value = {"event_id": event_id, "source": writer, "model": {"name": "m", "version": "1"}, "text": text}
    key = encode_key("user", item)
    return Read(Position("out", 0, place), key, json.dumps(value).encode(), build_headers(source), False, place)


def build_letter(source: Input, place: int, headers: Mapping[str, bytes] | None = None) -> Read:
    more = build_headers(source) | dict(headers or {})
    return Read(Position("dead", 0, place), source.key, source.value, more, True, place)


INPUTS = [build_input(0), build_input(1), build_input(2, items=()), build_input(3)]


def build_right_reads() -> list[Read]:
    outputs = [build_output(source, item, 0) for source in INPUTS for item in source.items]
    return [
        *(replace(one, position=Position("out", 0, n)) for n, one in enumerate(outputs)),
        build_letter(INPUTS[2], 0),
    ]


def summarize(findings: Findings) -> tuple[int, int, int, int, int]:
    strangers = len(findings.strangers)
    return findings.lost, findings.duplicates, findings.duplicates_differ, findings.out_of_order, strangers


def test_nothing_is_wrong_where_every_pair_has_its_outcome_once() -> None:
    findings = check(INPUTS, build_right_reads())
    assert summarize(findings) == (0, 0, 0, 0, 0)
    assert (findings.events, findings.pairs, findings.outputs, findings.letters) == (4, 7, 6, 1)


def test_a_missing_output_is_one_lost_pair() -> None:
    reads = build_right_reads()
    assert summarize(check(INPUTS, [*reads[:1], *reads[2:]])) == (1, 0, 0, 0, 0)


def test_a_missing_dead_letter_is_one_lost_pair() -> None:
    assert summarize(check(INPUTS, build_right_reads()[:-1])) == (1, 0, 0, 0, 0)


def test_a_repeat_of_the_same_bytes_is_a_duplicate() -> None:
    reads = build_right_reads()
    assert summarize(check(INPUTS, [*reads, reads[0], reads[-1]])) == (0, 2, 0, 0, 0)


def test_a_repeat_with_other_bytes_differs() -> None:
    changed = build_output(INPUTS[0], "a", 9, text="another text")
    assert summarize(check(INPUTS, [*build_right_reads(), changed])) == (0, 1, 1, 0, 0)


def test_a_repeat_by_another_source_is_a_duplicate_that_may_differ() -> None:
    by_template = build_output(INPUTS[0], "a", 9, text="another text", writer="template")
    assert summarize(check(INPUTS, [*build_right_reads(), by_template])) == (0, 1, 0, 0, 0)


def test_first_occurrences_out_of_order_are_counted_and_repeats_are_not() -> None:
    reads = build_right_reads()
    assert summarize(check(INPUTS, [*reads[2:4], *reads[:2], *reads[4:]])) == (0, 0, 0, 2, 0)
    assert summarize(check(INPUTS, [*reads, *reads[:4]])) == (0, 4, 0, 0, 0)


def test_order_is_that_of_one_source_partition_within_one_output_partition() -> None:
    inputs = [build_input(0, ("a",)), build_input(1, ("a",)), build_input(0, ("a",), partition=1)]
    reads = [build_output(inputs[n], "a", place) for place, n in enumerate((1, 2))]
    elsewhere = replace(build_output(inputs[0], "a", 0), position=Position("out", 1, 0))
    assert summarize(check(inputs, [*reads, elsewhere])) == (0, 0, 0, 0, 0)


def test_a_dead_letter_settles_all_items_of_its_record_or_those_that_it_lists() -> None:
    source = build_input(0)
    some = build_letter(source, 0, {"prism.dlq.failed-item-ids": b'["b"]'})
    assert summarize(check([source], [build_letter(source, 0)])) == (0, 0, 0, 0, 0)
    assert summarize(check([source], [build_output(source, "a", 0), some])) == (0, 0, 0, 0, 0)
    assert summarize(check([source], [some])) == (1, 0, 0, 0, 0)
    assert summarize(check([source], [build_output(source, "b", 0), some])) == (1, 1, 0, 0, 0)


def test_a_dead_letter_that_is_not_its_record_is_a_stranger_unless_it_says_that_it_was_cut() -> None:
    changed = replace(build_letter(INPUTS[2], 0), value=b"")
    cut = replace(changed, headers={**changed.headers, "prism.dlq.truncated-from-bytes": b"1"})
    assert summarize(check([INPUTS[2]], [changed])) == (1, 0, 0, 0, 1)
    assert summarize(check([INPUTS[2]], [cut])) == (0, 0, 0, 0, 0)
    assert check([INPUTS[2]], [cut]).cut_letters == 1


def test_an_output_of_another_event_or_for_another_item_is_a_stranger() -> None:
    source = build_input(0)
    mixed_up = replace(build_output(build_input(1), "a", 0), headers=build_headers(source))
    for stranger in (mixed_up, build_output(source, "c", 0), replace(build_output(source, "a", 0), headers={})):
        assert summarize(check([source], [stranger])) == (2, 0, 0, 0, 1)


def test_recovery_is_the_longest_gap_from_all_ready_to_the_next_output() -> None:
    changes = [
        Change(0.0, "worker-0", True),
        Change(10.0, "cluster", False),
        Change(11.0, "worker-0", False),
        Change(12.0, "worker-1", True),
        Change(20.0, "cluster", True),
        Change(21.0, "worker-0", True),
        Change(30.0, "worker-1", False),
    ]
    assert measure_recovery(changes, [0.5, 9.0, 23.0]) == 3.0


def test_a_worker_that_is_ready_when_there_is_nothing_left_to_do_has_no_gap() -> None:
    assert measure_recovery([Change(5.0, "worker-0", True)], [1.0]) == 0.0
