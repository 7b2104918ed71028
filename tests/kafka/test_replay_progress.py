from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.replay_progress import Progress, Walk, parse_progress


def walk_over(fates: dict[int, bool]) -> list[range]:
    walk = Walk()
    for offset, is_open in sorted(fates.items()):
        walk.note(offset, is_open)
    return walk.open


@given(st.lists(st.dictionaries(st.integers(0, 60), st.booleans()), min_size=1, max_size=4))
def test_whatever_replays_leave_is_remembered_and_nothing_else(runs: list[dict[int, bool]]) -> None:
    progress, is_open = Progress(), dict[int, bool]()
    for number, fates in enumerate(runs, start=1):
        # Each run looks at what is open, and at all that is new until its own end.
        end = 15 * number
        seen = {one: left for one, left in fates.items() if one < end and is_open.get(one, one >= progress.position)}
        seen |= {one: False for one, left in is_open.items() if left and one not in seen}
        is_open |= seen
        visible = {one: is_open[one] for one in is_open if one >= progress.first_open}
        progress = progress.advance(end, walk_over(visible))
        progress = parse_progress(progress.first_open, progress.render_metadata())
        for offset, left in is_open.items():
            assert progress.is_done(offset) != left
        assert not progress.is_done(end)


def test_an_advance_over_a_part_keeps_what_was_open_behind_it() -> None:
    before = Progress(100, (range(10, 20), range(50, 60)))
    after = before.advance(15, [range(12, 15)])
    assert after == Progress(100, (range(12, 20), range(50, 60)))
    assert after.first_open == 12


def test_letters_left_one_after_the_other_are_one_range_even_over_gaps() -> None:
    assert walk_over({3: True, 4: True, 9: True, 11: False, 12: True}) == [range(3, 10), range(12, 13)]


def test_what_the_topic_no_longer_has_is_forgotten() -> None:
    assert Progress(30, (range(5, 10), range(20, 25))).start_at(22) == Progress(30, (range(22, 25),))
    assert Progress(30).start_at(40) == Progress(40)


def test_a_commit_of_another_tool_means_that_all_below_is_done() -> None:
    for metadata in ("", "by hand", "prism1:", "prism1:x!"):
        assert parse_progress(7, metadata) == Progress(7)


def test_a_thousand_gaps_fit_into_the_metadata_of_a_commit() -> None:
    progress = Progress(3_000, tuple(range(one, one + 2) for one in range(0, 2_000, 4)))
    assert len(progress.render_metadata()) < 3_000
    assert parse_progress(progress.first_open, progress.render_metadata()) == progress
