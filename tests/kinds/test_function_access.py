"""The environment and policy statements that a function needs to read its parameters. Pure."""

import json
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER

from dynconfig.kinds._shared import function_access
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.resource import revision
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import Tenant

ARNS = Arns("eu-west-1", lambda: "123456789012")
REFERENCE = {"name": "db", "key": "password"}
SECRET = {"name": "password", "valueFrom": {"secretKeyRef": REFERENCE}}
OPEN = {"name": "password", "type": "String", "valueFrom": {"secretKeyRef": {**REFERENCE, "allowPlaintext": True}}}
PLAIN = {"name": "host", "value": "db.internal"}


def declared(*parameters: Any, **spec: Any) -> Declaration:
    document = {
        "metadata": {"generation": 1},
        "spec": {"path": "/app", "parameters": list(parameters), "function": {}, **spec},
    }
    return declare(
        document, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=lambda _source: "canary"
    )


def environment(declaration: Declaration) -> dict[str, str]:
    assert declaration.function is not None
    return function_access.environment(declaration, declaration.function)


def test_environment_contains_names_but_no_values() -> None:
    found = environment(declared(PLAIN, SECRET))
    assert found["DYNCONFIG_PREFIX"] == "/app"
    assert found["DYNCONFIG_NAME"] == OWNER.title
    assert json.loads(found["DYNCONFIG_PARAMETERS"]) == {"host": {}, "password": {"s": True}}
    assert "canary" not in str(found)
    assert "db.internal" not in str(found)


def test_environment_contains_schemas_and_ttls() -> None:
    port = {"name": "port", "value": "1", "ttlSeconds": 900, "schema": {"type": "integer", "minimum": 1}}
    found = json.loads(environment(declared(port))["DYNCONFIG_PARAMETERS"])
    assert found["port"]["t"] == 900
    assert found["port"]["v"]["type"] == "integer"
    assert found["port"]["v"]["minimum"] == 1


@pytest.mark.parametrize(
    ("cache", "ttls", "expected"),
    [(300, [None], "300"), (60, [None], "60"), (300, [10, 900], "10"), (60, [900], "300"), (300, [0], "0")],
)
def test_extension_gets_the_smallest_ttl(cache: int, ttls: list[int | None], expected: str) -> None:
    listed = [
        {"name": f"p{number}", "value": "1", **({} if ttl is None else {"ttlSeconds": ttl})}
        for number, ttl in enumerate(ttls)
    ]
    found = environment(declared(*listed, cache={"ttlSeconds": cache}))
    assert found["SSM_PARAMETER_STORE_TTL"] == expected
    assert found["DYNCONFIG_TTL"] == str(cache)


def test_extension_has_a_timeout() -> None:
    assert 0 < int(environment(declared(PLAIN))["SSM_PARAMETER_STORE_TIMEOUT_MILLIS"]) <= 2000


def test_read_is_allowed_below_the_path_and_decrypt_only_with_a_secure_string() -> None:
    (read,) = function_access.statements(declared(PLAIN), ARNS)
    assert read["Resource"] == "arn:aws:ssm:eu-west-1:123456789012:parameter/app/*"
    _read, keys = function_access.statements(declared(PLAIN, SECRET), ARNS)
    assert keys["Action"] == "kms:Decrypt"
    assert keys["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}
    assert len(function_access.statements(declared(OPEN), ARNS)) == 1


def test_secret_in_a_plaintext_parameter_is_marked() -> None:
    found = environment(declared(OPEN))
    assert json.loads(found["DYNCONFIG_PARAMETERS"]) == {"password": {"s": True}}


def test_no_action_and_no_service_is_a_wildcard() -> None:
    for statement in function_access.statements(declared(PLAIN, SECRET), ARNS):
        assert "*" not in str(statement["Action"])
        assert "*" not in str(statement.get("Condition", {}).get("StringEquals", ""))


def test_size_is_the_json_length_in_bytes() -> None:
    assert function_access.size({"A": "b"}) == len('{"A":"b"}')
    assert function_access.size({"A": "ü"}) == len('{"A":"ü"}') + 1


def test_revision_is_set_only_with_refresh() -> None:
    assert function_access.wanted_revision(declared(PLAIN)) == ""
    assert function_access.wanted_revision(declared(PLAIN, cache={"onChange": "Refresh"})) == revision(())
    one, two = (Parameter(name="/app/a", type="String", value="", version=version) for version in (1, 2))
    other = Parameter(name="/app/b", type="String", value="", version=1)
    assert revision([one]) != revision([two])
    assert revision([one, other]) == revision([other, one])
    assert len(revision([one])) == 8


@pytest.mark.parametrize("unchecked", [{"jsonSchema": {"type": "object"}}, {"pattern": "^{"}])
def test_schema_of_the_function_omits_json_schema_and_pattern(
    unchecked: dict[str, object],
) -> None:
    schema = {"type": "json", "maxLength": 100, **unchecked}
    found = json.loads(
        environment(declared({"name": "limits", "value": "{}", "schema": schema}))["DYNCONFIG_PARAMETERS"]
    )
    assert found == {"limits": {"v": {"type": "json", "maxLength": 100}}}
