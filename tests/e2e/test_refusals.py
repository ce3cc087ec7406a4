"""What the API server rejects itself: a message with field and rule, and nothing is written to AWS."""

from typing import Any

import pytest
from tests.e2e.world import World

from dynconfig.api.model import refused_edits
from dynconfig.validation.declare import faults, parse_spec

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

EXPIRATION = {"type": "Expiration", "version": "1.0", "attributes": {"Timestamp": "2026-12-31T00:00:00Z"}}
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
ONE: dict[str, Any] = {"name": "a", "value": "1"}

# The fault, the spec, the field in the API server's error, and the rule.
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("blank in a name", {"parameters": [{"name": "a b", "value": "1"}]}, "spec.parameters[0].name", "match"),
    ("leading slash", {"parameters": [{"name": "/a", "value": "1"}]}, "spec.parameters[0].name", "match"),
    ("double slash", {"parameters": [{"name": "a//b", "value": "1"}]}, "spec.parameters[0].name", "match"),
    ("no leading slash in path", {"path": "a/b"}, "spec.path", "match"),
    ("aws path", {"path": "/aws/x"}, "spec.path", "must not begin with /aws or /ssm"),
    ("ssm path in capitals", {"path": "/SSM-x"}, "spec.path", "must not begin with /aws or /ssm"),
    (
        "16 levels",
        {"parameters": [{"name": "/".join("abcdefghijklmno"), "value": "1"}]},
        "spec.parameters",
        "15 levels",
    ),
    ("duplicate", {"parameters": [ONE, ONE]}, "spec.parameters[1]", "uplicate"),
    (
        "value and valueFrom",
        {"parameters": [{**ONE, "valueFrom": SECRET}]},
        "spec.parameters[0]",
        "exactly one of value",
    ),
    ("neither", {"parameters": [{"name": "a"}]}, "spec.parameters[0]", "exactly one of value and valueFrom"),
    ("two sources", {"parameters": [{"name": "a", "valueFrom": {}}]}, "spec.parameters[0].valueFrom", "exactly one"),
    (
        "inline secret",
        {"parameters": [{**ONE, "type": "SecureString"}]},
        "spec.parameters[0]",
        "a SecureString requires valueFrom.secretKeyRef",
    ),
    (
        "secret in plaintext",
        {"parameters": [{"name": "a", "type": "String", "valueFrom": SECRET}]},
        "spec.parameters[0]",
        "secretKeyRef.allowPlaintext: true",
    ),
    (
        "secret of a ConfigMap",
        {
            "parameters": [
                {"name": "a", "type": "SecureString", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
            ]
        },
        "spec.parameters[0]",
        "a SecureString requires valueFrom.secretKeyRef",
    ),
    (
        "key of a String",
        {"parameters": [{**ONE, "kmsKeyId": "alias/x"}]},
        "spec.parameters[0]",
        "kmsKeyId requires type SecureString",
    ),
    ("reference in a value", {"parameters": [{"name": "a", "value": "{{x}}"}]}, "spec.parameters[0]", "{{"),
    (
        "policies on Standard",
        {"parameters": [{**ONE, "policies": [EXPIRATION]}]},
        "spec.parameters[0]",
        "policies require tier",
    ),
    (
        "failed events into a bucket",
        {"function": {"onFailure": "arn:aws:s3:::failed-events"}},
        "spec.function",
        "onFailure must be the ARN of an SQS queue",
    ),
    ("TTL of the cache", {"cache": {"ttlSeconds": 301}}, "spec.cache.ttlSeconds", "less than or equal to 300"),
    (
        "TTL of a parameter",
        {"parameters": [{**ONE, "ttlSeconds": -1}]},
        "spec.parameters[0].ttlSeconds",
        "greater than",
    ),
    ("cache size", {"cache": {"size": 1001}}, "spec.cache.size", "less than or equal to 1000"),
    ("resync too often", {"resyncInterval": "5s"}, "spec.resyncInterval", "between 10s and 24h"),
    ("no duration", {"resyncInterval": "often"}, "spec.resyncInterval", "match"),
    ("reserved tag", {"tags": {"aws:x": "1"}}, "spec.tags", "must not begin with aws:"),
    ("our own tag", {"tags": {"dynconfig.dev/owner": "1"}}, "spec.tags", "must not begin with aws: or dynconfig.dev/"),
    ("sign in the key of a tag", {"tags": {"a&b": "1"}}, "spec.tags", "tag keys must have 1 to 128 letters"),
    ("key of a tag too long", {"tags": {"k" * 129: "1"}}, "spec.tags", "128"),
    ("sign in a tag", {"tags": {"a": "b & c"}}, "spec.tags", "match"),
    (
        "sign in the key of a parameter's tag",
        {"parameters": [{**ONE, "tags": {"a&b": "1"}}]},
        "spec.parameters[0].tags",
        "tag keys must have 1 to 128 letters",
    ),
    (
        "too many tags together",
        {
            "tags": {f"t{n}": "1" for n in range(40)},
            "parameters": [{**ONE, "tags": {f"u{n}": "1" for n in range(10)}}],
        },
        "spec.parameters",
        "more than 49 tags",
    ),
    (
        "variable of Lambda's own",
        {"function": {"environment": {"AWS_REGION": "x"}}},
        "spec.function.environment",
        "they change what code the function runs",
    ),
    (
        "handler as a variable",
        {"function": {"environment": {"_HANDLER": "x"}}},
        "spec.function.environment",
        "begin with a letter",
    ),
    ("unknown type", {"parameters": [{**ONE, "type": "Text"}]}, "spec.parameters[0].type", "SecureString"),
    (
        "bounds of a string",
        {"parameters": [{**ONE, "schema": {"type": "host", "minimum": 1}}]},
        "spec.parameters[0].schema",
        "require type integer or number",
    ),
    (
        "bounds the wrong way round",
        {"parameters": [{**ONE, "schema": {"type": "integer", "minimum": 2, "maximum": 1}}]},
        "spec.parameters[0].schema",
        "minimum must not exceed maximum",
    ),
    (
        "JSON Schema of a string",
        {"parameters": [{**ONE, "schema": {"type": "string", "jsonSchema": {}}}]},
        "spec.parameters[0].schema",
        "jsonSchema requires type json",
    ),
    ("rule that never ends", {"rules": [{"rule": "true" + " " * 1024}]}, "spec.rules[0].rule", "1024"),
]


@pytest.mark.parametrize(("spec", "field", "rule"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_malformed_spec_is_rejected_by_field_and_rule(
    world: World, spec: dict[str, Any], field: str, rule: str
) -> None:
    answer = world.create("bad", {**world.spec(ONE), **spec})
    message = answer.json()["message"]
    assert answer.status_code == 422, message
    assert field in message
    assert rule in message
    assert world.names() == []


# The command line has its own messages for these.
VALIDATE_WORDS = {
    "blank in a name": "spec.parameters[a b].name: must consist of letters, digits",
    "leading slash": "spec.parameters[/a].name: must be relative to the path: remove the leading /",
    "double slash": "spec.parameters[a//b].name: must consist of letters, digits",
    "no leading slash in path": "spec.path: must begin with / and must not end with /",
    "duplicate": "parameter a: the name is declared twice",
    "TTL of the cache": "spec.cache.ttlSeconds: must be at most 300",
    "TTL of a parameter": "spec.parameters[a].ttlSeconds: must be at least 0",
    "cache size": "spec.cache.size: must be at most 1000",
    "sign in a tag": "spec.tags.a: must consist of letters, digits, spaces",
    "no duration": "spec.resyncInterval: must be a duration such as 90s, 10m or 1h30m",
    "variable of Lambda's own": "spec.function.environment.AWS_REGION: is reserved",
    "handler as a variable": "spec.function.environment._HANDLER: is not a valid name",
}


@pytest.mark.parametrize(
    ("spec", "words"),
    [(row[1], VALIDATE_WORDS.get(row[0], row[3])) for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_validate_rejects_the_same_without_a_cluster(spec: dict[str, Any], words: str) -> None:
    document = {"metadata": {"name": "bad"}, "spec": {"path": "/team/app", "parameters": [ONE], **spec}}
    found = faults(document, lambda _source: None)
    assert found
    assert words in " ".join(found)


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ({}, {"path": "/other"}, "spec.path"),
        ({"region": "eu-west-1"}, {"region": "eu-west-2"}, "spec.region"),
        ({}, {"region": "eu-west-1"}, "spec.region"),
        ({"region": "eu-west-1"}, {"region": None}, "spec.region"),
    ],
    ids=["path", "region", "region added", "region taken away"],
)
def test_target_and_path_are_immutable(world: World, before: dict[str, Any], after: dict[str, Any], field: str) -> None:
    spec = {**world.spec(ONE), **before}
    world.declare("fixed", spec)
    answer = world.edit("fixed", {"spec": after})
    assert answer.status_code == 422
    assert field in answer.json()["message"]
    (planned,) = refused_edits(parse_spec({"spec": spec}), parse_spec({"spec": {**spec, **after}}))
    assert planned.startswith(f"{field}: ")
    assert planned.removeprefix(f"{field}: ") in answer.json()["message"]


def test_name_too_long_for_the_owner_tag_is_rejected(world: World) -> None:
    answer = world.create("n" * 64, world.spec(ONE))
    assert answer.status_code == 422
    assert "metadata.name must not be longer than 63" in answer.json()["message"]
