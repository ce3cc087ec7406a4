"""Warnings about valid specs."""

from datetime import date
from typing import Any

import pytest
from tests.engine.fake_kind import document

from dynconfig.api.function import RUNTIME_ENDS
from dynconfig.validation.advice import advice

TODAY = date(2026, 11, 24)


def advised(today: date = TODAY, parameters: tuple[dict[str, Any], ...] = (), **spec: Any) -> list[str]:
    return [finding.text for finding in advice(document({}, parameters=[*parameters], **spec), today)]


def test_rollout_without_alarms_warns() -> None:
    (warnings,) = advised(rollout={})
    assert (
        warnings == "spec.rollout: no alarm watches this object, so changes are never rolled back; declare spec.alarms"
    )
    custom = {"name": "Orders", "metric": "Failed", "namespace": "Shop", "statistic": "Sum", "threshold": 5}
    alarm = {**custom, "comparison": "GreaterThanThreshold"}
    assert advised(rollout={}, alarms={"defaults": False, "custom": [alarm]}) == []
    assert advised(rollout={"rollbackOnAlarm": False}) == []


@pytest.mark.parametrize(
    ("field", "value"), [("topic", True), ("notify", ["arn:aws:sns:eu-west-1:123456789012:alarms"])]
)
def test_notification_without_alarms_warns(field: str, value: object) -> None:
    (warning,) = advised(alarms={field: value, "defaults": False})
    assert warning.startswith(f"spec.alarms.{field}: no alarm is declared, so nothing is ever notified; ")
    assert advised(alarms={field: value, "defaults": False, "drift": True}) == []
    assert advised(alarms={"defaults": False}) == []


@pytest.mark.parametrize(
    ("name", "sounds"),
    [
        ("db/password", True),
        ("adminPassword", True),
        ("DB_PASSWD", True),
        ("api/token", True),
        ("client-secret", True),
        ("api/key", True),
        ("apiKey", True),
        ("accesskey", True),
        ("signing.keys", True),
        ("keyboard/layout", False),
        ("db/host", False),
        ("keepalive", False),
        ("keyspace", False),
        ("monkey", False),
        ("public-key", False),
        ("max-tokens", False),
        ("max-token", False),
        ("token-ttl", False),
        ("PrimaryKeys", False),
        ("passwd-min-length", False),
        ("compass/direction", False),
        ("apikey", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWSSecretAccessKey", True),
        ("db_pwd", True),
    ],
)
def test_plaintext_value_with_a_secret_name_warns(name: str, sounds: bool) -> None:
    warnings = advised(parameters=({"name": name, "value": "1"},))
    assert bool(warnings) == sounds
    if warnings:
        assert f"parameter {name}: looks like a plaintext secret" in warnings[0]
        assert "valueFrom.secretKeyRef" in warnings[0]


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ("postgres://u:p4ss@db/x", True),
        ("redis://:p4ss@h:6379", True),
        ("a,amqps://u:p4ss@h", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("postgres://u:${PASSWORD}@db/x", False),
        ("postgres://db:5432/x", False),
        ("https://x.example/a:b@c", False),
        ("mail me: a:b@c", False),
    ],
)
@pytest.mark.parametrize("kind", ["String", "StringList"])
def test_plaintext_credentials_warn_regardless_of_name(value: str, kind: str, *, is_secret: bool) -> None:
    warnings = advised(parameters=({"name": "dsn", "value": value, "type": kind},))
    assert bool(warnings) == is_secret
    assert "p4ss" not in "".join(warnings)


@pytest.mark.parametrize(
    ("value", "is_half"),
    [
        (r'"\ud83d\ude00"', False),
        (r'"\ud83d"', True),
        (r'"\ude00"', True),
        (r'"\\ud83d"', False),
        (r'"\ud83dx\ude00"', True),
    ],
)
def test_unpaired_surrogate_in_json_warns(value: str, *, is_half: bool) -> None:
    warnings = advised(parameters=({"name": "j", "value": value, "schema": {"type": "json"}},))
    assert bool(warnings) == is_half


@pytest.mark.parametrize(
    ("annotation", "warns"), [("true", False), ("other, password", False), ("other", True), ("", True)]
)
def test_annotation_allows_plaintext(annotation: str, *, warns: bool) -> None:
    found = document({}, parameters=[{"name": "password", "value": "1"}])
    metadata = {**found["metadata"], "annotations": {"dynconfig.dev/allow-plaintext": annotation}}
    assert bool(advice({**found, "metadata": metadata}, TODAY)) == warns


@pytest.mark.parametrize(
    "parameter",
    [
        {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"value": "a,b", "type": "StringList"},
    ],
)
def test_value_from_a_secret_does_not_warn(parameter: dict[str, Any]) -> None:
    assert advised(parameters=({"name": "password", **parameter},)) == []


def test_deprecated_runtime_warns_with_the_newest_one() -> None:
    old = {"runtime": "python3.11"}
    assert advised(function=old) == []
    assert advised(RUNTIME_ENDS["python3.11"], function=old) == []
    (warnings,) = advised(date(2027, 7, 1), function=old)
    assert warnings == ("spec.function.runtime: python3.11 was deprecated by Lambda on 2027-06-30; set python3.14")


def test_operator_upgrade_is_advised_if_all_runtimes_are_deprecated() -> None:
    (warnings,) = advised(date(2040, 1, 1), function={})
    assert "upgrade to an operator version" in warnings


def test_attached_function_does_not_warn_about_its_runtime() -> None:
    assert advised(date(2040, 1, 1), function={"name": "f", "mode": "Attach"}) == []


def test_invalid_spec_has_no_warnings() -> None:
    assert advised(parameters=({"name": "password", "value": "1", "tier": "Golden"},)) == []
