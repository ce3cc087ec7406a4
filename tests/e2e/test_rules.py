"""JSON Schema and rules over several values: a violation stops the object before the first write."""

from typing import Any

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

INTEGER = {"type": "integer"}
SCHEMA: dict[str, Any] = {
    "$defs": {"port": {"type": "integer", "maximum": 65535}},
    "properties": {"port": {"$ref": "#/$defs/port"}, "extra": {"const": None}},
    "required": ["port"],
}


def test_violated_rule_stalls_the_whole_object_until_it_is_satisfied(world: World) -> None:
    parameters = [{"name": "pool", "value": "20", "schema": INTEGER}, {"name": "max", "value": "10", "schema": INTEGER}]
    rules = [{"rule": "config.pool <= config.max", "message": "the pool is larger than the database takes"}]
    world.declare("ruled", world.spec(*parameters, rules=rules))
    message = world.wait_reason("ruled", "InvalidSpec")
    assert "spec.rules[0]: failed: the pool is larger than the database takes" in message
    assert world.names() == []
    parameters[0]["value"] = "5"
    world.edit("ruled", {"spec": {"parameters": parameters}})
    world.wait_ready("ruled")
    assert world.value("pool") == "5"


def test_rule_waits_for_its_secret_and_never_shows_it(world: World) -> None:
    secret = {"name": "token", "valueFrom": {"secretKeyRef": {"name": "db", "key": "token"}}}
    world.declare("waits", world.spec(secret, rules=[{"rule": "config.token.startsWith('t-')"}]))
    world.wait_reason("waits", "SourceMissing", "Unknown")
    world.secret("db", token="x-canary")
    assert "or fails a rule. Details are not reported here" in world.wait_reason("waits", "InvalidSpec")
    assert "canary" not in world.kubectl("get", "dcfg", "waits", "-o", "yaml")
    world.secret("db", token="t-canary")
    world.wait_ready("waits")


def test_json_schema_is_stored_unchanged_and_enforced(world: World) -> None:
    limits = {"name": "limits", "value": '{"port": 70000}', "schema": {"type": "json", "jsonSchema": SCHEMA}}
    world.declare("shaped", world.spec(limits))
    kept = world.get("shaped")["spec"]["parameters"][0]["schema"]["jsonSchema"]
    assert kept == SCHEMA
    message = world.wait_reason("shaped", "InvalidSpec")
    assert "parameter limits: the value does not match jsonSchema: $.port: maximum 65535" in message
    assert world.names() == []
    world.edit("shaped", {"spec": {"parameters": [{**limits, "value": '{"port": 5432}'}]}})
    world.wait_ready("shaped")
