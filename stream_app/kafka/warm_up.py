"""One small event through the whole path before the worker joins its group: what cannot write must not consume."""

from typing import Final

from stream_app.core.errors import ModelUnusableError
from stream_app.core.events import ModelIdentity
from stream_app.core.pipeline import Explained
from stream_app.kafka.models import Explainer

WARM_UP_EVENT: Final = (
    b'{"event_id":"warm-up","occurred_at":"2026-01-01T00:00:00Z","user":{"user_id":"warm-up","history":'
    b'[{"item_id":"1","title":"The Quiet Harbour","rating":5.0,"attributes":{"genre":["drama"]}}]},"items":'
    b'[{"item_id":"2","title":"A Lamp at Sea","rank":1,"attributes":{"genre":["mystery"]}}]}'
)


def warm_up(explainer: Explainer) -> ModelIdentity:
    """Explain the warm-up event; returns which model wrote.

    Raises:
        ModelUnusableError: no explanation came out.
    """
    [outcome] = explainer.explain([WARM_UP_EVENT])
    if not isinstance(outcome, Explained):
        raise ModelUnusableError("the warm-up event could not be explained")
    return outcome.explanations[0].model
