"""Models roll while the worker runs: what a name stands for is looked at now and then, and a new model put in place.

Loading and trying happen here, on a thread of their own; the event loop and the batch at work notice nothing. A model
that does not pass is refused, and the one at work goes on.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Final, Protocol

import structlog

from stream_app.core.errors import PrismError
from stream_app.core.manifest import Edition
from stream_app.kafka.models import Contender, Explainer, Models, Role
from stream_app.kafka.warm_up import warm_up
from stream_app.settings import Settings
from stream_app.telemetry import Metrics

RETRY_REFUSED_SECONDS: Final = 60.0
"""A model that was refused is tried again after so long, should only its files have been incomplete. As often it is
logged and counted anew, so that an alert lasts as long as its cause."""
STOP_SECONDS: Final = 2.0
"""How long the end of the process waits for a model that is being loaded."""

_LOADING: Final = threading.Lock()
"""One model at a time, whoever asks: beside those at work there is never memory for more than one."""

log = structlog.stdlib.get_logger(__name__)


class ModelSource(Protocol):
    """Where models come from."""

    def locate(self, model: str | None) -> Edition:
        """Find which artifact a model stands for just now. Cheap.

        Raises:
            ModelUnusableError: for none.
        """
        ...

    def load(self, edition: Edition, threads: int, is_background: bool = False) -> Explainer:
        """Verify, load and warm up an artifact; `is_background`: it gets the processor where nothing else wants it.

        Raises:
            ModelUnusableError: it does not pass.
        """
        ...


@dataclass(frozen=True, slots=True)
class Rolling:
    """What a worker needs to roll its models: where they come from, and which one it has begun with."""

    source: ModelSource
    serving: Edition


@dataclass(frozen=True, slots=True)
class Seat:
    """What a setting asks for: a model in a role, with so many threads."""

    role: Role
    model: str | None
    threads: int


class Follower:
    """Keeps one seat taken by the model that its name stands for. For one thread at a time.

    Args:
        seat: whom it looks for.
        source: where models come from.
        metrics: counts what came of each.
        install: puts a model that has passed into its place.
        edition: what is in place already.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        seat: Seat,
        source: ModelSource,
        metrics: Metrics,
        install: Callable[[Contender], None],
        edition: Edition | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seat = seat
        self._source = source
        self._metrics = metrics
        self._install = install
        self._clock = clock
        self._edition = edition
        self._before: Edition | None = None
        self._refused: Edition | str | None = None
        self._refused_at = 0.0

    def check(self, is_urgent: bool = False) -> None:
        """Look whether the name stands for another artifact now, and put that into place if it passes.

        Args:
            is_urgent: whether one that was refused a moment ago is tried once more.
        """
        found = self._locate()
        if found == self._edition:
            self._refused = None
            return
        if found == self._refused and not is_urgent and self._clock() - self._refused_at < RETRY_REFUSED_SECONDS:
            return
        refusal = found if isinstance(found, str) else self._replace(found)
        if refusal:
            self._refused, self._refused_at = found, self._clock()
            self._metrics.count_reload("refused")
            log.error("model_refused", role=self._seat.role, model=self._seat.model, reason=refusal)

    def _locate(self) -> Edition | str:
        try:
            return self._source.locate(self._seat.model)
        except Exception as error:  # Whatever it is: the model at work goes on.
            return _describe(error)

    def _replace(self, edition: Edition) -> str | None:
        """Replace the model; returns why not."""
        started_at = self._clock()
        try:
            contender = self._load(edition)
        except Exception as error:  # As above; a lack of memory too, which ends with the model that was not loaded.
            return _describe(error)
        self._install(contender)
        is_back = edition == self._before
        self._before, self._edition, self._refused = self._edition, edition, None
        self._announce(contender, "rolled_back" if is_back else "loaded", self._clock() - started_at)
        return None

    def _load(self, edition: Edition) -> Contender:
        is_background = self._seat.role is Role.SHADOW
        with _LOADING:
            explainer = self._source.load(edition, self._seat.threads, is_background)
            return Contender(explainer, warm_up(explainer), self._seat.role)

    def _announce(self, contender: Contender, outcome: str, seconds: float) -> None:
        _role, name, version = contender.use
        self._metrics.set_model(*contender.use)
        self._metrics.count_reload(outcome)
        log.info(f"model_{outcome}", role=self._seat.role, name=name, version=version, seconds=round(seconds, 3))


class _Call(Enum):
    LOOK = "look"
    STOP = "stop"


class RollWatch:
    """The thread that looks, every few seconds, or at once when it is asked to."""

    def __init__(self, followers: Sequence[Follower], check_seconds: float) -> None:
        self._followers = followers
        self._check_seconds = check_seconds
        # Of all that threads can wait for, the one that a signal handler may interrupt and call at the same time.
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="prism-model-roll", daemon=True)

    def start(self) -> None:
        """Look once, then begin to watch."""
        for follower in self._followers:
            follower.check()
        self._thread.start()

    def ask(self) -> None:
        """Look at once; returns before that is done, so a signal handler may call it."""
        self._calls.put(_Call.LOOK)

    def stop(self) -> None:
        """Stop to watch."""
        self._calls.put(_Call.STOP)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while (call := self._wait()) is not _Call.STOP:
            for follower in self._followers:
                follower.check(is_urgent=call is _Call.LOOK)

    def _wait(self) -> "_Call | None":
        try:
            return self._calls.get(timeout=self._check_seconds)
        except Empty:
            return None


def build_watch(settings: Settings, rolling: Rolling, models: Models, metrics: Metrics) -> RollWatch:
    """Build the watch over the serving model and the canary; the shadow looks after itself."""
    threads, source = settings.inference_threads, rolling.source
    serving = Seat(Role.SERVING, settings.model, threads)
    followers = [Follower(serving, source, metrics, models.install, rolling.serving)]
    if settings.canary_model is not None:
        canary = Seat(Role.CANARY, settings.canary_model, threads)
        followers.append(Follower(canary, source, metrics, models.install))
    return RollWatch(followers, settings.model_check_seconds)


def _describe(error: Exception) -> str:
    # Only errors that Prism words itself are known to be one clear sentence.
    return str(error) if isinstance(error, PrismError | OSError) else type(error).__name__
