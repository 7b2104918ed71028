"""What an API server would refuse or drop: strict schemas of Kubernetes, and of the operators' resources."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator
from referencing import Registry, Resource

from tests.deploy.crd_schemas import FOLDER
from tests.deploy.rendering import Manifest

KUBERNETES_VERSIONS: Final = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
"""All that deploy/ supports. Image volumes need 1.31."""

KAFKA_TRIGGER_FIELDS: Final = frozenset(
    "activationLagThreshold allowIdleConsumers bootstrapServers consumerGroup ensureEvenDistributionOfPartitions "
    "excludePersistentLag lagThreshold limitToPartitionsWithLag offsetResetPolicy partitionLimitation sasl "
    "scaleToZeroOnInvalidOffset tls topic unsafeSsl version".split()
)
"""What KEDA 2.20's kafka scaler reads. To KEDA's schema a trigger's metadata are any texts: a typo would be ignored."""

_FROM_ENVIRONMENT: Final = frozenset({"bootstrapServersFromEnv", "consumerGroupFromEnv", "topicFromEnv"})


def find_problems(manifests: Sequence[Manifest], version: str) -> list[str]:
    """Find what is wrong with objects for a version of Kubernetes; one line each."""
    return [problem for manifest in manifests for problem in _find_problems(manifest, version)]


def locate_kubernetes_schemas(version: str) -> Path:
    """Locate the folder of the strict schemas of a version, in the package kubernetes-validate."""
    [folder] = [one for one in _schema_root().iterdir() if re.fullmatch(rf"v{version}\.\d+-local-strict", one.name)]
    return folder


@cache
def _schema_root() -> Path:
    with as_file(files("kubernetes_validate") / "kubernetes-json-schema") as folder:
        return folder


def _find_problems(manifest: Manifest, version: str) -> Iterator[str]:
    validator = _load_validator(manifest.kind, manifest.api_version, version)
    place = f"{manifest.kind} {manifest.name}"
    if validator is None:
        yield f"{place}: Kubernetes {version} has no {manifest.api_version}, and no operator here either"
        return
    error = best_match(validator.iter_errors(manifest.document))
    if error is not None:
        yield f"{place}: {error.json_path}: {error.message}"
    if manifest.kind == "ScaledObject":
        yield from (f"{place}: KEDA's kafka trigger has no {name}" for name in _find_unknown_fields(manifest.document))


def _find_unknown_fields(scaled_object: Mapping[str, Any]) -> list[str]:
    triggers = scaled_object.get("spec", {}).get("triggers", [])
    known = KAFKA_TRIGGER_FIELDS | _FROM_ENVIRONMENT
    return [name for trigger in triggers for name in sorted(trigger["metadata"].keys() - known)]


@cache
def _load_validator(kind: str, api_version: str, version: str) -> Validator | None:
    group, _, number = api_version.rpartition("/")
    custom = FOLDER / group / f"{kind.lower()}_{number}.json"
    if custom.exists():
        return Draft202012Validator(json.loads(custom.read_text(encoding="utf-8")))
    folder = locate_kubernetes_schemas(version)
    short = f"{group.partition('.')[0]}-{number}" if group else number
    path = folder / f"{kind.lower()}-{short}.json"
    if not path.exists():
        return None
    return Draft202012Validator(json.loads(path.read_text(encoding="utf-8")), registry=_load_definitions(version))


@cache
def _load_definitions(version: str) -> Registry[Any]:
    text = (locate_kubernetes_schemas(version) / "_definitions.json").read_text(encoding="utf-8")
    resource: Resource[Any] = Resource.from_contents(json.loads(text))
    return resource @ Registry()
