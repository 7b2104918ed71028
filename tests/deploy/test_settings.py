"""Every setting that deploy/ uses exists, and every setting that exists is decided about."""

import re
from pathlib import Path

import pytest

from stream_app.settings import Settings
from tests.deploy.rendering import (
    COMPONENTS,
    DEPLOY,
    OVERLAYS,
    Manifest,
    read_pod,
    read_settings,
    render_components,
    render_overlay,
)

# Settings that neither the base nor a component sets, and why. One that is set somewhere may not stand here.
EXCEPTIONS = {
    "PRISM_HTTP_HOST": "0.0.0.0, the default, is what probes and Prometheus need in a pod; nothing else would work",
    "PRISM_SSL_CERTFILE": "for brokers that ask for a client's certificate; external-secret takes a password",
    "PRISM_SSL_KEYFILE": "as PRISM_SSL_CERTFILE",
    "PRISM_MODEL_SHA256": "the checksum of one's own model; a wrong one would refuse the packaged model",
    "PRISM_CANARY_MODEL": "names a second model, for as long as it is tried; an image holds one",
    "PRISM_SHADOW_MODEL": "as PRISM_CANARY_MODEL; and its topic is one that no other overlay needs",
    "PRISM_SHADOW_TOPIC": "as PRISM_SHADOW_MODEL",
}
OF_TESTS = ("PRISM_REQUIRE_", "PRISM_TEST_")
"""Variables of the test suite, which pages of deploy name too."""
ALL_SETTINGS = {f"PRISM_{name.upper()}" for name in Settings.model_fields}


def list_variables(manifests: tuple[Manifest, ...]) -> set[str]:
    """List what is set in the workers' environment."""
    [worker] = read_pod(manifests)["containers"]
    return {*read_settings(manifests), *(variable["name"] for variable in worker["env"])}


def test_every_setting_is_in_the_base_in_a_component_or_an_exception() -> None:
    set_somewhere = {name for component in COMPONENTS for name in list_variables(render_components(component))}
    assert set_somewhere | EXCEPTIONS.keys() == ALL_SETTINGS
    assert not set_somewhere & EXCEPTIONS.keys()


def find_settings(content: bytes) -> set[str]:
    """Find what is named like a setting. In pictures, too: no name is in them by chance."""
    named = {name.decode() for name in re.findall(rb"\bPRISM_[A-Z0-9_]*[A-Z0-9]\b", content)}
    return {name for name in named if not name.startswith(OF_TESTS)}


def test_every_setting_that_a_file_of_deploy_names_exists() -> None:
    named = {
        (path.name, name) for path in DEPLOY.rglob("*") if path.is_file() for name in find_settings(path.read_bytes())
    }
    assert [(file, name) for file, name in sorted(named) if name not in ALL_SETTINGS] == []
    assert {name for _, name in named} >= ALL_SETTINGS - EXCEPTIONS.keys()


def test_a_setting_that_does_not_exist_would_be_found() -> None:
    assert find_settings(b"- PRISM_BATCH_SIZE=32\n- PRISM_BATCH_RECORDS=32") - ALL_SETTINGS == {"PRISM_BATCH_SIZE"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_worker_takes_the_settings_of_an_overlay(
    overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifests = render_overlay(overlay)
    authority = tmp_path / "ca.crt"
    authority.touch()
    # What only a cluster can fill in: from a Secret, from the pod.
    filled = {"PRISM_SASL_USERNAME": "user", "PRISM_SASL_PASSWORD": "password", "PRISM_INSTANCE_ID": "prism-0"}
    for name in list_variables(manifests):
        monkeypatch.setenv(name, read_settings(manifests).get(name, filled.get(name, "1")))
    if "PRISM_SSL_CAFILE" in read_settings(manifests):
        monkeypatch.setenv("PRISM_SSL_CAFILE", str(authority))
    settings = Settings()
    assert settings.delivery == ("exactly-once" if overlay == "prod-exactly-once" else "at-least-once")


def test_the_base_writes_down_the_defaults_of_the_program() -> None:
    # Where it differs there is a reason: a broker, and how long a pod may take to end.
    defaults = {f"PRISM_{name.upper()}": str(field.default) for name, field in Settings.model_fields.items()}
    differing = {name for name, value in read_settings(render_components()).items() if value != defaults[name]}
    assert differing == {"PRISM_BOOTSTRAP_SERVERS", "PRISM_DRAIN_SECONDS"}
