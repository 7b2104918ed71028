import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from stream_app.local.broker import EmbeddedBroker
from tests.broker.harness import Broker, Lane
from tests.broker.kafka_server import KafkaMissingError, run_kafka


@contextmanager
def skip_without_kafka() -> Iterator[None]:
    """Skip the test where there is no Apache Kafka; with `PRISM_REQUIRE_KAFKA=1` it fails."""
    try:
        yield
    except KafkaMissingError as error:
        if os.environ.get("PRISM_REQUIRE_KAFKA") == "1":
            pytest.fail(f"PRISM_REQUIRE_KAFKA=1, but {error}")
        pytest.skip(f"no Apache Kafka: {error}")


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[Broker]:
    with EmbeddedBroker() as broker:
        yield Broker(broker.bootstrap_servers, forgets=True)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with skip_without_kafka(), run_kafka(tmp_path_factory.mktemp("kafka")) as bootstrap_servers:
        yield Broker(bootstrap_servers, forgets=False)


@pytest.fixture(scope="session", params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Every behaviour is written once and holds on both brokers."""
    chosen: Broker = request.getfixturevalue(f"{request.param}_broker")
    return chosen


@pytest.fixture
def lane(broker: Broker, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    """Topics and group of this test alone, named after it; created as `prism topics create` does."""
    lane = build_lane(broker, request.node.originalname, tmp_path)
    lane.create_topics()
    yield lane
    for worker in lane.workers:
        worker.end()


def build_lane(broker: Broker, test_name: str, folder: Path) -> Lane:
    name = re.sub(r"[^a-z0-9]+", "-", test_name.removeprefix("test_"))[:60]
    return Lane(broker, f"{name}-{uuid4().hex[:6]}", folder)
