"""Cross-field rules are not evaluated for invalid fields, but are for the others."""

from typing import Any

import pytest

from dynconfig.api.tags import MAX_TAGS_FROM_SECRET, MAX_TAGS_TOGETHER
from dynconfig.validation.declare import faults

TOPIC = "arn:aws:sns:eu-west-1:123456789012:pages"
TAGS = {f"tag-{number}": "x" for number in range(30)}
MORE = {f"more-{number}": "x" for number in range(30)}


def errors(**spec: Any) -> tuple[str, ...]:
    return faults({"metadata": {}, "spec": {"path": "/myapp/config", **spec}}, lambda _source: None)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"function": {"environment": {"CLASSPATH": "/x"}}, "alarms": {}}, "spec.function.environment.CLASSPATH: "),
        ({"function": {"memoryMiB": 1}, "alarms": {}}, "spec.function.memoryMiB: "),
        ({"function": "mine", "alarms": {}}, "spec.function: "),
        ({"function": {"mode": "Attach"}, "alarms": {}}, "spec.function: mode Attach requires the name"),
        ({"region": "us_east_1", "function": {}, "alarms": {"notify": [TOPIC]}}, "spec.region: "),
        (
            {"region": "us-east-1", "function": {}, "alarms": {"notify": [TOPIC], "defaults": 5}},
            "spec.alarms.defaults: ",
        ),
        ({"tags": {**TAGS, "a": 5}, "parameters": [{"name": "a", "value": "b", "tags": MORE}]}, "spec.tags.a: "),
        ({"path": "/myapp/", "parameters": [{"name": "/".join("abcdefghijklmn"), "value": "b"}]}, "spec.path: "),
        ({"resyncInterval": "soon"}, "spec.resyncInterval: "),
        ({"tags": {"Team": "a", "team": "b"}, "function": {"timeoutSeconds": 0}}, "spec.function.timeoutSeconds: "),
    ],
)
def test_invalid_field_is_the_only_error(spec: dict[str, Any], field: str) -> None:
    (only,) = errors(**spec)
    assert only.startswith(field)


def test_rules_over_valid_fields_are_checked() -> None:
    found = errors(
        function={"memoryMiB": 1},
        region="us-east-1",
        alarms={"notify": [TOPIC]},
        tags=TAGS,
        parameters=[{"name": "a", "value": "b", "tags": MORE}],
    )
    assert found[0].startswith("spec.function.memoryMiB: ")
    assert [text for text in found[1:] if text.startswith("spec: ")] == [
        "spec: alarms.notify must only have topics in the region of this object",
        (
            f"spec: a parameter must not have more than {MAX_TAGS_TOGETHER} tags, including those of the object; if a String or "
            f"StringList takes its value from a Secret, {MAX_TAGS_FROM_SECRET}, since a tag marks it. Remove tags"
        ),
    ]


def test_key_is_reported_as_in_the_document() -> None:
    assert errors(tags={"a" * 129: "x"}) == (f"spec.tags.{'a' * 129}: must not have more than 128 characters",)
    (odd,) = errors(function={"environment": {"[key]": "x"}})
    assert odd.startswith("spec.function.environment.[key]: is not a valid name")
    assert errors(tags={"[key]": 5})[0] == "spec.tags.[key]: must be a string: put it in quotes"
