"""JSON from the API server is parsed with limits on depth and size, for each object on its own."""

import json
from typing import Any

import pytest
from tests.security.attacks import configured, deep, dense
from tests.security.memory import peak_mib

from dynconfig.api.parameter import MAX_NODES, OMITTED
from dynconfig.kube import json_levels
from dynconfig.model.errors import InvalidSpec
from dynconfig.validation.declare import parse_spec

SCHEMA = {"properties": {"jsonSchema": {"enum": [[], {}, "["]}}}
_WORK = """
from dynconfig.kube import json_levels
from dynconfig.validation.declare import parse_spec
from dynconfig.model.errors import InvalidSpec
import gc
gc.collect()
result = 0
for document in json_levels.page(task)["items"]:
    try:
        parse_spec(document)
    except InvalidSpec as error:
        result += "lists and maps" in str(error)
"""


def item(name: str, schema: Any, **about: Any) -> dict[str, Any]:
    parameter = {"name": "a", "value": "1", "schema": {"type": "json", "jsonSchema": schema}}
    return configured(name, {"parameters": [parameter], **about})


def schema_of(document: dict[str, Any]) -> Any:
    return document["spec"]["parameters"][0]["schema"]["jsonSchema"]


def wide(name: str = "wide") -> dict[str, Any]:
    fields: dict[str, Any] = {"f:spec": {"f:jsonSchema": {"f:enum": {}}}}
    found = configured(name, {"parameters": dense(20, 5000)})
    return {**found, "metadata": {**found["metadata"], "managedFields": [{"fieldsV1": fields}]}}


def test_too_many_nodes_are_rejected_by_field() -> None:
    found = json_levels.loads(json.dumps(wide()))
    assert [each["schema"]["jsonSchema"] for each in found["spec"]["parameters"]] == [OMITTED] * 20
    assert found["metadata"]["managedFields"] == [{"fieldsV1": {"f:spec": {"f:jsonSchema": {}}}}]
    message = rf"dense-0\]\.schema\.jsonSchema: must not be in an object of more than {MAX_NODES:,} lists and maps"
    with pytest.raises(InvalidSpec, match=message):
        parse_spec(found)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",\n", " :\n")])
def test_page_equals_json_and_each_object_has_its_own_limits(separators: tuple[str, str]) -> None:
    items = [item("first", SCHEMA), wide(), item("deep", "HERE"), item("last", {"const": '"jsonSchema": [['})]
    listed = {
        "apiVersion": "v1",
        "items": items,
        "metadata": {"resourceVersion": "7", "continue": None},
        "more": [1, {}],
    }
    text = json.dumps(listed, separators=separators).replace('"HERE"', deep(2000))
    found = json_levels.page(text.encode())
    read = list(found.pop("items"))
    assert found == {name: value for name, value in listed.items() if name != "items"}
    assert read[0] == items[0]
    assert read[3] == items[3]
    assert schema_of(read[1]) == OMITTED
    with pytest.raises(InvalidSpec, match="must not be nested deeper than 64 levels"):
        parse_spec(read[2])


@pytest.mark.parametrize("text", ['{"items":[]}', '{"items": [ ] , "a":1}', '{"a":"}","items":[1,"]",true]}'])
def test_small_pages(text: str) -> None:
    found = json_levels.page(text)
    assert {**found, "items": list(found["items"])} == json.loads(text)


def test_page_may_have_no_items() -> None:
    assert json_levels.page('{"items":null,"a":{}}') == {"items": None, "a": {}}


@pytest.mark.parametrize("text", ["", "[]", "<html>", '{"items":[', '{"items":[{}', '{"items":[{]', '{"a":', '{"a":1'])
def test_invalid_page_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        list(json_levels.page(text)["items"])


def test_brackets_in_strings_are_not_counted() -> None:
    found = item("a", SCHEMA, rules=[{"rule": "[" * MAX_NODES}])
    assert json_levels.loads(json.dumps(found)) == found


@pytest.mark.parametrize("piece", ["[]", "{}", "[[]]", "[" * 40 + "]" * 40, '{"":[]}'])
def test_wide_objects_need_little_memory(piece: str) -> None:
    schema = f'{{"enum":[{",".join([piece] * (16_000 // (len(piece) + 1)))}]}}'
    parameters = [{"name": f"p{n}", "value": "1", "schema": {"type": "json", "jsonSchema": "HERE"}} for n in range(80)]
    document = json.dumps(configured("wide", {"parameters": parameters})).replace('"HERE"', schema)
    idle, _ = peak_mib(_WORK, '{"items":[]}')
    peak, refused = peak_mib(_WORK, f'{{"items":[{",".join([document] * 3)}]}}')
    assert refused == 3
    # The text itself exists a few times; its values would take hundreds.
    assert peak - idle < 60
