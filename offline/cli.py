"""The command line `prism-offline`: from raw data to a released model, one step at a time or all of them."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Final

from offline.steps import StepError, StepManifest, is_main_process
from stream_app.core.errors import PrismError

EXIT_REFUSED: Final = 78
_STEP_HELP: Final = {
    "prepare": "read data sets and make events: users' histories before the explained interaction",
    "label": "let the Oracle write candidates for each event",
    "select": "keep the best candidate that is faithful, personal, specific and no near-duplicate",
    "distill": "fine-tune the student on the selected texts",
    "refine": "let the student learn from judged drafts of its own; for recipes with the table",
    "convert": "quantize the best weights to int8 and compare with float32",
    "evaluate": "measure the int8 artifact, beside baselines and the Oracle",
    "release": "publish the evaluated artifact as models/NAME/VERSION",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code: 78 where recipe, data or an earlier step are not as they must be."""
    options = _build_parser().parse_args(arguments)
    try:
        options.command(options)
    except (StepError, PrismError, ValueError) as error:
        sys.stderr.write(f"prism-offline: {error}\n")
        return EXIT_REFUSED
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prism-offline",
        description="Make and measure the model that Prism serves. A step that is done is skipped; one that was "
        "interrupted goes on.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for step, text in _STEP_HELP.items():
        command = commands.add_parser(step, help=text)
        _add_recipe(command)
        command.set_defaults(command=_run, steps=(step,))
    everything = commands.add_parser("run", help="all steps, from prepare to release")
    _add_recipe(everything)
    everything.add_argument("--until", choices=tuple(_STEP_HELP), default="release", help="stop after this step")
    everything.set_defaults(command=_run, steps=tuple(_STEP_HELP))
    _add_measure(commands)
    _add_draft(commands)
    _add_human_eval(commands)
    return parser


def _add_measure(commands: Any) -> None:
    measure = commands.add_parser("measure", help="evaluate a released artifact on rows of one's own, without a recipe")
    measure.add_argument("artifact", help="NAME/VERSION or a folder")
    measure.add_argument("rows", type=Path, help="JSON lines (.gz too) of kind, event, explanation")
    measure.add_argument("--folder", type=Path, required=True, help="where texts, figures and the page go")
    measure.add_argument("--judge", type=Path, default=None, help="causal model for GPTScore: folder or GGUF file")
    measure.add_argument("--max-rows", type=int, default=None)
    measure.set_defaults(command=_measure)


def _add_draft(commands: Any) -> None:
    draft = commands.add_parser(
        "draft", help="let a released artifact write drafts, to be judged and mended for `refine`"
    )
    draft.add_argument("artifact", help="NAME/VERSION or a folder")
    draft.add_argument("rows", type=Path, help="JSON lines (.gz too) of kind, event, explanation")
    draft.add_argument("--output", type=Path, required=True, help="JSON lines; mend `text` where `draft` is faulty")
    draft.add_argument("--max-rows", type=int, default=None)
    draft.set_defaults(command=_draft)


def _add_human_eval(commands: Any) -> None:
    human = commands.add_parser("human-eval", help="let people rate texts, blind; analyse what they exported")
    actions = human.add_subparsers(required=True, metavar="ACTION")
    form = actions.add_parser("form", help="make the rating form (one HTML file) and its key")
    form.add_argument("texts", type=Path, help="texts.jsonl of an evaluation")
    form.add_argument("--folder", type=Path, required=True)
    form.add_argument("--rows", type=int, default=20, help="rows whose texts are graded 1 to 5")
    form.add_argument("--pair-rows", type=int, default=20, help="rows that are compared side by side")
    form.add_argument("--seed", type=int, default=0)
    form.set_defaults(command=_make_form)
    analyse = actions.add_parser("analyse", help="means, intervals, agreement and paired tests of exported ratings")
    analyse.add_argument("exports", type=Path, nargs="+", help="JSON files that raters exported")
    analyse.add_argument("--key", type=Path, required=True, help="key.json of the form")
    analyse.add_argument("--json", type=Path, default=None, help="write the analysis here too")
    analyse.set_defaults(command=_analyse)
    sheet = actions.add_parser("sheet", help="the same for one reader's sheet: JSON lines with numeric fields")
    sheet.add_argument("sheet", type=Path)
    sheet.add_argument("--fields", nargs="*", default=(), help="which fields (default: all numeric ones)")
    sheet.set_defaults(command=_analyse_sheet)


def _add_recipe(command: argparse.ArgumentParser) -> None:
    command.add_argument("recipe", type=Path, help="a TOML file, such as offline/recipes/smoke.toml")
    command.add_argument("--run", type=Path, default=None, help="folder of the run (default: runs/NAME)")


def _run(options: argparse.Namespace) -> None:
    from offline.recipe import load_recipe

    recipe_run = load_recipe(options.recipe, options.run)
    until = getattr(options, "until", options.steps[-1])
    steps = options.steps[: options.steps.index(until) + 1]
    if len(options.steps) > 1:
        steps = tuple(step for step in steps if recipe_run.has_step(step))
    if os.environ.get("WORLD_SIZE", "1") != "1" and steps not in (("distill",), ("refine",)):
        raise StepError("several processes can share distill or refine only; run the other steps in one")
    for step in steps:
        recipe_run.load_options(step)  # A slip in the last table should show before hours of work, not after.
    for step in steps:
        manifest = recipe_run.run_step(step)
        if is_main_process():
            sys.stdout.write(f"{_describe(manifest)}\n")
            sys.stdout.flush()


def _measure(options: argparse.Namespace) -> None:
    from offline.evaluation.step import EvaluateOptions, measure
    from offline.recorded_rows import load_rows
    from offline.steps import StepContext
    from stream_app.runtime.artifact import load_artifact
    from stream_app.runtime.generator import CTranslate2Generator

    generator = CTranslate2Generator(load_artifact(options.artifact), os.cpu_count() or 1)
    rows = list(load_rows(options.rows))[: options.max_rows]
    settings = EvaluateOptions(judge=options.judge)
    evaluation = measure(generator, rows, settings, options.folder, track=StepContext(options.folder).track)
    gate = evaluation.groups["all"].gate
    sys.stdout.write(
        f"{len(rows)} rows: emitted by the model {gate.emitted_by_model.value:.3f}, turned down at the first attempt "
        f"{gate.rejected_at_first_attempt.value:.3f}; see {options.folder / 'evaluation.html'}\n"
    )


def _draft(options: argparse.Namespace) -> None:
    from offline.drafting import save_judged_events, write_drafts
    from offline.recorded_rows import load_rows
    from stream_app.runtime.artifact import load_artifact
    from stream_app.runtime.generator import CTranslate2Generator

    generator = CTranslate2Generator(load_artifact(options.artifact), os.cpu_count() or 1)
    rows = list(load_rows(options.rows))[: options.max_rows]
    count = save_judged_events(options.output, write_drafts(generator, rows))
    sys.stdout.write(f"{options.output}: drafts about {count} of {len(rows)} events\n")


def _make_form(options: argparse.Namespace) -> None:
    from offline.human_eval.form import FormOptions, build_form

    form = FormOptions(rows=options.rows, pair_rows=options.pair_rows, seed=options.seed)
    build_form(options.texts, options.folder, form)
    sys.stdout.write(f"{options.folder / 'form.html'} is for the raters; keep key.json from them\n")


def _analyse(options: argparse.Namespace) -> None:
    from offline.human_eval.analysis import analyse
    from offline.human_eval.table import render_evaluation

    evaluation = analyse(options.exports, options.key)
    if options.json is not None:
        options.json.write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(render_evaluation(evaluation) + "\n")


def _analyse_sheet(options: argparse.Namespace) -> None:
    from offline.human_eval.sheet import analyse_sheet
    from offline.human_eval.table import render_sheet

    sys.stdout.write(render_sheet(analyse_sheet(options.sheet, tuple(options.fields))) + "\n")


def _describe(manifest: StepManifest) -> str:
    counts = ", ".join(f"{name} {count:,}" for name, count in manifest.counts.items())
    return f"{manifest.step}: {counts or 'done'} ({manifest.seconds:g} s)"


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    sys.exit(main())
