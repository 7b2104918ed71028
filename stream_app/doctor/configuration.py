"""The settings, and variables that look like settings and are none."""

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Final

from stream_app.doctor.findings import Finding, approve, refuse, warn
from stream_app.settings import ENVIRONMENT_PREFIX, Settings, SettingsError

CHECK: Final = "settings"
_SERVICE_LINK: Final = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")
"""Variables that Kubernetes adds for each Service of a namespace: of one named `prism`, PRISM_SERVICE_HOST."""


def refuse_settings(error: SettingsError) -> list[Finding]:
    """Say what is wrong with each setting."""
    return [refuse(CHECK, line, "see prism config for the meaning of each setting") for line in str(error).splitlines()]


def judge_settings(settings: Settings, variables: Iterable[str]) -> list[Finding]:
    """Judge settings that are valid, and the names of the environment's variables."""
    findings = [*_judge_security(settings), *_judge_variables(variables)]
    return findings or [approve(CHECK, f"all {len(Settings.model_fields)} are valid")]


def _judge_security(settings: Settings) -> Iterator[Finding]:
    if settings.security_protocol == "SASL_PLAINTEXT":
        message = "everything crosses the network in clear"
        if settings.sasl_mechanism == "PLAIN":
            message += ", the password too"
        yield warn(CHECK, message, "use PRISM_SECURITY_PROTOCOL=SASL_SSL")


def _judge_variables(variables: Iterable[str]) -> Iterator[Finding]:
    known = [f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields]
    unknown = {name for name in variables if name.startswith(ENVIRONMENT_PREFIX)} - set(known)
    links = sorted(name for name in unknown if _SERVICE_LINK.search(name))
    if links:
        yield warn(CHECK, f"{', '.join(links)}: from a Kubernetes Service", "set enableServiceLinks: false for the pod")
    for name in sorted(unknown.difference(links)):
        similar = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {similar[0]}?" if similar else "remove it; prism config lists all settings"
        yield warn(CHECK, f"{name} is no setting, and has no effect", advice)
