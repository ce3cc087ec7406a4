"""The values that the chart accepts: those of the operator and no others; names are not changed by YAML."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.gitops.conftest import Document, Render, rendered

from dynconfig.settings import BadSetting, Settings

pytestmark = pytest.mark.tools


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 1},
        {"replicas": 65},
        {"shards": 0},
        {"shards": 2, "events": {"queueUrls": ["https://sqs.eu-west-1.amazonaws.com/123456789012/one"]}},
        {"region": "europe"},
        {"quota": {"ssm.Put": 0}},
        {"allowedPaths": {"shop": "/shop"}},
        {"allowedPaths": {"shop": ["shop"]}},
        {"metrics": {"port": 0}},
        {"metrics": {"port": 8080}},
        {"health": {"port": 9090}},
        {"boundary": "arn:foo"},
    ],
    ids=str,
)
def test_invalid_value_is_rejected(values: Document, render: Render) -> None:
    result = render(values)
    assert result.returncode != 0
    assert next(iter(values)) in result.stderr


@pytest.mark.parametrize(
    ("boundary", "fits"),
    [
        ("", True),
        ("arn:aws:iam::123456789012:policy/team/boundary", True),
        ("arn:aws-cn:iam::aws:policy/PowerUserAccess", True),
        ("arn:aws:iam::123456789012:role/r", False),
        ("arn:aws:iam::1:policy/p", False),
        ("arn:aws:iam::123456789012:policy/", False),
        ("x arn:aws:iam::123456789012:policy/p", False),
    ],
)
def test_value_at_a_limit_is_accepted_as_by_the_operator(boundary: str, fits: bool, render: Render) -> None:
    try:
        Settings.from_environment({"DYNCONFIG_BOUNDARY": boundary})
        is_taken = True
    except BadSetting:
        is_taken = False
    assert (render({"boundary": boundary}).returncode == 0) is is_taken is fits


def test_names_that_yaml_parses_as_other_types_stay_names(render: Render) -> None:
    values = {
        "namespaces": ["123", "456"],
        "serviceAccount": {"name": "true"},
        "metrics": {"podMonitor": {"enabled": True, "interval": "60"}},
    }
    documents = rendered(render(values, "0777"))
    found = {text for document in documents for text in _named(document)}
    assert {"0777", "123", "456", "true", "60"} <= found
    assert all(isinstance(text, str) for text in found)


def _named(value: Any) -> Iterator[Any]:
    """Every name and duration in a document."""
    if isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, dict):
        yield from (value[key] for key in ("name", "namespace", "serviceAccountName", "interval") if key in value)
        for key, item in value.items():
            # A schema may have a property of any name.
            if key != "openAPIV3Schema":
                yield from _named(item)
