"""What kustomize makes of deploy/: the manifests of an overlay, or of some components on top of the base."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"
OVERLAYS: Final = ("dev", "prod", "prod-exactly-once")
COMPONENTS: Final = tuple(sorted(folder.name for folder in (DEPLOY / "components").iterdir()))


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object for an API server."""

    document: Mapping[str, Any]  # Each kind has fields of its own: the schemas judge them, not Python's types.

    @property
    def kind(self) -> str:
        """Its kind, such as Deployment."""
        return str(self.document["kind"])

    @property
    def api_version(self) -> str:
        """Its group and version, such as apps/v1."""
        return str(self.document["apiVersion"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """Its namespace; None where it has none."""
        namespace: str | None = self.document["metadata"].get("namespace")
        return namespace


class RenderingError(Exception):
    """kustomize refuses it; the message is its own."""


def find_kubectl() -> str:
    """Find the kubectl that is installed beside this Python, else any."""
    own = Path(sys.executable).with_name("kubectl")
    return str(own) if own.exists() else "kubectl"


def parse_manifests(text: str) -> tuple[Manifest, ...]:
    """Parse YAML of several objects."""
    return tuple(Manifest(document) for document in yaml.safe_load_all(text) if document)


def render_text(folder: Path) -> str:
    """Run `kubectl kustomize`, which is the kustomize that `kubectl apply -k` uses."""
    done = subprocess.run(
        [find_kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    # Warnings are refused as well: they tell of fields that the next version no longer knows.
    if done.returncode != 0 or done.stderr.strip():
        raise RenderingError(done.stderr.strip())
    return done.stdout


@cache
def render_overlay_text(overlay: str) -> str:
    """Render deploy/overlays/OVERLAY, as YAML."""
    return render_text(DEPLOY / "overlays" / overlay)


def render_overlay(overlay: str) -> tuple[Manifest, ...]:
    """Render deploy/overlays/OVERLAY."""
    return parse_manifests(render_overlay_text(overlay))


@cache
def render_components(*components: str) -> tuple[Manifest, ...]:
    """Render the base with some components, in this order."""
    return parse_manifests(render_kustomization(components, ""))


def render_kustomization(components: Sequence[str], more: str) -> str:
    """Render the base with some components and what else a kustomization may hold, from a copy of deploy/."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "deploy"
        for part in ("base", "components", "monitoring"):
            shutil.copytree(DEPLOY / part, copy / part)
        overlay = copy / "overlays" / "own"
        overlay.mkdir(parents=True)
        lines = ["resources: [../../base]", "components:", *(f"  - ../../components/{one}" for one in components)]
        overlay.joinpath("kustomization.yaml").write_text("\n".join([*lines, more]) + "\n", encoding="utf-8")
        return render_text(overlay)


def find_one(manifests: Sequence[Manifest], kind: str, name: str = "prism") -> Mapping[str, Any]:
    """Find the one object of this kind and name; generated names count without their hash."""
    [found] = [
        one.document
        for one in manifests
        if one.kind == kind and (one.name == name or one.name.rpartition("-")[0] == name)
    ]
    return found


def find_workload(manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """Find the Deployment or StatefulSet of the workers; there is just one."""
    [found] = [one.document for one in manifests if one.kind in ("Deployment", "StatefulSet")]
    return found


def read_pod(manifests: Sequence[Manifest]) -> Mapping[str, Any]:
    """Read the pod's specification of the workers."""
    pod: Mapping[str, Any] = find_workload(manifests)["spec"]["template"]["spec"]
    return pod


def read_settings(manifests: Sequence[Manifest]) -> Mapping[str, str]:
    """Read what the workers' ConfigMap says."""
    settings: Mapping[str, str] = find_one(manifests, "ConfigMap", "prism-settings")["data"]
    return settings
