"""What every rendering of deploy/ must be, beyond what a schema can say; each function names what is wrong."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tests.deploy.rendering import Manifest, find_one, find_workload, read_pod, read_settings

LONGEST_BATCH_SECONDS: Final = 15
"""200 items, or one record, at 13.3 explanations/s on one thread (README, Figures)."""
MARGIN_SECONDS: Final = 5
CLUSTER_SCOPED: Final = frozenset({"Namespace"})
LARGEST_CONFIG_MAP_BYTES: Final = 250_000
"""`kubectl apply` keeps a copy in an annotation, which may hold 262,144 bytes."""

Rule = Callable[[Sequence[Manifest]], Iterator[str]]
Tree = Mapping[str, Any]


def check_security(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check for the restricted pod security standard, and what goes beyond it."""
    pod = read_pod(manifests)
    context = pod.get("securityContext", {})
    if not (context.get("runAsNonRoot") and context.get("runAsUser", 0) > 0):
        yield "the pod may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "the pod has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False or find_one(manifests, "ServiceAccount").get(
        "automountServiceAccountToken"
    ):
        yield "a service account token is mounted"
    if pod.get("enableServiceLinks") is not False:
        yield "services become environment variables"
    for container in _list_containers(pod):
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{container['name']} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write to its root"


def check_resources(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check requests and limits, and that the worker has as many threads as it requests cores."""
    pod = read_pod(manifests)
    for container in _list_containers(pod):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        if "cpu" in limits:
            yield f"{container['name']} has a CPU limit: it would be throttled"
        if not requests.get("memory") or requests.get("memory") != limits.get("memory"):
            yield f"{container['name']}: memory request and limit differ"
        if "cpu" not in requests:
            yield f"{container['name']} requests no CPU"
    threads = _read_variable(_find_worker(pod), "PRISM_INFERENCE_THREADS").get("valueFrom", {})
    if threads.get("resourceFieldRef", {}).get("resource") != "requests.cpu":
        yield "the number of threads is not that of the requested cores"


def check_shutdown(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check that a worker may end in order before it is killed."""
    drain = float(read_settings(manifests)["PRISM_DRAIN_SECONDS"])
    grace = read_pod(manifests).get("terminationGracePeriodSeconds", 30)
    if grace < drain + LONGEST_BATCH_SECONDS + MARGIN_SECONDS:
        yield f"a grace period of {grace} s is too short for a drain of {drain:.0f} s"


def check_probes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check that each probe asks the worker's own port."""
    worker = _find_worker(read_pod(manifests))
    for kind, path in (("startup", "/startupz"), ("readiness", "/readyz"), ("liveness", "/livez")):
        request = worker.get(f"{kind}Probe", {}).get("httpGet", {})
        if (request.get("path"), request.get("port")) != (path, "http"):
            yield f"the {kind} probe does not ask {path}"
    ports = [(one["name"], str(one["containerPort"])) for one in worker["ports"]]
    if ports != [("http", read_settings(manifests)["PRISM_HTTP_PORT"])]:
        yield "the port http is not PRISM_HTTP_PORT"


def check_rollout(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check that a rollout and a drained node take few workers away at a time, and that the budget is theirs."""
    workload = find_workload(manifests)
    rolling = workload["spec"].get("strategy", {}).get("rollingUpdate")
    if workload["kind"] == "Deployment" and rolling != {"maxSurge": 1, "maxUnavailable": 0}:
        yield "a rollout takes a worker away before another is ready"
    budget = find_one(manifests, "PodDisruptionBudget")["spec"]
    if budget.get("maxUnavailable") != 1 or budget.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
        yield "the disruption budget is another"
    for kind, selector in _list_selectors(manifests):
        if not _matches(selector, workload["spec"]["template"]["metadata"]["labels"]):
            yield f"{kind} does not select the workers"


def check_references(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Check that what the workers refer to is there, everything in a namespace, and every image has a tag."""
    pod = read_pod(manifests)
    there = {(one.kind, one.name) for one in manifests}
    made = {("Secret", one.name) for one in manifests if one.kind == "ExternalSecret"}
    wanted = {("ServiceAccount", str(pod.get("serviceAccountName"))), *_list_references(pod)}
    yield from (f"there is no {kind} {name}" for kind, name in sorted(wanted - there - made))
    for one in manifests:
        if one.namespace is None and one.kind not in CLUSTER_SCOPED:
            yield f"{one.kind} {one.name} has no namespace"
        if one.kind == "ConfigMap" and len(str(one.document["data"]).encode()) > LARGEST_CONFIG_MAP_BYTES:
            yield f"ConfigMap {one.name} is too large to be applied"
    for image in list_images(pod):
        if ":" not in image.rpartition("/")[2] or image.endswith(":latest"):
            yield f"{image} names no version"


RULES: Final[tuple[Rule, ...]] = (
    check_security, check_resources, check_shutdown, check_probes, check_rollout, check_references,
)  # fmt: skip


def check_all(manifests: Sequence[Manifest]) -> list[str]:
    """Check every rule."""
    return [problem for rule in RULES for problem in rule(manifests)]


def list_images(pod: Tree) -> list[str]:
    """List the images of a pod: of its containers, and those that are volumes."""
    volumes = [volume["image"]["reference"] for volume in pod.get("volumes", []) if "image" in volume]
    return [*(container["image"] for container in _list_containers(pod)), *volumes]


def _list_containers(pod: Tree) -> list[Tree]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def _find_worker(pod: Tree) -> Tree:
    [worker] = [one for one in pod["containers"] if one["name"] == "worker"]
    return dict(worker)


def _read_variable(container: Tree, name: str) -> Tree:
    found = [one for one in container.get("env", []) if one["name"] == name]
    return dict(found[0]) if found else {}


def _list_selectors(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Tree]]:
    for one in manifests:
        spec = one.document.get("spec", {})
        if one.kind in ("Deployment", "StatefulSet", "PodDisruptionBudget", "PodMonitor"):
            yield one.kind, spec["selector"]
        elif one.kind == "NetworkPolicy":
            yield one.kind, spec["podSelector"]
        elif one.kind == "Service":
            yield one.kind, {"matchLabels": spec["selector"]}


def _matches(selector: Tree, labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )


def _list_references(pod: Tree) -> Iterator[tuple[str, str]]:
    for container in _list_containers(pod):
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
        for variable in container.get("env", []):
            secret = variable.get("valueFrom", {}).get("secretKeyRef")
            if secret:
                yield "Secret", secret["name"]
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
