"""The rights as data; what a broker makes of them is tested in tests/broker/test_security.py."""

import asyncio

import pytest

from stream_app.kafka.clients import find_missing_topics, open_admin, read_max_message_bytes
from stream_app.kafka.permissions import (
    Operation,
    Right,
    TopicAccess,
    find_denied_rights,
    list_creator_rights,
    list_worker_rights,
    read_topic_access,
)
from stream_app.local.broker import EmbeddedBroker
from stream_app.settings import Settings

READ_BIT, WRITE_BIT = 1 << 3, 1 << 4


def test_a_worker_needs_a_right_on_transactions_only_for_exactly_once() -> None:
    least = list_worker_rights(Settings())
    assert [str(right) for right in least] == [
        "Read on topic ranking-events",
        "Read on group prism",
        "Write on topic explanations",
        "DescribeConfigs on topic explanations",
        "Write on topic explanations-dead-letters",
        "DescribeConfigs on topic explanations-dead-letters",
    ]
    more = list_worker_rights(Settings(delivery="exactly-once"))
    assert more[:-1] == least
    assert more[-1] == Right("transactional id", "prism-ranking-events-", "Write", is_prefix=True)


def test_topics_are_created_with_other_rights_than_those_of_a_worker() -> None:
    assert {right.operation for right in list_creator_rights(Settings())} == {"Describe", "Create"}


@pytest.mark.parametrize(
    ("access", "operation", "expected"),
    [
        (TopicAccess(True, True, READ_BIT), "Read", True),
        (TopicAccess(True, True, READ_BIT), "Write", False),
        (TopicAccess(True, True, READ_BIT | WRITE_BIT), "Write", True),
        (TopicAccess(True, True, 0), "Read", False),
        (TopicAccess(True, True, None), "Write", True),
        (TopicAccess(True, False, None), "Read", True),
        (TopicAccess(False, False, None), "Read", False),
    ],
)
def test_a_right_is_read_from_its_bit_and_what_is_not_told_counts_as_granted(
    access: TopicAccess, operation: Operation, expected: bool
) -> None:
    assert access.allows(operation) is expected


def test_a_broker_without_access_control_denies_nothing_and_makes_no_topic() -> None:
    async def look(settings: Settings) -> tuple[list[Right], tuple[str, ...], dict[str, int]]:
        async with open_admin(settings) as admin:
            denied = await find_denied_rights(admin, settings, await read_topic_access(admin, settings.topics))
        missing = await find_missing_topics(settings)
        return denied, missing, await read_max_message_bytes(settings, settings.topics)

    with EmbeddedBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers, delivery="exactly-once")
        denied, missing, limits = asyncio.run(look(settings))
    assert denied == []
    assert missing == settings.topics
    assert set(limits.values()) == {1_048_588}
