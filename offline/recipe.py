"""Recipes: a small TOML file says how a model is made, a table for each step."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offline.steps import StepContext, StepError, StepManifest, run_step

_INPUTS: Final[dict[str, tuple[str, ...]]] = {
    "prepare": (),
    "label": ("prepare",),
    "select": ("label",),
    "distill": ("select",),
    "refine": ("select", "distill"),
    "convert": ("select", "distill", "refine"),
    "evaluate": ("select", "convert"),
    "release": ("prepare", "label", "select", "distill", "refine", "convert", "evaluate"),
}
STEPS: Final = tuple(_INPUTS)
"""In their order; `refine` is left out of a recipe without its table."""
DEFAULT_RUNS: Final = Path("runs")


class Recipe(BaseModel):
    """A recipe; the tables of steps are read by the steps themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    seed: int = 1
    prepare: dict[str, Any]
    label: dict[str, Any] = {}
    select: dict[str, Any] = {}
    distill: dict[str, Any] = {}
    refine: dict[str, Any] | None = None
    convert: dict[str, Any] = {}
    evaluate: dict[str, Any] = {}
    release: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class RecipeRun:
    """Where a recipe is worked on: the file it came from, and the folder of the run."""

    recipe: Recipe
    base: Path
    """What relative paths in the recipe are relative to."""
    run: Path

    def has_step(self, step: str) -> bool:
        """Whether the recipe has this step."""
        return step != "refine" or self.recipe.refine is not None

    def load_options(self, step: str) -> BaseModel:
        """Load the table of a step.

        Raises:
            StepError: it has unknown or wrong settings, or the recipe has no such step.
        """
        if not self.has_step(step):
            raise StepError(f"the recipe has no [{step}]")
        options_type, _ = _find_step(step)
        try:
            return options_type.model_validate(getattr(self.recipe, step))
        except ValidationError as error:
            raise StepError(f"[{step}] of the recipe: {_render_problems(error)}") from error

    def run_step(self, step: str) -> StepManifest:
        """Run one step of the recipe.

        Raises:
            StepError: its table is wrong, or the step cannot run.
        """
        options = self.load_options(step)
        _, work = _find_step(step)
        context = StepContext(
            folder=self.run / step,
            inputs={name: self.run / name for name in _INPUTS[step] if self.has_step(name)},
            seed=self.recipe.seed,
            base=self.base,
        )
        return run_step(step, options, context, work, files=_list_files(step, options, self.base))


def load_recipe(path: Path, run: Path | None = None) -> RecipeRun:
    """Load a recipe.

    Args:
        path: the TOML file.
        run: the folder of the run; by default `runs/<name>` under the working directory.

    Raises:
        StepError: the file is missing, is no TOML, or has unknown or wrong settings.
    """
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StepError(f"{path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise StepError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise StepError(f"{path}: {_render_problems(error)}") from error
    return RecipeRun(recipe, path.resolve().parent, run if run is not None else DEFAULT_RUNS / recipe.name)


def _render_problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())


def _list_files(step: str, options: Any, base: Path) -> Sequence[Path]:
    if step == "prepare":
        from offline.prepare import list_input_files

        return list_input_files(options, base)
    if step == "refine":
        from offline.refine import list_judged_files

        return list_judged_files(options, base)
    return ()


def _find_step(step: str) -> tuple[type[BaseModel], Any]:
    """Import a step when it runs: most of them need libraries that take seconds to load."""
    match step:
        case "prepare":
            from offline.prepare import PrepareOptions, prepare

            return PrepareOptions, prepare
        case "label":
            from offline.oracle.label import label
            from offline.oracle.options import LabelOptions

            return LabelOptions, label
        case "select":
            from offline.selection.options import SelectOptions
            from offline.selection.select import select

            return SelectOptions, select
        case "distill":
            from offline.distill_step import DistillOptions, distill_student

            return DistillOptions, distill_student
        case "refine":
            from offline.refine import RefineOptions, refine

            return RefineOptions, refine
        case "convert":
            from offline.convert import ConvertOptions, convert

            return ConvertOptions, convert
        case "evaluate":
            from offline.evaluation.step import EvaluateOptions, evaluate

            return EvaluateOptions, evaluate
        case "release":
            from offline.release import ReleaseOptions, release

            return ReleaseOptions, release
    raise StepError(f"unknown step {step}")
