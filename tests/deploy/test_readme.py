"""deploy/README.md: its ten commands are ten, and what they change renders."""

import re
import shutil
import subprocess
from pathlib import Path

import stream_app
from stream_app.core.events import RankingEvent
from tests.deploy.rendering import COMPONENTS, DEPLOY, OVERLAYS, parse_manifests, read_pod, read_settings, render_text

README = (DEPLOY / "README.md").read_text(encoding="utf-8")


def list_commands() -> list[str]:
    [block] = re.findall(r"<!-- ten commands -->\n```sh\n(.*?)```", README, re.DOTALL)
    return str(block).splitlines()


def test_there_are_ten_commands() -> None:
    assert len(list_commands()) == 10


def test_the_overlay_that_they_make_runs_the_named_image_on_the_named_broker(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    steps = [line for line in list_commands() if line.startswith(("export ", "cp ", "sed "))]
    assert len(steps) == 3
    subprocess.run(["sh", "-ec", "\n".join(steps)], cwd=tmp_path, check=True, timeout=60)
    manifests = parse_manifests(render_text(tmp_path / "deploy" / "overlays" / "own"))
    [worker] = read_pod(manifests)["containers"]
    assert worker["image"] == f"registry.your-team.example/prism:{stream_app.__version__}"
    assert read_settings(manifests)["PRISM_BOOTSTRAP_SERVERS"] == "kafka.your-team.example:9092"


def test_the_image_that_is_built_is_the_one_that_the_overlay_runs() -> None:
    image = f"$IMAGE:{stream_app.__version__}"
    assert [line.split()[1] for line in list_commands() if image in line] == ["build", "push"]


def test_the_event_that_is_sent_is_one() -> None:
    for line in (DEPLOY / "example-event.json").read_text(encoding="utf-8").splitlines():
        RankingEvent.model_validate_json(line)


def test_every_overlay_and_component_is_described() -> None:
    described = set(re.findall(r"^\| `([a-z/-]+)` \|", README, re.MULTILINE))
    assert described == {"base", *(f"overlays/{one}" for one in OVERLAYS), *COMPONENTS}
