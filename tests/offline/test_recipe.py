"""Recipes: what is wrong is named by table and key; those that ship are right."""

from pathlib import Path

import pytest

from offline.recipe import STEPS, load_recipe
from offline.steps import StepError

RECIPES = sorted((Path(__file__).parents[2] / "offline" / "recipes").glob("*.toml"))
SOURCES = '[[prepare.sources]]\nadapter = "recorded"\npath = "rows.jsonl"\n'


def write_recipe(folder: Path, content: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_table_of_a_recipe_that_ships_is_valid(path: Path, step: str) -> None:
    recipe_run = load_recipe(path)
    assert recipe_run.recipe.name == path.stem
    if recipe_run.has_step(step):
        recipe_run.load_options(step)
    else:
        with pytest.raises(StepError, match=rf"the recipe has no \[{step}\]"):
            recipe_run.load_options(step)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_recipe_that_ships_takes_the_place_of_another_release(path: Path) -> None:
    released = {
        (release.get("name"), release.get("version"))
        for other in RECIPES
        if other != path
        for release in [load_recipe(other).recipe.release]
    }
    own = load_recipe(path).recipe.release
    assert (own["name"], own["version"]) not in released


@pytest.mark.parametrize(
    ("table", "step", "message"),
    [
        ('[label.oracle]\nbackend = "oracle"', "label", r"^\[label\] of the recipe: oracle: .*'oracle'"),
        ("[distill.training]\nepoch = 3", "distill", r"^\[distill\] of the recipe: training\.epoch: Extra inputs"),
        ('[distill.start]\nkind = "warm"\nvocabulary_size = 7', "distill", r"start\.warm\.vocabulary_size: .*256"),
        ('[release]\nname = "a"\nversion = "1"\nlicence = "b"', "release", r"^\[release\] of the recipe: version: "),
        ("", "release", r"name: Field required; version: Field required; licence: Field required"),
    ],
)
def test_a_wrong_setting_is_named_by_table_and_key(tmp_path: Path, table: str, step: str, message: str) -> None:
    path = write_recipe(tmp_path, f'name = "trial"\n{SOURCES}{table}\n')
    with pytest.raises(StepError, match=message):
        load_recipe(path).load_options(step)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = trial", "is not TOML"),
        (f'name = "Trial"\n{SOURCES}', "name: String should match"),
        (f'name = "trial"\nlabels = 3\n{SOURCES}', "labels: Extra inputs"),
        ('name = "trial"\n', "prepare: Field required"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(StepError, match=rf"recipe\.toml.*{message}"):
        load_recipe(write_recipe(tmp_path, content))


def test_only_refine_may_be_left_out(tmp_path: Path) -> None:
    recipe_run = load_recipe(write_recipe(tmp_path, f'name = "trial"\n{SOURCES}'))
    assert [step for step in STEPS if not recipe_run.has_step(step)] == ["refine"]
    table = '[[refine.sources]]\npath = "judged.jsonl"\n'
    assert load_recipe(write_recipe(tmp_path, f'name = "trial"\n{SOURCES}{table}')).has_step("refine")


def test_a_run_lies_under_runs_by_its_name_or_where_it_is_told_to(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, f'name = "trial"\n{SOURCES}')
    assert load_recipe(path).run == Path("runs/trial")
    assert load_recipe(path, tmp_path / "here").run == tmp_path / "here"
    assert load_recipe(path).base == tmp_path


def test_a_step_without_the_one_before_it_says_which(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, f'name = "trial"\n{SOURCES}')
    with pytest.raises(StepError, match="run `prism-offline prepare` first"):
        load_recipe(path, tmp_path / "run").run_step("label")
