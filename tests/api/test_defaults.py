"""The defaults added to an object from a file equal those of the API server."""

from typing import Any

from dynconfig.api.defaults import with_defaults


def filled(spec: Any) -> Any:
    """The spec with its defaults."""
    return with_defaults({"kind": "DynamicConfig", "spec": spec})["spec"]


def test_defaults_are_added_to_unset_and_nested_fields() -> None:
    found = filled({"path": "/a", "driftPolicy": "Report", "cache": {"size": 7}, "parameters": [{"name": "b"}]})
    assert found["driftPolicy"] == "Report"
    assert found["cache"] == {"size": 7, "ttlSeconds": 300, "onChange": "Expire"}
    assert found["parameters"][0]["tier"] == "Standard"
    assert "function" not in found
    assert "schema" not in found["parameters"][0]


def test_existing_values_are_kept_even_with_a_wrong_type() -> None:
    assert filled(None) is None
    assert filled({"parameters": "none", "strange": 1})["parameters"] == "none"
    assert filled({"strange": {"deep": [1]}})["strange"] == {"deep": [1]}


def test_defaulting_is_idempotent() -> None:
    once = filled({"parameters": [{"name": "b", "schema": {}}], "function": {"triggers": {}}})
    assert filled(once) == once
