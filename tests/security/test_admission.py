"""What the real API server rejects with the shipped policies."""

import json

import httpx2
import pytest
from rich.console import Console
from tests.security.attacks import GROUP, configured, deep

from dynconfig.api.parameter import MAX_JSON_LEVELS
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OBJECTS = f"{GROUP}/namespaces/default/dynamicconfigs"


def sent(http: httpx2.Client, schema: str) -> httpx2.Response:
    """The response to an object with a JSON Schema, as a dry run."""
    parameter = {"name": "a", "value": "1", "schema": {"type": "json", "jsonSchema": "HERE"}}
    text = json.dumps(configured("deep", {"parameters": [parameter]})).replace('"HERE"', schema)
    headers = {"Content-Type": "application/json"}
    return http.post(f"{OBJECTS}?dryRun=All", content=text.encode(), headers=headers)


def test_schema_of_too_many_levels_is_rejected_and_brackets_in_strings_do_not_count() -> None:
    with stack(Console(stderr=True)) as found, found.http() as http:
        too_deep = deep(MAX_JSON_LEVELS + 1)
        assert wait_until(lambda: sent(http, too_deep).status_code == 422, 30), sent(http, too_deep).text
        assert "jsonSchema of more than 64 levels" in sent(http, too_deep).text
        assert sent(http, deep(2000)).status_code == 422
        # A key that resembles the end of a level is a string.
        assert sent(http, deep(2000).replace("not", "}")).status_code == 422
        assert sent(http, deep(MAX_JSON_LEVELS)).status_code == 201
        assert sent(http, json.dumps({"properties": {"}": {"enum": ["{{", "]", '"[']}}})).status_code == 201
