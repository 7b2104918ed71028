import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import errors as kafka_errors
from pydantic import SecretStr

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode
from stream_app.kafka.app import build_app
from stream_app.kafka.clients import BrokerUnreachableError, build_security, classify, find_denial
from stream_app.settings import Settings, SettingsError

CANARY = "canary-9b"
SASL = Settings(
    security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="prism", sasl_password=SecretStr(CANARY)
)


def test_sasl_reaches_aiokafka_and_faust_alike_and_no_repr() -> None:
    security = build_security(SASL)
    arguments = security.build_aiokafka_arguments()
    credentials = security.build_faust_credentials()
    assert (arguments["security_protocol"], arguments["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert arguments["sasl_plain_password"] == credentials.password == CANARY
    assert arguments["ssl_context"] is credentials.ssl_context is not None
    assert credentials.protocol.value == "SASL_SSL"
    assert CANARY not in f"{security!r}{credentials!r}"


def test_plaintext_needs_no_credentials() -> None:
    security = build_security(Settings())
    assert security.build_faust_credentials() is None
    assert security.build_aiokafka_arguments() == {"security_protocol": "PLAINTEXT", "ssl_context": None}


def test_a_certificate_file_that_is_none_is_a_settings_error(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(SettingsError, match="PRISM_SSL_CAFILE"):
        build_security(Settings(security_protocol="SSL", ssl_cafile=path))


def wrap(error: BaseException, *, is_explicit: bool) -> BaseException:
    """Raise one error because of another, as Faust and aiokafka do."""
    try:
        try:
            raise error
        except BaseException as cause:
            if is_explicit:
                raise RuntimeError("wrapped") from cause
            raise RuntimeError("wrapped")  # noqa: B904  # Also an implicit cause is to be found.
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLCertVerificationError("self-signed"),
        kafka_errors.SaslAuthenticationFailed(),
        kafka_errors.AuthenticationFailedError(),
        kafka_errors.UnsupportedSaslMechanismError(),
        kafka_errors.TopicAuthorizationFailedError({"t"}),
        kafka_errors.GroupAuthorizationFailedError("g"),
        kafka_errors.ClusterAuthorizationFailedError(),
        kafka_errors.TransactionalIdAuthorizationFailed("i"),
    ],
)
def test_denials_are_found_however_they_are_wrapped(error: BaseException) -> None:
    for one in (error, wrap(error, is_explicit=True), wrap(error, is_explicit=False)):
        assert classify(one) is ExitCode.PERMISSION
        denial = find_denial(one)
        assert denial is not None
        assert denial.exit_code is ExitCode.PERMISSION


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (kafka_errors.KafkaConnectionError(), ExitCode.BROKER_UNREACHABLE),
        (kafka_errors.NodeNotReadyError(), ExitCode.BROKER_UNREACHABLE),
        (BrokerUnreachableError(), ExitCode.BROKER_UNREACHABLE),
        (kafka_errors.MessageSizeTooLargeError(), None),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), None),
        (ValueError(), None),
    ],
)
def test_other_errors_are_no_denials(error: BaseException, code: ExitCode | None) -> None:
    assert classify(error) is code
    assert find_denial(error) is None


def test_an_error_that_prism_has_judged_is_not_judged_again() -> None:
    judged = PrismError("a dead letter was refused")
    judged.__cause__ = kafka_errors.TopicAuthorizationFailedError()
    assert classify(judged) is None


def test_the_app_has_the_settings_that_do_not_lose_data() -> None:
    conf = build_app(Settings(instance_id="worker-3", bootstrap_servers="a:1,b:2")).conf
    assert [str(url) for url in conf.broker] == ["kafka://a:1", "kafka://b:2"]
    assert conf.id == "prism"
    assert conf.consumer_group_instance_id == "worker-3"
    assert conf.stream_wait_empty
    assert conf.broker_max_poll_records == 200
    assert conf.broker_request_timeout > conf.broker_rebalance_timeout
    assert not conf.topic_allow_declare
    assert conf.topic_disable_leader
    assert not conf.web_enabled


def test_the_core_the_settings_and_the_telemetry_need_no_kafka() -> None:
    names = (
        "stream_app.core.pipeline",
        "stream_app.settings",
        "stream_app.telemetry",
        "stream_app.probes",
        "stream_app.cli",
    )
    clients = ("faust", "aiokafka", "confluent_kafka")
    code = f"import sys, {', '.join(names)}; sys.exit(any(name in sys.modules for name in {clients}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
