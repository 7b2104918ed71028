"""What checkers that others wrote say of the overlays, and that they still refuse what is broken."""

import os
from pathlib import Path

import pytest

from tests.deploy.go_tools import (
    IGNORED_SCORES,
    KUBE_SCORE,
    KUBECONFORM,
    REQUIRED_VARIABLE,
    GoTool,
    GoToolMissingError,
    copy_schemas,
    list_scores,
    run_kube_score,
    run_kubeconform,
)
from tests.deploy.rendering import OVERLAYS, parse_manifests, render_overlay, render_overlay_text
from tests.deploy.test_validation import BROKEN
from tests.deploy.validation import KUBERNETES_VERSIONS

# What only tests/deploy/validation.py knows: no schema says it.
BEYOND_SCHEMAS = "scaled-object-unknown-metadata"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: broken, namespace: prism}
spec:
  replicas: 2
  replicas: 3
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers: [{name: worker, image: "prism:1"}]
"""


def install(tool: GoTool) -> Path:
    try:
        return tool.install()
    except GoToolMissingError as error:
        if os.environ.get(REQUIRED_VARIABLE) == "1":
            pytest.fail(f"{REQUIRED_VARIABLE}=1, but {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def kubeconform() -> Path:
    return install(KUBECONFORM)


@pytest.fixture(scope="module")
def kube_score() -> Path:
    return install(KUBE_SCORE)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubeconform_finds_nothing_wrong_with_the_overlays(kubeconform: Path, tmp_path: Path, version: str) -> None:
    files = []
    for overlay in OVERLAYS:
        files.append(tmp_path / f"{overlay}.yaml")
        files[-1].write_text(render_overlay_text(overlay), encoding="utf-8")
        copy_schemas(version, render_overlay(overlay), tmp_path)
    assert run_kubeconform(kubeconform, tmp_path, version, files) == ""


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_kubeconform_refuses_what_is_broken(kubeconform: Path, tmp_path: Path, path: Path) -> None:
    copy_schemas(KUBERNETES_VERSIONS[-1], parse_manifests(path.read_text(encoding="utf-8")), tmp_path)
    answer = run_kubeconform(kubeconform, tmp_path, KUBERNETES_VERSIONS[-1], [path])
    assert bool(answer) == (path.stem != BEYOND_SCHEMAS)


def test_kubeconform_refuses_a_field_that_stands_there_twice(kubeconform: Path, tmp_path: Path) -> None:
    # Python's YAML takes the last one without a word.
    broken = tmp_path / "broken.yaml"
    broken.write_text(DEPLOYMENT, encoding="utf-8")
    copy_schemas(KUBERNETES_VERSIONS[-1], parse_manifests(DEPLOYMENT), tmp_path)
    assert 'key "replicas" already set' in run_kubeconform(kubeconform, tmp_path, KUBERNETES_VERSIONS[-1], [broken])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kube_score_has_nothing_to_say_against_an_overlay(kube_score: Path, overlay: str) -> None:
    ignored = IGNORED_SCORES if overlay == "dev" else IGNORED_SCORES.keys() - {"pod-networkpolicy"}
    assert run_kube_score(kube_score, render_overlay_text(overlay), ignored) == ""


def test_kube_score_refuses_a_deployment_without_anything(kube_score: Path) -> None:
    answer = run_kube_score(kube_score, DEPLOYMENT.replace("  replicas: 3\n", ""), IGNORED_SCORES)
    for finding in ("PodDisruptionBudget", "Memory limit is not set", "security context"):
        assert finding in answer


def test_every_check_that_is_ignored_is_one_of_kube_scores(kube_score: Path) -> None:
    assert IGNORED_SCORES.keys() <= list_scores(kube_score)


def test_a_tool_that_cannot_be_built_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GoToolMissingError, match="there is no go to build nothing with"):
        GoTool("nothing", "example.com/nothing", "v1.0.0").install()
