"""Secrets, ConfigMaps and schemas: what stops an object before the first write, and how it recovers."""

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PASSWORD = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def test_missing_secret_is_awaited_and_nothing_is_written(world: World) -> None:
    world.declare("waits", world.spec({"name": "a", "value": "1"}, PASSWORD, resyncInterval="24h"))
    message = world.wait_reason("waits", "SourceMissing", "Unknown")
    assert "parameter password: Secret db does not exist" in message
    assert world.condition("waits", "Reconciling")[0] == "True"
    assert world.names() == []
    world.secret("db", other="x")
    missing = "parameter password: key password of Secret db does not exist"
    world.wait("the key is missed", lambda: missing in world.condition("waits")[2])
    world.secret("db", password="p4ssw0rd-canary")
    world.wait_ready("waits")
    assert world.value("password") == "p4ssw0rd-canary"


def test_rotated_secret_reaches_aws_at_once_and_is_not_drift(world: World) -> None:
    world.secret("db", password="first")
    world.declare("rotated", world.spec(PASSWORD, resyncInterval="24h"))
    world.wait_ready("rotated")
    world.secret("db", password="second")
    world.wait("AWS has it", lambda: world.value("password") == "second")
    world.wait_event("rotated", "Updated")
    assert "DriftFound" not in dict(world.events("rotated"))


def test_changed_config_map_reaches_aws_at_once(world: World) -> None:
    world.config_map("settings", colour="red")
    colour = {"name": "colour", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}
    world.declare("mapped", world.spec(colour, resyncInterval="24h"))
    world.wait_ready("mapped")
    world.config_map("settings", colour="blue")
    world.wait("AWS has it", lambda: world.value("colour") == "blue")


def test_deleted_secret_keeps_the_last_value(world: World) -> None:
    world.secret("db", password="kept")
    world.declare("keeps", world.spec(PASSWORD, resyncInterval="24h"))
    world.wait_ready("keeps")
    world.http.delete(f"/api/v1/namespaces/{world.namespace}/secrets/db").raise_for_status()
    world.wait_reason("keeps", "SourceMissing", "Unknown")
    assert world.value("password") == "kept"


@pytest.mark.parametrize(
    ("parameter", "rule"),
    [
        (
            {"name": "port", "value": "99999", "schema": {"type": "integer", "maximum": 65535}},
            "above the maximum 65535",
        ),
        ({"name": "port", "value": "http", "schema": {"type": "integer"}}, "is not of type integer"),
        ({"name": "big", "value": "x" * 4097}, "more than the 4096 of tier Standard"),
        ({"name": "big", "value": "x" * 8193, "tier": "Advanced"}, "more than the 8192 of tier Advanced"),
        ({"name": "list", "type": "StringList", "value": "a,,b"}, "empty item"),
        ({"name": "digits", "value": "abc", "allowedPattern": "^[0-9]+$"}, "does not match allowedPattern"),
    ],
    ids=["bounds", "type", "4 KB", "8 KB", "list", "pattern"],
)
def test_value_that_violates_its_schema_stalls_the_whole_object(
    world: World, parameter: dict[str, object], rule: str
) -> None:
    world.declare("stalled", world.spec({"name": "fine", "value": "1"}, parameter))
    message = world.wait_reason("stalled", "InvalidSpec")
    assert f"parameter {parameter['name']}: the value" in message
    assert rule in message
    assert str(parameter["value"]) not in message
    assert world.condition("stalled", "Stalled")[0] == "True"
    assert world.names() == []
    world.edit("stalled", {"spec": {"parameters": [{"name": "fine", "value": "1"}]}})
    world.wait_ready("stalled")


def test_password_appears_only_in_its_secret_and_in_ssm(world: World) -> None:
    canary = "tr0ub4dor-canary-3f9c"
    world.secret("db", password=canary)
    world.declare("secretive", world.spec(PASSWORD))
    world.wait_ready("secretive")
    world.put_by_hand("password", f"{canary}-changed")
    world.reconcile_now("secretive")
    world.wait_ready("secretive")
    assert world.value("password") == canary
    for text in (
        world.kubectl("get", "dcfg", "secretive", "-o", "yaml", "--show-managed-fields"),
        world.kubectl("get", "events", "-o", "yaml"),
        world.stack.operator_log.read_text(),
    ):
        assert canary not in text
    answer = world.ssm.get_parameter(Name=f"{world.path}/password")["Parameter"]
    assert answer["Type"] == "SecureString"
    assert canary not in answer["Value"]
