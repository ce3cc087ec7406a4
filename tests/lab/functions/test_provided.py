"""What a function finds in its environment: its code, its layers, what Lambda provides, and nothing of this machine."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.functions.bench import Bench, zipped

pytestmark = pytest.mark.lab

IMPORTING = """
import importlib.util

def handle(event, context):
    return [name for name in event if importlib.util.find_spec(name)]
"""
VARIABLES = """
import os

def handle(event, context):
    return dict(os.environ)
"""


def test_boto3_is_provided_and_nothing_of_this_machine(bench: Bench) -> None:
    asked = [
        "boto3",
        "botocore",
        "json",
        "awslambdaric",
        "app",
        "dynconfig",
        "dynconfig_lab",
        "dynconfig_function",
        "moto",
    ]
    assert bench.invoke(bench.function(IMPORTING), asked).payload == [
        "boto3",
        "botocore",
        "json",
        "awslambdaric",
        "app",
    ]


def test_layers_are_extracted_in_order(bench: Bench, aws: Callable[[str], Any]) -> None:
    layers = [
        aws("lambda").publish_layer_version(LayerName=f"layer-{name}", Content={"ZipFile": zipped(files)})
        for name, files in {
            "one": {"python/colour.py": "NAME = 'red'", "python/one.py": ""},
            "two": {"python/colour.py": "NAME = 'blue'"},
        }.items()
    ]
    source = "import colour\nimport one\n\ndef handle(event, context):\n    return colour.NAME\n"
    name = bench.function(source, Layers=[layer["LayerVersionArn"] for layer in layers])
    assert bench.invoke(name).payload == "blue"


def test_variables_are_those_of_lambda(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "1")
    name = bench.function(VARIABLES, MemorySize=256, Environment={"Variables": {"COLOUR": "red"}})
    found: dict[str, str] = bench.invoke(name).payload
    assert "SECRET_OF_THIS_MACHINE" not in found
    assert {key: found[key] for key in ("COLOUR", "AWS_REGION", "AWS_DEFAULT_REGION", "TZ")} == {
        "COLOUR": "red",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "TZ": ":UTC",
    }
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert found["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{name}"
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert found["_HANDLER"] == "app.handle"


def test_variable_may_be_overridden_if_lambda_allows_it(bench: Bench) -> None:
    name = bench.function(VARIABLES, Environment={"Variables": {"TZ": "Europe/Dublin"}})
    assert bench.invoke(name).payload["TZ"] == "Europe/Dublin"
