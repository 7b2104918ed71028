"""Faults of workers and of the load: each function causes one, and returns when it is over."""

import time
from collections.abc import Callable
from signal import SIGCONT, SIGSTOP, Signals
from typing import Final

from tests.chaos.load import LoadPlan
from tests.chaos.stage import Lane, Stage
from tests.chaos.supervisor import Slot, wait_until
from tests.chaos.topics import make_topic

SESSION_SECONDS: Final = 6.0
BURST: Final = LoadPlan(3_200.0)
"""Twenty times what a worker does with 32 records in 0.2 s."""


def per_lane(act: Callable[[Lane], None]) -> Callable[[Stage], None]:
    """Do something in each run of the row, side by side."""
    return lambda stage: stage.each(act)


def first_worker(lane: Lane) -> Slot:
    """The worker that the row started with."""
    return lane.supervisor.slots[0]


def signal_repeatedly(number: Signals, times: int) -> Callable[[Lane], None]:
    """Send a signal some seconds after the worker is ready, wait for its end, and again."""

    def act(lane: Lane) -> None:
        slot = first_worker(lane)
        for _ in range(times):
            slot.wait_until_ready()
            lane.pause(0.5, 3.0)
            ended = len(slot.exits)
            slot.send(number)
            wait_until(lambda ended=ended: len(slot.exits) > ended, f"{slot.name} ends")  # type: ignore[misc]

    return act


def run_with_faults(lane: Lane) -> None:
    """Let the worker run; the faults are injected into its process."""
    first_worker(lane).wait_until_ready()
    time.sleep(20)


def freeze(times: int) -> Callable[[Lane], None]:
    """Freeze a worker until another has its partitions, then thaw it; and again."""

    def act(lane: Lane) -> None:
        first = first_worker(lane)
        first.wait_until_ready()
        second = None
        for _ in range(times):
            lane.pause(1.0, 3.0)
            first.send(SIGSTOP)
            time.sleep(SESSION_SECONDS + 2)
            second = second or lane.supervisor.add()
            second.wait_until_ready()
            lane.wait_for_progress()
            first.send(SIGCONT)
            time.sleep(5)
            first.wait_until_ready()

    return act


def scale(is_static: bool) -> Callable[[Lane], None]:
    """Go from one worker to three, and back to one."""

    def act(lane: Lane) -> None:
        first_worker(lane).wait_until_ready()
        time.sleep(3)
        more = []
        for number in (1, 2):
            more.append(lane.supervisor.add(**({"PRISM_INSTANCE_ID": f"worker-{number}"} if is_static else {})))
            more[-1].wait_until_ready()
            time.sleep(3)
        for slot in more:
            slot.retire()
            lane.expect(slot.exits[-1:] == [0], f"{slot.name} ended with {slot.exits}")
            time.sleep(3)

    return act


def share_an_id(lane: Lane) -> None:
    """Start a second worker with the first one's static id, and end it once one of them has given up."""
    first = first_worker(lane)
    first.wait_until_ready()
    second = lane.supervisor.add()
    wait_until(lambda: bool(first.exits or second.exits), "one of two workers with one static id gives up", 90)
    time.sleep(5)
    second.end()
    first.wait_until_ready()


def make_topics_late(lane: Lane) -> None:
    """Start the worker before its topics are there; make the output topic last, while the load waits for it."""
    admin = lane.cluster.open_admin()
    slot = first_worker(lane)
    wait_until(lambda: lane.input_topic in slot.last_answer, "the worker names the missing topic")
    lane.expect(slot.is_running, "the worker waits for its topics")
    make_topic(admin, lane.input_topic, lane.cluster.size, {})
    make_topic(admin, lane.dead_letter_topic, lane.cluster.size, {})
    lane.loader.start()
    time.sleep(10)
    make_topic(admin, lane.output_topic, lane.cluster.size, {})
    slot.wait_until_ready()


def send_only_poison(lane: Lane) -> None:
    """Send nothing but poison until the breaker opens; see that nothing is consumed; mend the producer."""
    slot = first_worker(lane)
    wait_until(lambda: "breaker open" in slot.last_answer, "the breaker opens")
    time.sleep(1)
    before = lane.read_committed()
    time.sleep(4)
    lane.expect(lane.read_committed() == before, "nothing is consumed while the breaker is open")
    lane.expect(not slot.is_ready, "the worker is not ready while the breaker is open")
    lane.loader.change(LoadPlan(200.0, lane.loader.plan.seed))
    wait_until(lambda: slot.is_ready, "the breaker closes")


def send_burst(lane: Lane) -> None:
    """Send twenty times what the worker can do, all at once."""
    first_worker(lane).wait_until_ready()
    lane.loader.change(BURST)
    lane.loader.finish()
    committed = sum(lane.read_committed().values())
    lane.expect(committed < len(lane.loader.sent) / 2, f"it was no burst: {committed} were settled as it ended")
