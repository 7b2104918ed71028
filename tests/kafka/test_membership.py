import pytest

from stream_app.kafka.membership import MAX_JOINS, MAX_REFUSED_IN_A_ROW, CommitRefusedError, Membership


def test_commits_refused_in_a_row_end_the_membership() -> None:
    membership = Membership(is_static=False)
    for _ in range(MAX_REFUSED_IN_A_ROW - 1):
        membership.note_commit(is_accepted=False)
    with pytest.raises(CommitRefusedError):
        membership.note_commit(is_accepted=False)


def test_an_accepted_commit_forgives_the_refused_ones() -> None:
    membership = Membership(is_static=False)
    for _ in range(3 * MAX_REFUSED_IN_A_ROW):
        membership.note_commit(is_accepted=False)
        membership.note_commit(is_accepted=True)


@pytest.mark.parametrize(
    ("is_static", "seconds", "expected"), [(True, 1.0, True), (False, 1.0, False), (True, 9.0, False)]
)
def test_only_a_static_member_that_joins_all_the_time_shares_its_id(
    is_static: bool, seconds: float, expected: bool
) -> None:
    now = 0.0
    membership = Membership(is_static, clock=lambda: now)
    joins = []
    for _ in range(MAX_JOINS + 1):
        joins.append(membership.note_join())
        now += seconds
    assert joins == [False] * MAX_JOINS + [expected]
