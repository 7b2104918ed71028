"""Every overlay and every component passes the strict schemas of each supported Kubernetes; what is broken does not."""

from pathlib import Path

import pytest

from tests.deploy.crd_schemas import build_schemas, close
from tests.deploy.rendering import (
    COMPONENTS,
    OVERLAYS,
    Manifest,
    RenderingError,
    parse_manifests,
    render_components,
    render_kustomization,
    render_overlay,
)
from tests.deploy.validation import KUBERNETES_VERSIONS, find_problems

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_passes_the_strict_schemas(overlay: str, version: str) -> None:
    assert find_problems(render_overlay(overlay), version) == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_alone_passes_the_strict_schemas(component: str) -> None:
    manifests = render_components(component)
    assert [one for version in KUBERNETES_VERSIONS for one in find_problems(manifests, version)] == []


@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_a_broken_manifest_is_refused_for_the_reason_that_it_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    reason = text.splitlines()[0].removeprefix("# ")
    for version in KUBERNETES_VERSIONS:
        assert any(reason in problem for problem in find_problems(parse_manifests(text), version)), version


def test_every_custom_resource_that_is_rendered_has_a_broken_sister() -> None:
    broken = {one.kind for path in BROKEN for one in parse_manifests(path.read_text(encoding="utf-8"))}
    custom = {one.kind for one in render_overlay("prod") if "." in one.api_version.partition(".k8s.io")[0]}
    assert custom == set(
        "ExternalSecret KafkaTopic KafkaUser PodMonitor PrometheusRule ScaledObject TriggerAuthentication".split()
    )
    assert custom <= broken


def test_a_kind_that_nobody_knows_is_refused() -> None:
    unknown = Manifest({"apiVersion": "example.com/v1", "kind": "Toaster", "metadata": {"name": "broken"}})
    [problem] = find_problems([unknown], KUBERNETES_VERSIONS[-1])
    assert problem.startswith("Toaster broken: Kubernetes 1.37 has no example.com/v1")


def test_kustomize_refuses_a_patch_that_finds_nothing_to_change() -> None:
    patch = "patches: [{target: {kind: Deployment}, patch: '[{op: remove, path: /spec/never}]'}]"
    with pytest.raises(RenderingError, match="never"):
        render_kustomization(["keda"], patch)


def test_what_kustomize_warns_of_is_refused() -> None:
    with pytest.raises(RenderingError, match="deprecated"):
        render_kustomization(["keda"], "commonLabels: {a: b}")


def test_a_schema_is_closed_at_every_depth_but_where_its_author_left_it_open() -> None:
    text = {"type": "string", "description": "left out"}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": text}}},
            "map": {"type": "object", "additionalProperties": text},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "nothing": {"type": "string", "nullable": True},
        },
    }
    bare = {"type": "string"}
    assert close(schema) == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"a": bare}, "additionalProperties": False},
            },
            "map": {"type": "object", "additionalProperties": bare},
            "open": {"type": "object"},
            "nothing": {"type": ["string", "null"]},
        },
    }


def test_only_versions_that_are_served_have_a_schema() -> None:
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}, "status": {}}}}
    versions = [{"name": f"v{number}", "served": number > 1, "schema": schema} for number in (1, 2)]
    definition = {"spec": {"group": "example.com", "names": {"kind": "Toaster"}, "versions": versions}}
    assert list(build_schemas(definition, "somewhere")) == ["example.com/toaster_v2.json"]
