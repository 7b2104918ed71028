"""Checkers of manifests that are written in Go: built once with `go install` where Go is, into .cache/go-bin.

kubeconform reads YAML and JSON Schema with libraries of its own: what it and tests/deploy/validation.py both take is
right. kube-score looks at practice rather than at schemas.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.deploy.crd_schemas import FOLDER
from tests.deploy.rendering import ROOT, Manifest
from tests.deploy.validation import locate_kubernetes_schemas

BIN: Final = ROOT / ".cache" / "go-bin"
BUILD_SECONDS: Final = 900
REQUIRED_VARIABLE: Final = "PRISM_REQUIRE_GO"

IGNORED_SCORES: Final = {
    "container-ephemeral-storage-request-and-limit": "the worker writes to /tmp only, whose size is limited",
    "container-image-pull-policy": "tags are never moved, so IfNotPresent starts pods without the registry",
    "deployment-has-host-podantiaffinity": "the pods have a topology spread constraint for it",
    "statefulset-has-host-podantiaffinity": "the pods have a topology spread constraint for it",
    "pod-networkpolicy": "a component, because clusters differ; every overlay but dev has it",
}
"""Checks of kube-score that deploy/ does not follow, and why."""


class GoToolMissingError(Exception):
    """A tool is not there and cannot be built; the message says why."""


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program of a Go module, in the version that the tests were written with."""

    name: str
    package: str
    version: str

    def install(self) -> Path:
        """Build it once; returns the program.

        Raises:
            GoToolMissingError: there is no Go, or the module proxy does not give it.
        """
        program = BIN / f"{self.name}-{self.version}"
        if program.exists():
            return program
        if shutil.which("go") is None:
            raise GoToolMissingError(f"there is no go to build {self.name} with")
        command = ["go", "install", f"{self.package}@{self.version}"]
        environment = {**os.environ, "GOBIN": str(BIN / "draft")}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS, env=environment
        )
        if done.returncode != 0:
            raise GoToolMissingError(f"go cannot build {self.name}: {done.stderr.strip()[-300:]}")
        return (BIN / "draft" / self.name).replace(program)


KUBECONFORM: Final = GoTool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.8.0")
KUBE_SCORE: Final = GoTool("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "v1.20.0")


def run_kubeconform(program: Path, schemas: Path, version: str, files: Sequence[Path]) -> str:
    """Check files against the schemas that `copy_schemas` made; returns what it says, nothing where all is well."""
    places = [
        schemas / "{{.ResourceKind}}{{.KindSuffix}}.json",
        FOLDER / "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json",
    ]
    options = [f"-schema-location={place}" for place in places]
    command = [str(program), "-strict", f"-kubernetes-version={version}.0", *options, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return (done.stdout + done.stderr).strip()


def copy_schemas(version: str, manifests: Sequence[Manifest], folder: Path) -> None:
    """Copy the strict schemas of the kinds that occur.

    In the package they name each other by addresses in the web, which kubeconform would fetch; in the copy, by files.
    """
    source = locate_kubernetes_schemas(version)
    names = {_name_schema(one) for one in manifests}
    for name in ("_definitions.json", *(name for name in names if (source / name).exists())):
        schema = json.loads((source / name).read_text(encoding="utf-8"))
        schema.pop("$id", None)
        text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
        folder.joinpath(name).write_text(text, encoding="utf-8")


def run_kube_score(program: Path, text: str, ignored: Collection[str]) -> str:
    """Score manifests; returns the critical findings and warnings as lines, nothing where all is well."""
    # CPU limits throttle the model, and the heartbeats with it.
    options = ["--ignore-container-cpu-limit", *(f"--ignore-test={name}" for name in ignored)]
    command = [str(program), "score", "--output-format=ci", *options, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    findings = re.findall(r"^\[(?:CRITICAL|WARNING)\].*$", done.stdout, re.MULTILINE)
    return "\n".join([*findings, done.stderr.strip()]).strip()


def list_scores(program: Path) -> set[str]:
    """List the names of kube-score's checks."""
    command = [str(program), "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return {line.partition(",")[0] for line in listed.splitlines()}


def _name_schema(manifest: Manifest) -> str:
    group, _, number = manifest.api_version.rpartition("/")
    suffix = f"{group.partition('.')[0]}-{number}" if group else number
    return f"{manifest.kind.lower()}-{suffix}.json"
