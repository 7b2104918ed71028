import pytest

from stream_app.kafka.membership import MAX_JOINS, Membership


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
