"""Settings that are valid may still be unwise, and what looks like a setting may be none."""

import pytest
from pydantic import SecretStr

from stream_app.doctor.configuration import judge_settings, refuse_settings
from stream_app.doctor.findings import Level
from stream_app.settings import Settings, SettingsError

PLAIN_SASL = Settings(
    security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username="u", sasl_password=SecretStr("canary-3e")
)


def test_known_variables_are_fine() -> None:
    [finding] = judge_settings(Settings(), ["PATH", "PRISM_MODEL", "PRISM_INPUT_TOPIC"])
    assert finding.level is Level.OK


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant() -> None:
    [finding] = judge_settings(Settings(), ["PRISM_INPUT_TOPCI"])
    assert finding.level is Level.WARNING
    assert "PRISM_INPUT_TOPCI" in finding.message
    assert finding.advice == "did you mean PRISM_INPUT_TOPIC?"


@pytest.mark.parametrize(
    "name", ["PRISM_SERVICE_HOST", "PRISM_SERVICE_PORT_HTTP", "PRISM_PORT", "PRISM_PORT_8080_TCP_ADDR"]
)
def test_variables_of_a_kubernetes_service_are_told_from_misspelt_ones(name: str) -> None:
    [finding] = judge_settings(Settings(), [name])
    assert "enableServiceLinks: false" in finding.advice


def test_a_password_in_clear_is_warned_of_and_not_told() -> None:
    [finding] = judge_settings(PLAIN_SASL, [])
    assert finding.level is Level.WARNING
    assert "password" in finding.message
    assert "canary-3e" not in f"{finding}"


def test_every_wrong_setting_is_a_problem_of_its_own() -> None:
    findings = refuse_settings(SettingsError("PRISM_HTTP_PORT: no\nPRISM_MODEL: no"))
    assert [(one.level, one.message) for one in findings] == [
        (Level.PROBLEM, "PRISM_HTTP_PORT: no"),
        (Level.PROBLEM, "PRISM_MODEL: no"),
    ]
