"""Only the fields of large documents that the operator uses are parsed, whatever else they contain."""

import json
from typing import Any

import pytest

from dynconfig.kube.json_levels import MAX_LEVELS
from dynconfig.kube.json_selection import IDENTITY, OBJECT, SMALL, loads, strings
from dynconfig.model.size import OMITTED_BYTES

MANY = {f"label-{number}": f'{{[,:\\" € 😀 {number}' for number in range(3000)}
TEXT = 'a "quoted" {text}, with \\ and "dynconfig.dev/owner":"x"'


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def document(**metadata: Any) -> dict[str, Any]:
    own = {"name": "myapp", "namespace": "shop", "uid": "uid-1", "resourceVersion": "7", "finalizers": ["a.b/c"]}
    return {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {**own, **metadata},
        "spec": {"path": "/app", "parameters": [{"name": "a", "value": TEXT}], "metadata": {"labels": {"kept": "yes"}}},
        "status": {"conditions": []},
    }


def test_labels_owners_and_managed_fields_are_skipped_but_their_size_is_known() -> None:
    unused = {
        "labels": MANY,
        "ownerReferences": [{"uid": name} for name in MANY],
        "managedFields": [{"fieldsV1": {"f:metadata": {"f:labels": {f"f:{name}": {} for name in MANY}}}}],
    }
    annotations = {"note": TEXT, "dynconfig.dev/abandon": TEXT, "dynconfig.dev/approve-generation": "2"}
    text = compact(document(**unused, annotations=annotations))
    found = loads(text, OBJECT)
    omitted = found.pop(OMITTED_BYTES)
    own = {name: text for name, text in annotations.items() if name != "note"}
    assert found == document(annotations=own)
    assert len(compact(found).encode()) + omitted == pytest.approx(len(text.encode()), abs=25)


def test_watch_event_is_parsed_as_its_object() -> None:
    event = {"type": "MODIFIED", "object": document(labels=MANY, annotations=MANY)}
    found = loads(compact(event).encode(), OBJECT)
    assert found["object"].pop(OMITTED_BYTES) > SMALL
    assert found == {"type": "MODIFIED", "object": document(annotations={})}


def test_only_the_identity_is_parsed_in_metadata_of_other_objects() -> None:
    found = loads(json.dumps({"type": "ADDED", "object": document(labels=MANY)}), IDENTITY)
    assert found["object"]["metadata"] == {"name": "myapp", "namespace": "shop", "resourceVersion": "7"}


def test_small_document_is_parsed_completely() -> None:
    assert loads(compact(document(labels={"a": "b"})), OBJECT) == document(labels={"a": "b"})


def test_too_deep_value_is_truncated_as_elsewhere() -> None:
    schema = '{"jsonSchema":' + '{"not":' * 2 * MAX_LEVELS + "true" + "}" * (2 * MAX_LEVELS + 1)
    text = compact(document(labels=MANY)).replace('{"path":"/app"', f'{{"deep":{schema},"path":"/app"')
    assert loads(text, OBJECT)["spec"]["path"] == "/app"


@pytest.mark.parametrize("text", ['{"metadata": {"labels": {"a": 1}', "", '{"a" 1}'])
def test_invalid_json_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"incomplete|not a JSON object|Expecting|more than one"):
        loads(text + " " * SMALL, OBJECT)


@pytest.mark.parametrize("value", [[1], "text", None, {"metadata": 1}, {"object": [1]}])
def test_other_values_are_parsed_unchanged(value: Any) -> None:
    assert loads(compact(value) + " " * SMALL, OBJECT) == value


@pytest.mark.parametrize("is_many", [False, True])
@pytest.mark.parametrize("space", ["", " "])
def test_only_the_requested_keys_of_a_string_map_are_parsed(space: str, *, is_many: bool) -> None:
    data = {**MANY, "key": TEXT, "type": "mine", "data": "x", "empty": "", "é": "ü"}
    source = {
        "kind": "ConfigMap",
        "metadata": {"labels": {"key": "wrong"}, "managedFields": [{"fieldsV1": {"f:data": {"f:key": {}}}}]},
        "data": data,
        "binaryData": {"binary": "AAEC"},
        "type": "Opaque",
        "tail": {"absent": "wrong"},
    }
    content = json.dumps(source, separators=("," + space, ":"), ensure_ascii=False).encode()
    wanted = ["key", "type", "data", "empty", "é", "absent", *(list(MANY) if is_many else [])]
    assert strings(content, "data", wanted) == {key: data[key] for key in wanted if key in data}
    assert strings(content, "binaryData", ["binary", "key"]) == {"binary": "AAEC"}
    assert strings(content, "stringData", ["key"]) == {}


def test_map_of_other_values_is_rejected() -> None:
    with pytest.raises(ValueError, match="data is not a map of strings"):
        strings(b'{"data":{"a":{"b":"c"}}}', "data", ["a"])
