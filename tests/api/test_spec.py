"""Validation of spec in local files; tests/e2e/test_refusals.py checks the same in the API server."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from dynconfig.api.crd import definition
from dynconfig.api.duration import seconds
from dynconfig.api.function import RUNTIME_ENDS, FunctionSpec
from dynconfig.api.model import Model, refused_edits
from dynconfig.api.parameter import MAX_LEVELS, ParameterType
from dynconfig.api.spec import DynamicConfigSpec

EXPIRATION = {"type": "Expiration", "version": "1.0", "attributes": {"Timestamp": "2026-12-31T00:00:00Z"}}
SECRET = {"secretKeyRef": {"name": "db", "key": "password"}}
OPEN = {"secretKeyRef": {"name": "db", "key": "password", "allowPlaintext": True}}
CONFIG_MAP = {"configMapKeyRef": {"name": "db", "key": "host"}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def spec(parameter: dict[str, Any] | None = None, **more: Any) -> DynamicConfigSpec:
    listed = [] if parameter is None else [{"name": "p", **parameter}]
    return DynamicConfigSpec.model_validate({"path": "/myapp/config", "parameters": listed, **more})


@pytest.mark.parametrize("path", ["/a", "/myapp/config", "/My_App/v1.2-rc/x", "/a/aws"])
def test_legal_paths(path: str) -> None:
    assert spec(path=path).path == path


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("myapp", "pattern"),
        ("/", "at least 2"),
        ("/myapp/", "pattern"),
        ("/my app", "pattern"),
        ("/my//app", "pattern"),
        ("/aws/x", "AWS reserves"),
        ("/SSM-things", "AWS reserves"),
        ("/" + "x" * 400, "at most 400"),
    ],
)
def test_invalid_paths_are_rejected_with_the_rule(path: str, error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        spec(path=path)


@pytest.mark.parametrize("name", ["", "/x", "x/", "a//b", "a b", "ü", "a" * 501])
def test_invalid_names_are_rejected(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        spec({"name": name, "value": "1"})


def test_levels_count_from_the_root() -> None:
    deepest = "/".join("x" * (MAX_LEVELS - 2))
    assert spec({"name": deepest, "value": "1"})
    with pytest.raises(ValidationError, match=f"must not exceed {MAX_LEVELS} levels"):
        spec({"name": f"{deepest}/x", "value": "1"})


@pytest.mark.parametrize(
    ("parameter", "error"),
    [
        ({}, "exactly one of value and valueFrom"),
        ({"value": "1", "valueFrom": SECRET}, "exactly one of value and valueFrom"),
        ({"value": ""}, "at least 1 character"),
        ({"valueFrom": {}}, "exactly one of secretKeyRef and configMapKeyRef"),
        ({"valueFrom": {**SECRET, **CONFIG_MAP}}, "exactly one of secretKeyRef and configMapKeyRef"),
        ({"value": "1", "type": "SecureString"}, "a SecureString requires valueFrom.secretKeyRef"),
        ({"valueFrom": CONFIG_MAP, "type": "SecureString"}, "a SecureString requires valueFrom.secretKeyRef"),
        ({"value": "1", "kmsKeyId": "alias/x"}, "kmsKeyId requires type SecureString"),
        ({"valueFrom": OPEN, "type": "String", "kmsKeyId": "alias/x"}, "kmsKeyId requires type SecureString"),
        ({"valueFrom": SECRET, "type": "String"}, "secretKeyRef.allowPlaintext: true"),
        ({"valueFrom": SECRET, "type": "StringList"}, "secretKeyRef.allowPlaintext: true"),
        (
            {"valueFrom": {"secretKeyRef": {**OPEN["secretKeyRef"], "allowPlaintext": False}}, "type": "String"},
            "plaintext",
        ),
        ({"value": "1", "policies": [EXPIRATION]}, "policies require tier"),
        ({"value": "{{ssm:x}}"}, "SSM reserves for references"),
        ({"value": "1", "tags": {"aws:x": "1"}}, "reserved"),
        ({"value": "1", "tags": {"dynconfig.dev/owner": "me"}}, "reserved"),
        ({"value": "1", "schema": {"type": "string", "minimum": 1}}, "require type integer or number"),
        ({"value": "1", "schema": {"type": "integer", "minimum": 2, "maximum": 1}}, "must not exceed"),
        ({"value": "1", "schema": {"jsonSchema": {}}}, "jsonSchema requires type json"),
        (
            {"value": "1", "schema": {"type": "json", "jsonSchema": {"title": "x" * 16384}}},
            "must not exceed 16384 characters",
        ),
        ({"value": "1", "schema": {"type": "json", "jsonSchema": {"const": date(2026, 1, 1)}}}, "valid JSON"),
        ({"value": "1", "schema": {"type": "json", "jsonSchema": nested(64)}}, "nested deeper than 64 levels"),
        ({"value": "1", "schema": {"type": "json", "jsonSchema": nested(5000)}}, "nested deeper than 64 levels"),
        ({"value": "1", "colour": "red"}, "Extra inputs"),
        ({"value": "1", "ttlSeconds": -1}, "greater than or equal to 0"),
    ],
)
def test_contradictory_fields_of_a_parameter_are_rejected_with_the_rule(parameter: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        spec(parameter)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"cache": {"ttlSeconds": 301}}, "less than or equal to 300"),
        ({"cache": {"size": 1001}}, "less than or equal to 1000"),
        ({"resyncInterval": "9s"}, "between 10s and 24h"),
        ({"resyncInterval": "25h"}, "between 10s and 24h"),
        ({"resyncInterval": "soon"}, "pattern"),
        ({"region": "moon"}, "pattern"),
        ({"tags": {"aws:team": "x"}}, "reserved"),
        ({"parameters": [{"name": "p", "value": "1"}] * 2}, "must not repeat a name"),
        ({"rules": [{"message": "no rule"}]}, "Field required"),
        ({"rules": [{"rule": "x" * 1025}]}, "at most 1024"),
        ({"rules": [{"rule": "true"}] * 65}, "at most 64"),
    ],
)
def test_fields_out_of_range_are_rejected_with_the_rule(more: dict[str, Any], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        spec(**more)


@pytest.mark.parametrize(
    ("parameter", "resolved"),
    [
        ({"value": "1"}, ParameterType.STRING),
        ({"value": "1,2", "type": "StringList"}, ParameterType.STRING_LIST),
        ({"valueFrom": CONFIG_MAP}, ParameterType.STRING),
        ({"valueFrom": SECRET}, ParameterType.SECURE_STRING),
        ({"valueFrom": OPEN, "type": "String"}, ParameterType.STRING),
        ({"valueFrom": OPEN}, ParameterType.SECURE_STRING),
    ],
)
def test_type_defaults_by_source(parameter: dict[str, Any], resolved: ParameterType) -> None:
    assert spec(parameter).parameters[0].resolved_type is resolved


def test_policies_have_the_format_of_put_parameter() -> None:
    policy = {"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}
    advanced = spec({"value": "1", "tier": "Advanced", "policies": [policy]}).parameters[0]
    assert advanced.policies_json == (
        '[{"Attributes": {"After": "20", "Unit": "Days"}, "Type": "NoChangeNotification", "Version": "1.0"}]'
    )


def test_json_schema_is_not_changed() -> None:
    schema = {"properties": {"port": {"type": "integer", "maxLength": None}}, "x-ours": [1, 2.5, True]}
    (parameter,) = spec({"value": "{}", "schema": {"type": "json", "jsonSchema": schema}}).parameters
    assert parameter.schema_
    assert parameter.schema_.json_schema == schema


def test_every_runtime_has_a_deprecation_date() -> None:
    assert set(RUNTIME_ENDS) == set(get_args(FunctionSpec.model_fields["runtime"].annotation))


@pytest.mark.parametrize(("text", "expected"), [("10s", 10), ("1h30m", 5400), ("1h1m1s", 3661), ("90s", 90)])
def test_durations(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("level", [".", ".."])
def test_dot_levels_are_rejected_by_the_crd_but_accepted_by_the_models(level: str) -> None:
    properties = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    name, path = properties["parameters"]["items"]["properties"]["name"]["pattern"], properties["path"]["pattern"]
    for text in (level, f"a/{level}", f"{level}/a", f"a/{level}/b"):
        assert not re.search(name, text)
        assert not re.search(path, f"/{text}")
        DynamicConfigSpec.model_validate({"path": f"/{text}", "parameters": [{"name": text, "value": "1"}]})
    for text in (".a", "..a", "a.", "a..", "...", "a/.b/c", ".-", "a.b"):
        assert re.search(name, text)
        assert re.search(path, f"/{text}")


MANAGED = {"function": {"mode": "Managed"}}
ATTACHED = {"function": {"mode": "Attach", "name": "f"}}


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ({}, {"path": "/other"}, "spec.path"),
        ({}, {"region": "eu-west-1"}, "spec.region"),
        ({"region": "eu-west-1"}, {}, "spec.region"),
        (MANAGED, ATTACHED, "spec.function.mode"),
    ],
)
def test_transition_rules_are_checked_locally(before: dict[str, Any], after: dict[str, Any], field: str) -> None:
    assert [text.partition(": ")[0] for text in refused_edits(spec(**before), spec(**after))] == [field]


@pytest.mark.parametrize(("before", "after"), [(MANAGED, {}), ({}, ATTACHED), ({}, {"suspend": True}), ({}, {})])
def test_other_edits_are_allowed(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert list(refused_edits(spec(**before), spec(**after))) == []


def test_every_rule_is_checked_locally_and_transitions_have_a_field() -> None:
    rules = {model.__name__: model.rules for model in Model.__subclasses__()}
    assert all(rule.cel or rule.holds for found in rules.values() for rule in found)
    transitions = {name: [rule.field for rule in found if rule.is_transition] for name, found in rules.items()}
    assert {name: fields for name, fields in transitions.items() if fields} == {
        "AWSTargetSpec": ["region", "account"],
        "DynamicConfigSpec": ["path", "region", "target"],
        "FunctionSpec": ["mode"],
    }


def test_rules_that_iterate_longer_than_the_library_allows_are_left_to_the_api_server() -> None:
    tags = {f"key-{number}": "a" for number in range(12)}
    parameters = [{"name": f"p{number}", "value": "1", "tags": tags} for number in range(1000)]
    assert len(spec(parameters=parameters).parameters) == 1000
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    with pytest.raises(ValidationError, match="region of this object"):
        spec(parameters=parameters, region="eu-west-1", alarms={"defaults": False, "notify": [topic]})


def models(model: type[Model] = DynamicConfigSpec) -> Iterator[type[Model]]:
    yield model
    for field in model.model_fields.values():
        yield from (inner for found in of_annotation(field.annotation) for inner in models(found))


def of_annotation(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from of_annotation(part)


@pytest.mark.parametrize("model", sorted(set(models()), key=str))
def test_no_field_accepts_a_string_for_a_number_or_boolean(model: type[Model]) -> None:
    kinds = {"integer": "1", "number": "1", "boolean": "true"}
    schema = model.model_json_schema(by_alias=True)
    for name, about in schema["properties"].items():
        kind = {option.get("type") for option in (about, *about.get("anyOf", ()))} & set(kinds)
        for text in map(kinds.get, kind):
            with pytest.raises(ValidationError) as refused:
                model.model_validate({name: text})
            assert name in {problem["loc"][0] for problem in refused.value.errors() if problem["loc"]}, (model, name)
