"""Every overlay keeps the rules, and each rule refuses an overlay that breaks it."""

import copy
from typing import Any

import pytest

from tests.deploy.policy import check_all
from tests.deploy.rendering import OVERLAYS, Manifest, find_workload, render_overlay


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_keeps_every_rule(overlay: str) -> None:
    assert check_all(render_overlay(overlay)) == []


POD = ("spec", "template", "spec")
WORKER = (*POD, "containers", 0)
# Where the workload of `prod` is changed, to what, and which rule says so.
BROKEN: tuple[tuple[tuple[str | int, ...], object, str], ...] = (
    ((*POD, "securityContext", "runAsUser"), 0, "the pod may run as root"),
    ((*POD, "securityContext", "seccompProfile"), {}, "the pod has no seccomp profile"),
    ((*POD, "automountServiceAccountToken"), True, "a service account token is mounted"),
    ((*POD, "enableServiceLinks"), True, "services become environment variables"),
    ((*WORKER, "securityContext", "capabilities"), {}, "worker may gain privileges"),
    ((*POD, "initContainers", 0, "securityContext"), {}, "doctor may write to its root"),
    ((*WORKER, "resources", "limits", "cpu"), "2", "worker has a CPU limit: it would be throttled"),
    ((*WORKER, "resources", "limits", "memory"), "2Gi", "worker: memory request and limit differ"),
    ((*WORKER, "resources", "requests"), {"memory": "1Gi"}, "worker requests no CPU"),
    ((*WORKER, "env"), [], "the number of threads is not that of the requested cores"),
    ((*POD, "terminationGracePeriodSeconds"), 49, "a grace period of 49 s is too short for a drain of 30 s"),
    ((*WORKER, "livenessProbe", "httpGet", "path"), "/readyz", "the liveness probe does not ask /livez"),
    ((*WORKER, "ports", 0, "containerPort"), 9090, "the port http is not PRISM_HTTP_PORT"),
    (("spec", "strategy"), {"type": "Recreate"}, "a rollout takes a worker away before another is ready"),
    (("spec", "template", "metadata", "labels"), {}, "PodDisruptionBudget does not select the workers"),
    ((*WORKER, "envFrom", 0, "configMapRef", "name"), "prism-settings", "there is no ConfigMap prism-settings"),
    ((*WORKER, "env", 0, "valueFrom", "secretKeyRef", "name"), "lost", "there is no Secret lost"),
    ((*POD, "serviceAccountName"), "default", "there is no ServiceAccount default"),
    (("metadata",), {"name": "prism"}, "Deployment prism has no namespace"),
    ((*WORKER, "image"), "registry.example.com:5000/prism", "registry.example.com:5000/prism names no version"),
    ((*WORKER, "image"), "prism:latest", "prism:latest names no version"),
)


@pytest.mark.parametrize(("path", "value", "problem"), BROKEN, ids=[problem for *_, problem in BROKEN])
def test_a_broken_workload_is_refused(path: tuple[str | int, ...], value: object, problem: str) -> None:
    manifests = copy.deepcopy(render_overlay("prod"))
    assert problem not in check_all(manifests)
    _change(find_workload(manifests), path, value)
    assert problem in check_all(manifests)


def test_a_broken_disruption_budget_is_refused() -> None:
    manifests = copy.deepcopy(render_overlay("prod"))
    [budget] = [one.document for one in manifests if one.kind == "PodDisruptionBudget"]
    _change(budget, ("spec", "unhealthyPodEvictionPolicy"), "IfHealthyBudget")
    assert check_all(manifests) == ["the disruption budget is another"]


def test_a_config_map_that_is_too_large_is_refused() -> None:
    large = Manifest(
        {"kind": "ConfigMap", "metadata": {"name": "large", "namespace": "x"}, "data": {"a": "a" * 262_144}}
    )
    assert check_all([*render_overlay("prod"), large]) == ["ConfigMap large is too large to be applied"]


def _change(document: Any, path: tuple[str | int, ...], value: object) -> None:
    *parents, last = path
    for key in parents:
        document = document[key]
    document[last] = value
