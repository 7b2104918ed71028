"""`--find-capacity`: each step of the search is a leg of the run, with a warm-up before and nothing open after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.replay.figures import render_count, render_seconds
from stream_app.replay.logbook import Stretch
from stream_app.replay.measurements import SearchStep, Second
from stream_app.replay.plan import Leg, SearchPlan
from stream_app.replay.schedule import Profile
from stream_app.replay.search import SearchResult, StepLimits, find_capacity, judge_step
from stream_app.replay.slo import Objectives
from stream_app.replay.stage import Stage, play

DRAIN_FACTOR: Final = 4
"""A step may take so many times its own length to drain: enough for five times the capacity."""


class SearchEndedError(PrismError):
    """The search cannot go on; what it has found so far stands."""


@dataclass(slots=True)
class CapacitySearch:
    """Measures one rate after the other."""

    stage: Stage
    plan: SearchPlan
    note: Callable[[str], object]
    """Is told about each step."""
    steps: int = 0

    async def run(self) -> None:
        """Search, and leave the result in the logbook; a search that is cut short leaves its steps."""
        book, done = self.stage.book, list[SearchStep]()

        def report(step: SearchStep) -> None:
            done.append(step)
            self.note(render_step(step))

        try:
            book.search = await find_capacity(
                self._measure,
                start=self.plan.start_rate,
                ceiling=self.plan.max_rate,
                tolerance=self.plan.tolerance,
                max_lateness_seconds=self.stage.plan.max_lateness_seconds,
                report_step=report,
            )
        except SearchEndedError as error:
            book.doubt(str(error))
        finally:
            if book.search is None:
                book.search = _break_off(done)
        if book.search.limit in ("generator", "floor"):
            book.doubt(book.search.explanation)

    async def _measure(self, rate: float) -> SearchStep:
        self.steps += 1
        seconds = self.plan.warm_up_seconds + self.plan.step_seconds
        patience = max(self.stage.plan.patience_seconds, DRAIN_FACTOR * seconds)
        leg = Leg(f"{self.stage.plan.run_id}-s{self.steps}", Profile("constant", rate, seconds), patience)
        stretch = await play(self.stage, leg)
        if self.stage.book.is_interrupted:
            raise SearchEndedError("the search was interrupted: what it had found until then is a lower bound")
        step = self._judge(rate, stretch)
        if not stretch.ledger.is_settled:
            raise SearchEndedError(
                f"{render_count(stretch.ledger.open_events)} events of the step at {rate:.4g} events/s had no outcome "
                f"{render_seconds(patience)} after the last was sent: begin with a lower --start-rate, unless they are "
                "lost"
            )
        return step

    def _judge(self, rate: float, stretch: Stretch) -> SearchStep:
        first = int(self.plan.warm_up_seconds)
        last = first + int(self.plan.step_seconds) - 1
        return judge_step(
            rate,
            take_window(stretch.ledger.list_seconds(), first, last),
            p99=stretch.ledger.measure_latency(first, last).p99,
            lateness_p99=stretch.lateness.find(99) or 0.0,
            limits=StepLimits(
                max_p99_seconds=find_p99_limit(self.stage.plan.objectives),
                max_lateness_seconds=self.stage.plan.max_lateness_seconds,
            ),
        )


def take_window(seconds: Sequence[Second], first: int, last: int) -> list[Second]:
    """Take some seconds, both ends included; after the last one that is listed nothing happened any more."""
    window = [second for second in seconds if first <= second.second <= last]
    if not seconds:
        return window
    quiet = {"intended_events": 0, "sent_events": 0, "outcomes": 0, "templates": 0, "dead_letters": 0}
    nothing = seconds[-1].model_copy(update={**quiet, "p50": None, "p99": None})
    missing = range(max(first, seconds[-1].second + 1), last + 1)
    return window + [nothing.model_copy(update={"second": number}) for number in missing]


def find_p99_limit(objectives: Objectives) -> float | None:
    """Find what p99 must not exceed; the strictest, if there are several limits."""
    return min((limit.seconds for limit in objectives.latencies if limit.percentile == 99), default=None)


def render_step(step: SearchStep) -> str:
    """Render a step as a line."""
    sign = "holds" if step.is_sustained else "fails"
    return (
        f"{step.rate:>9.4g} events/s {sign}: {render_count(round(step.outcomes_per_second, 1))} items/s came out, "
        f"backlog {step.backlog_slope:+.2f} events/s, p99 {render_seconds(step.p99)}, "
        f"generator late by {render_seconds(step.max_lateness_p99)} (p99){_explain(step)}"
    )


def _explain(step: SearchStep) -> str:
    return "" if step.is_sustained else f"; {step.reason}"


def _break_off(steps: Sequence[SearchStep]) -> SearchResult:
    """Sum up a search that was cut short."""
    best = max((step.rate for step in steps if step.is_sustained), default=None)
    found = "no rate was sustained" if best is None else f"at least {best:.4g} events/s are sustained"
    return SearchResult(best, "ceiling", f"{found}; the search was cut short", tuple(steps))
