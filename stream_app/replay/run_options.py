"""What a run is to do, read from the options of `prism replay run`, and told again for `--dry-run`."""

import argparse
import math
from datetime import datetime
from pathlib import Path

from stream_app.replay.faults import parse_faults
from stream_app.replay.plan import AS_RECORDED, Part, PlanError, RunPlan, SearchPlan, build_run_id, forecast
from stream_app.replay.schedule import Profile, ProfileKind
from stream_app.replay.slo import Objectives, parse_objectives
from stream_app.settings import Settings


def build_plan(options: argparse.Namespace, now: datetime) -> RunPlan:
    """Build the plan of a run from its options.

    Raises:
        PrismError: they make no plan.
    """
    run_id = options.run_id or build_run_id(now)
    search = _build_search(options)
    return RunPlan(
        recording=options.file,
        run_id=run_id,
        folder=options.report or Path(f"replay-{run_id}"),
        profile=AS_RECORDED if search else _build_profile(options),
        part=Part(options.begin, math.inf if options.end is None else options.end),
        objectives=read_objectives(options),
        max_lateness_seconds=options.max_lateness,
        patience_seconds=options.patience,
        workers=options.workers,
        threads=options.threads,
        faults=parse_faults(options.fault) if options.fault else (),
        search=search,
    )


def _build_profile(options: argparse.Namespace) -> Profile:
    kind: ProfileKind = options.profile or ("recorded" if options.rate is None else "constant")
    return Profile(kind, options.rate, options.duration, 1.0 if options.speed is None else options.speed)


def _build_search(options: argparse.Namespace) -> SearchPlan | None:
    names = {
        "start_rate": "start_rate",
        "max_rate": "max_rate",
        "step": "step_seconds",
        "warm_up": "warm_up_seconds",
        "tolerance": "tolerance",
    }
    given = {names[name]: getattr(options, name) for name in names if getattr(options, name) is not None}
    if not options.find_capacity:
        if given:
            raise PlanError("--start-rate, --max-rate, --step, --warm-up and --tolerance are for --find-capacity")
        return None
    if any(value is not None for value in (options.rate, options.profile, options.duration, options.speed)):
        raise PlanError("--find-capacity sets the rates itself: leave out --rate, --profile, --duration and --speed")
    return SearchPlan(**given)


def read_objectives(options: argparse.Namespace) -> Objectives:
    """Read what must hold from the options.

    Raises:
        ObjectiveError: one of them says nothing of the kind.
    """
    return parse_objectives(
        options.slo,
        max_lost=options.max_lost,
        max_template=options.max_template,
        max_dead_letters=options.max_dead_letters,
        max_duplicates=options.max_duplicates,
        max_out_of_order=options.max_out_of_order,
    )


def describe_plan(plan: RunPlan, settings: Settings) -> str:
    """Describe what a run would send; connects to nothing."""
    search = plan.search
    profile = plan.profile
    if search is not None:
        profile = Profile("constant", search.start_rate, search.warm_up_seconds + search.step_seconds)
    what = forecast(plan, profile)
    shown = "the first step of a search would send" if search else "would send"
    rate = f"{what.events / what.seconds:,.1f} events/s" if what.seconds else "all at once"
    lines = [
        f"{shown} {what.events:,} events with {what.items:,} items in {what.seconds:,.1f} s ({rate}), "
        f"profile {profile.kind}",
        f"  {what.unreadable:,} of them are no ranking events: each is to become a dead letter",
        f"  first event ids: {', '.join(what.first_event_ids)}",
        f"  to {settings.input_topic} on {settings.bootstrap_servers}",
        f"  outcomes from {settings.output_topic} and {settings.dead_letter_topic}",
        f"  workers started: {plan.workers}; report in {plan.folder}; nothing was sent",
    ]
    return "\n".join(lines)
