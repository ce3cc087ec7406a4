"""What a function is told about the parameters that it reads."""

import json

from tests.engine.toy import OWNER, document, nothing

from dynconfig.engine.declare import declare
from dynconfig.kinds.reading import declared


def test_a_function_checks_the_simple_schema_and_gets_no_json_schema() -> None:
    schema = {"type": "json", "maxLength": 100, "jsonSchema": {"type": "object"}}
    written = document({}, parameters=[{"name": "limits", "value": "{}", "schema": schema}])
    declaration = declare(written, owner=OWNER, default_region="eu-west-1", read=nothing)
    assert json.loads(declared(declaration)) == {"limits": {"v": {"type": "json", "maxLength": 100}}}
