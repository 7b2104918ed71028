"""The book of what is fetched and settled."""

import pytest
from aiokafka.structs import TopicPartition

from stream_app.kafka.progress import Progress

FIRST, SECOND = TopicPartition("in", 0), TopicPartition("in", 1)
ASSIGNMENT = object()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_before_anything_is_fetched_the_position_is_the_next_to_settle() -> None:
    assert Progress().find_next(ASSIGNMENT, FIRST, position=7) == 7


def test_what_is_fetched_is_not_settled() -> None:
    progress = Progress()
    progress.note_fetched(ASSIGNMENT, FIRST, 7, 20)
    progress.note_fetched(ASSIGNMENT, FIRST, 20, 30)
    assert progress.find_next(ASSIGNMENT, FIRST, position=30) == 7
    progress.note_settled({FIRST: 12})
    assert progress.find_next(ASSIGNMENT, FIRST, position=30) == 12
    progress.note_settled({FIRST: 20})
    assert progress.find_next(ASSIGNMENT, FIRST, position=30) == 20


def test_offsets_without_a_record_are_behind_once_all_before_them_is_settled() -> None:
    progress = Progress()
    progress.note_fetched(ASSIGNMENT, FIRST, 7, 9)
    assert progress.find_next(ASSIGNMENT, FIRST, position=10) == 7
    progress.note_settled({FIRST: 9})
    assert progress.find_next(ASSIGNMENT, FIRST, position=10) == 10


def test_partitions_are_kept_apart() -> None:
    progress = Progress()
    progress.note_fetched(ASSIGNMENT, FIRST, 0, 5)
    progress.note_fetched(ASSIGNMENT, SECOND, 50, 55)
    progress.note_settled({SECOND: 53})
    assert progress.find_next(ASSIGNMENT, FIRST, position=5) == 0
    assert progress.find_next(ASSIGNMENT, SECOND, position=55) == 53


def test_a_new_assignment_knows_nothing_of_the_old_one() -> None:
    progress = Progress()
    progress.note_fetched(ASSIGNMENT, FIRST, 0, 5)
    following = object()
    assert progress.find_next(following, FIRST, position=3) == 3
    progress.note_settled({FIRST: 5})
    assert progress.find_next(following, FIRST, position=3) == 3
    progress.note_fetched(following, FIRST, 3, 5)
    assert progress.find_next(following, FIRST, position=5) == 3


def test_a_record_has_waited_since_it_was_fetched() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.note_fetched(ASSIGNMENT, FIRST, 0, 5)
    clock.now += 2.0
    progress.note_fetched(ASSIGNMENT, FIRST, 5, 9)
    clock.now += 1.0
    assert progress.measure_wait(FIRST, 4) == pytest.approx(3.0)
    assert progress.measure_wait(FIRST, 5) == pytest.approx(1.0)


def test_of_a_record_that_is_settled_or_unknown_there_is_no_wait() -> None:
    progress = Progress()
    assert progress.measure_wait(FIRST, 0) is None
    progress.note_fetched(ASSIGNMENT, FIRST, 0, 5)
    assert progress.measure_wait(FIRST, 5) is None
    progress.note_settled({FIRST: 5})
    assert progress.measure_wait(FIRST, 4) is None
