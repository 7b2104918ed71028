"""The models at work: who explains which record. One immutable value, replaced whole, and read once for each batch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from stream_app.core.errors import BROKEN_MACHINE
from stream_app.core.events import ModelIdentity, decode_event
from stream_app.core.pipeline import Outcome
from stream_app.kafka.records import IncomingRecord


class Role(StrEnum):
    """What a model is there for."""

    SERVING = "serving"
    CANARY = "canary"
    SHADOW = "shadow"


class Explainer(Protocol):
    """What a worker needs of ExplanationPipeline."""

    def explain(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Explain records: one outcome each, in order."""
        ...

    def explain_with_template(self, records: Sequence[bytes | None]) -> list[Outcome]:
        """Answer records with the template at once: one outcome each, in order."""
        ...


class ModelUse(NamedTuple):
    """A model and its role, as metrics name them."""

    role: str
    name: str
    version: str


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Contender:
    """A loaded model."""

    explainer: Explainer
    model: ModelIdentity
    role: Role = Role.SERVING

    @property
    def use(self) -> ModelUse:
        """As metrics name it."""
        return ModelUse(self.role, self.model.name, self.model.version)


@dataclass(frozen=True, slots=True)
class Lineup:
    """Who explains: the serving model, and perhaps a canary for a share of the keys.

    The share is a hash of the record's key, or of the event's id where there is no key: the same record is always
    explained by the same one, also when it is delivered again, and a larger share holds every key of a smaller one.
    """

    serving: Contender
    canary: Contender | None = None
    canary_percent: float = 0.0

    def choose(self, record: IncomingRecord) -> Contender:
        """Choose who explains a record."""
        if self.canary is None or _locate_on_scale(record) >= self.canary_percent:
            return self.serving
        return self.canary


class Models:
    """Holds the lineup. Others replace it while batches are at work; a batch keeps the one that it began with."""

    def __init__(self, lineup: Lineup) -> None:
        self._lineup = lineup

    @property
    def lineup(self) -> Lineup:
        """The lineup for the next batch."""
        return self._lineup

    def install(self, contender: Contender) -> None:
        """Put a model into its role. For one thread at a time; readers need no lock, they see either lineup whole."""
        if contender.role is Role.CANARY:
            self._lineup = replace(self._lineup, canary=contender)
        else:
            self._lineup = replace(self._lineup, serving=contender)


def _locate_on_scale(record: IncomingRecord) -> float:
    """Locate a record on the scale from 0 to 100."""
    # Not Kafka's own hash: that one has chosen the partition, so a share of it would be some partitions whole.
    digest = hashlib.blake2b(record.key or _read_event_id(record.value), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * 100


def _read_event_id(value: bytes | None) -> bytes:
    try:
        return decode_event(value).event_id.encode()
    except BROKEN_MACHINE:
        raise
    except Exception:
        return b""  # No model will see it.
