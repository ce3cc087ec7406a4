"""The environment variables of the function, and the errors for invalid ones."""

import json
import re
from pathlib import Path

import pytest

import dynconfig_function.settings as module
from dynconfig_function import ConfigurationError
from dynconfig_function.settings import Identity, settings

RIGHT = {"DYNCONFIG_PREFIX": "/myapp/config", "DYNCONFIG_PARAMETERS": '{"a/b": {"t": 0, "s": true}, "c": {}}'}


def test_each_parameter_has_its_ttl_secrecy_and_schema() -> None:
    found = settings({**RIGHT, "DYNCONFIG_TTL": "60"}, "")
    assert found.prefix == "/myapp/config"
    assert found.port == 2773
    assert {name: (declared.ttl, declared.is_secret) for name, declared in found.parameters.items()} == {
        "a/b": (0, True),
        "c": (60, False),
    }


def test_long_declaration_is_read_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text(json.dumps({"d": {"v": {"type": "integer"}}}), encoding="utf-8")
    without = {"DYNCONFIG_PREFIX": "/myapp/config"}
    assert settings(without, str(tmp_path)).parameters["d"].schema == {"type": "integer"}
    assert list(settings(RIGHT, str(tmp_path)).parameters) == ["a/b", "c"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"DYNCONFIG_PREFIX": ""}, "DYNCONFIG_PREFIX must be a path that starts with /"),
        ({"DYNCONFIG_PREFIX": "myapp"}, "DYNCONFIG_PREFIX must be a path that starts with /"),
        (
            {"DYNCONFIG_PARAMETERS": ""},
            "DYNCONFIG_PARAMETERS is not set, and the function package contains no parameters.json",
        ),
        ({"DYNCONFIG_PARAMETERS": "{"}, "DYNCONFIG_PARAMETERS is not valid JSON"),
        ({"DYNCONFIG_PARAMETERS": "[]"}, "DYNCONFIG_PARAMETERS must be a JSON object of objects"),
        ({"DYNCONFIG_PARAMETERS": '{"a": 1}'}, "DYNCONFIG_PARAMETERS must be a JSON object of objects"),
        (
            {"DYNCONFIG_PARAMETERS": '{"a": {"t": -1}}'},
            "DYNCONFIG_PARAMETERS has an invalid entry for a: t must be a non-negative integer",
        ),
        (
            {"DYNCONFIG_PARAMETERS": '{"a": {"t": true}}'},
            "DYNCONFIG_PARAMETERS has an invalid entry for a: t must be a non-negative integer",
        ),
        (
            {"DYNCONFIG_PARAMETERS": '{"a": {"v": 1}}'},
            "DYNCONFIG_PARAMETERS has an invalid entry for a: v must be an object",
        ),
        ({"DYNCONFIG_TTL": "soon"}, "DYNCONFIG_TTL must be a non-negative integer"),
        (
            {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "-1"},
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT must be a non-negative",
        ),
    ],
)
def test_invalid_environment_is_an_error_with_the_variable(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        settings({**RIGHT, **wrong}, "/nowhere")


def test_identity_works_with_an_empty_environment() -> None:
    identity = Identity({})
    assert (identity.function, identity.namespace, identity.config) == ("local", "DynamicConfig", "")


def test_every_variable_that_is_read_is_documented() -> None:
    sources = Path(str(module.__file__)).parent.glob("*.py")
    read = {
        name
        for source in sources
        for name in re.findall(r'"((?:DYNCONFIG|PARAMETERS|LOG)_[A-Z_]+)"', source.read_text())
    }
    documented = set(re.findall(r"^\| ([A-Z_]+) \|", str(module.__doc__), re.MULTILINE))
    assert read <= documented
    assert documented - read == {"SSM_PARAMETER_STORE_TTL"}
