"""The CustomResourceDefinition is structural, has limits, and describes every field."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from dynconfig.api import crd
from dynconfig.api.model import Model
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.target import AWSTargetSpec

Schema = dict[str, Any]

VERSION = crd.definition()["spec"]["versions"][0]
ROOT: Schema = VERSION["schema"]["openAPIV3Schema"]
TARGET: Schema = crd.target_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from fields(inner, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from fields(schema[part], f"{path}[]")


OURS = [
    (f"{kind}{path}", schema)
    for kind, root in (("", ROOT), ("AWSTarget", TARGET))
    for path, schema in fields(root)
    if path.startswith((".spec", ".status"))
]


@pytest.mark.parametrize(("path", "schema"), OURS, ids=[path for path, _ in OURS])
def test_every_field_has_a_type_and_a_description(path: str, schema: Schema) -> None:
    assert schema["type"]
    assert schema["description"].endswith((".", "?")), path


@pytest.mark.parametrize(("path", "schema"), OURS, ids=[path for path, _ in OURS])
def test_every_list_map_and_string_has_a_limit(path: str, schema: Schema) -> None:
    if schema["type"] == "array":
        assert "maxItems" in schema
    if "additionalProperties" in schema:
        assert "maxProperties" in schema
    if schema["type"] == "string" and ".spec." in path:
        assert "maxLength" in schema or "enum" in schema


def walk(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every node of a document with its path."""
    yield path, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in parts:
        yield from walk(inner, f"{path}.{key}")


def test_definition_has_no_nulls() -> None:
    # Also in what is written to the file: every way of installing it, but the first `kubectl apply`, refuses a null default.
    for definition in (crd.definition(), crd.target_definition()):
        assert [path for path, node in walk(definition) if node is None] == []


class _Inner(Model):
    absent: str | None = None
    given: int = 1


class _Outer(Model):
    one: _Inner = Field(default_factory=_Inner)
    several: tuple[_Inner, ...] = (_Inner(),)


def test_default_of_a_nested_model_omits_unset_fields() -> None:
    found = crd._structural(_Outer)["properties"]
    assert found["one"]["default"] == {"given": 1}
    assert found["several"]["default"] == [{"given": 1}]


def test_schema_is_structural() -> None:
    keys = {path.rpartition(".")[2] for root in (ROOT, TARGET) for path, _ in walk(root)}
    assert not keys & {"$ref", "$defs", "anyOf", "oneOf", "const", "title", "propertyNames"}


def test_cross_field_rules_are_in_the_crd() -> None:
    for root, model in ((ROOT, DynamicConfigSpec), (TARGET, AWSTargetSpec)):
        said = {rule["message"] for rule in root["properties"]["spec"]["x-kubernetes-validations"]}
        assert said == {rule.message for rule in model.rules if rule.cel}
    items = ROOT["properties"]["spec"]["properties"]["parameters"]["items"]
    assert any("exactly one of value and valueFrom" in rule["message"] for rule in items["x-kubernetes-validations"])


def test_parameters_are_a_list_map_by_name() -> None:
    parameters = ROOT["properties"]["spec"]["properties"]["parameters"]
    assert parameters["x-kubernetes-list-type"] == "map"
    assert parameters["x-kubernetes-list-map-keys"] == ["name"]


def test_json_schema_preserves_unknown_fields() -> None:
    parameter = ROOT["properties"]["spec"]["properties"]["parameters"]["items"]
    schema = parameter["properties"]["schema"]["properties"]["jsonSchema"]
    assert schema["type"] == "object"
    assert schema["x-kubernetes-preserve-unknown-fields"] is True
    assert "additionalProperties" not in schema


def test_printer_columns() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns if column.get("priority", 0) == 0] == [
        "Ready",
        "In-sync",
        "Drifted",
        "Revision",
        "Age",
    ]
    wide = {column["name"] for column in columns if column.get("priority", 0) == 1}
    assert {"Region", "Path", "Observed"} <= wide


def test_message_explains_fields_of_another_field_manager() -> None:
    parameter = ROOT["properties"]["spec"]["properties"]["parameters"]["items"]
    (rule_message,) = [
        rule["message"]
        for rule in parameter["x-kubernetes-validations"]
        if rule["message"].startswith("exactly one of value and valueFrom must be set")
    ]
    for words in ("another field manager", "--show-managed-fields", "dynconfig plan -f", "kubectl replace -f"):
        assert words in rule_message
    # https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/
    assert len(rule_message) <= 2048
