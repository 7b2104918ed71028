from pathlib import Path

import pytest

from stream_app.settings import (
    SECRET_MASK,
    Settings,
    SettingsError,
    count_usable_cores,
    describe_settings,
    load_settings,
)

CANARY = "canary-5f1d"
SASL = {
    "PRISM_SECURITY_PROTOCOL": "SASL_SSL",
    "PRISM_SASL_MECHANISM": "SCRAM-SHA-512",
    "PRISM_SASL_USERNAME": "prism",
    "PRISM_SASL_PASSWORD": CANARY,
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PRISM_{name.upper()}", raising=False)


def set_environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings()
    assert settings.bootstrap_servers == "localhost:9092"
    assert settings.topics == ("ranking-events", "explanations", "explanations-dead-letters")
    assert settings.model is None
    assert settings.instance_id is None
    assert settings.inference_threads >= 1


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_MODEL="", PRISM_HTTP_PORT="")
    assert load_settings().http_port == 8080


def test_all_problems_are_reported_at_once_under_the_names_of_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_HTTP_PORT="eighty", PRISM_BATCH_RECORDS="0", PRISM_LOG_LEVEL="LOUD")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["PRISM_HTTP_PORT", "PRISM_BATCH_RECORDS", "PRISM_LOG_LEVEL"]


def test_contradictions_are_reported_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(
        monkeypatch,
        PRISM_INPUT_TOPIC="explanations",
        PRISM_SECURITY_PROTOCOL="SASL_SSL",
        PRISM_SASL_USERNAME="prism",
        PRISM_SSL_CAFILE="/no/such/file.pem",
    )
    with pytest.raises(SettingsError) as caught:
        load_settings()
    problems = str(caught.value)
    for expected in ("three different topics", "PRISM_SASL_MECHANISM", "PRISM_SASL_PASSWORD", "PRISM_SSL_CAFILE"):
        assert expected in problems


def test_a_password_over_an_unauthenticated_protocol_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_SASL_PASSWORD=CANARY)
    with pytest.raises(SettingsError, match="PRISM_SASL_PASSWORD: has no effect") as caught:
        load_settings()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("servers", ["kafka", "kafka:port", f"user:{CANARY}@kafka:9092", "a:1,,b:2", "http://a:1"])
def test_servers_that_are_not_host_and_port_are_refused_without_being_quoted(
    monkeypatch: pytest.MonkeyPatch, servers: str
) -> None:
    set_environment(monkeypatch, PRISM_BOOTSTRAP_SERVERS=servers)
    with pytest.raises(SettingsError, match="PRISM_BOOTSTRAP_SERVERS") as caught:
        load_settings()
    assert CANARY not in str(caught.value)


def test_several_servers_and_ipv6_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_BOOTSTRAP_SERVERS="a:9092, [::1]:9093")
    assert load_settings().bootstrap_servers == "a:9092,[::1]:9093"


def test_no_secret_stands_in_repr_description_or_error(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, **SASL)
    settings = load_settings()
    described = {line.name: line for line in describe_settings(settings)}
    assert settings.sasl_password is not None
    assert settings.sasl_password.get_secret_value() == CANARY
    assert CANARY not in f"{settings!r} {settings} {described} {settings.model_dump_json()}"
    assert described["PRISM_SASL_PASSWORD"].value == SECRET_MASK
    monkeypatch.setenv("PRISM_SASL_MECHANISM", CANARY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_setting_is_described_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_CONSUMER_GROUP="explainers")
    described = {line.name: line for line in describe_settings(load_settings())}
    assert len(described) == len(Settings.model_fields)
    assert all(line.description.endswith(".") for line in described.values())
    assert described["PRISM_CONSUMER_GROUP"][1:3] == ("explainers", "environment")
    assert described["PRISM_OUTPUT_TOPIC"].source == "default"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().http_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_quota_limits_the_cores(tmp_path: Path, quota: str, cores: int | None) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    assert count_usable_cores(path) == (cores or count_usable_cores(tmp_path / "missing"))


def test_a_shadow_needs_model_and_topic_and_a_topic_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, PRISM_SHADOW_MODEL="prism-small/0.3.0")
    with pytest.raises(SettingsError, match="each needs the other"):
        load_settings()
    set_environment(monkeypatch, PRISM_SHADOW_TOPIC="explanations")
    with pytest.raises(SettingsError, match="PRISM_SHADOW_TOPIC: must be none of the other three"):
        load_settings()
    set_environment(monkeypatch, PRISM_SHADOW_TOPIC="explanations-shadow")
    settings = load_settings()
    assert settings.created_topics == (*settings.topics, "explanations-shadow")


def test_approved_models_are_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().approved_models == frozenset()
    set_environment(monkeypatch, PRISM_MODEL_SHA256=f"sha256:{'a' * 64}, {'b' * 64}")
    assert load_settings().approved_models == {"a" * 64, "b" * 64}
    set_environment(monkeypatch, PRISM_MODEL_SHA256="a" * 63)
    with pytest.raises(SettingsError, match="PRISM_MODEL_SHA256: must be SHA-256"):
        load_settings()


@pytest.mark.parametrize("percent", ["-1", "101", "some"])
def test_the_canarys_share_is_a_percentage(monkeypatch: pytest.MonkeyPatch, percent: str) -> None:
    set_environment(monkeypatch, PRISM_CANARY_PERCENT=percent)
    with pytest.raises(SettingsError, match="PRISM_CANARY_PERCENT"):
        load_settings()
