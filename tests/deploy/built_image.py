"""Build the image with buildah, and run commands in it as a cluster does: not root, nothing writable."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
BASE_VARIABLE = "PRISM_TEST_BASE_IMAGE"
"""Names a local image by its digest, where the pinned one cannot be pulled; deploy/base-image.sh makes one."""

# Mounts of its own, the root read-only. Arguments: the folder that becomes the root, the user, how many folders are
# mounted, each with its place inside, the command. The places must exist before the root cannot be written any more.
_ENTER = """
set -e
root=$1 user=$2 mounts=$3
shift 3
mkdir -p "$root/proc" "$root/dev"
for ((; mounts > 0; mounts--)); do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  shift 2
done
mount --rbind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot --userspec="$user" "$root" "$@"
"""


class ImageUnavailableError(Exception):
    """The image cannot be built here; the message says why."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image whose files stand in a folder, with what its configuration says."""

    folder: Path
    user: str
    entrypoint: tuple[str, ...]
    environment: dict[str, str]

    def build_command(
        self, *arguments: str, python: bool = False, mounts: Mapping[Path, str] = MappingProxyType({})
    ) -> list[str]:
        """Build the command that runs the entry point, or Python itself, in the image, with folders of ours."""
        program = ("python3",) if python else self.entrypoint
        mounted = [part for folder, place in mounts.items() for part in (str(folder), place)]
        enter = ["unshare", "--mount", "bash", "-c", _ENTER, "-", str(self.folder), self.user, str(len(mounts))]
        return [*enter, *mounted, *program, *arguments]

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        python: bool = False,
        mounts: Mapping[Path, str] = MappingProxyType({}),
    ) -> bytes:
        """Run a command to its end; returns what it wrote to standard output."""
        command = self.build_command(*arguments, python=python, mounts=mounts)
        done = subprocess.run(command, input=stdin, env=self.build_environment(), capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def build_environment(self, **more: str) -> dict[str, str]:
        """The image's environment and nothing of ours; `unshare` and `mount` are found in the folders added to PATH."""
        path = f"{self.environment.get('PATH', '/bin')}:/usr/sbin:/usr/bin:/sbin:/bin"
        return {**self.environment, "PATH": path, **more}


@contextmanager
def open_image(tag: str) -> Iterator[BuiltImage]:
    """Open a container of an image, and remove it at the end."""
    container = _call("buildah", "from", "--pull-never", tag)
    try:
        config = json.loads(_call("buildah", "inspect", "--type", "container", container))["OCIv1"]["config"]
        environment = dict(variable.split("=", 1) for variable in config.get("Env", ()))
        folder = Path(_call("buildah", "mount", container))
        yield BuiltImage(folder, config["User"], tuple(config.get("Entrypoint", ())), environment)
    finally:
        _call("buildah", "rm", container)


def build_image(folder: Path, tag: str, target: str = "worker") -> None:
    """Build a target of the Containerfile; `folder` takes what pip is told for the build.

    Raises:
        ImageUnavailableError: there is no buildah, no right to use it as the test does, or no base image.
    """
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        raise ImageUnavailableError("needs buildah, and root for mounts and chroot")
    command = [
        "buildah",
        "build",
        "--isolation",
        "chroot",
        "--layers",
        "--pull-never",
        "--target",
        target,
        "--tag",
        tag,
    ]
    command += ["--file", str(CONTAINERFILE), "--build-arg", f"BASE_IMAGE={find_base_image()}"]
    done = subprocess.run([*command, *_trust_authorities(folder), str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]


def find_base_image() -> str:
    """Find the base image in the local storage: the one that the environment names, else the pinned one."""
    pinned = next(
        line.removeprefix("ARG BASE_IMAGE=")
        for line in CONTAINERFILE.read_text(encoding="utf-8").splitlines()
        if line.startswith("ARG BASE_IMAGE=")
    )
    image = os.environ.get(BASE_VARIABLE, pinned)
    known = subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True)
    if known.returncode != 0:
        raise ImageUnavailableError(f"no local image {image}: pull it, or name another one in {BASE_VARIABLE}")
    return image


def _trust_authorities(folder: Path) -> list[str]:
    """Let pip in the build trust what pip out here does, where a proxy signs with an authority of its own."""
    authorities = os.environ.get("PIP_CERT")
    if not authorities:
        return []
    inside = "/run/authorities.pem"
    configuration = folder / "pip.conf"
    configuration.write_text(f"[global]\ncert = {inside}\n", encoding="utf-8")
    return ["--volume", f"{configuration}:/etc/pip.conf:ro", "--volume", f"{authorities}:{inside}:ro"]


def _call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
