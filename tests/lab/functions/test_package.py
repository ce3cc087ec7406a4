"""The function that the operator deploys, run by the lab: it reads through the extension, and sees changes by its TTL."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.functions.bench import EXTENSION, Bench

from dynconfig.aws.package import package
from dynconfig.kinds.function.value import HANDLER

pytestmark = pytest.mark.lab

PATH = "/package/config"
DECLARED = {"colour": {}, "password": {"s": True}}


@pytest.fixture
def deployed(bench: Bench, aws: Callable[[str], Any]) -> str:
    aws("ssm").put_parameter(Name=f"{PATH}/colour", Value="red", Type="String", Overwrite=True)
    aws("ssm").put_parameter(Name=f"{PATH}/password", Value="swordfish", Type="SecureString", Overwrite=True)
    variables = {
        "DYNCONFIG_PREFIX": PATH,
        "DYNCONFIG_TTL": "0",
        "DYNCONFIG_PARAMETERS": json.dumps(DECLARED),
        "SSM_PARAMETER_STORE_TTL": "0",
        "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "1500",
    }
    return bench.function(
        "",
        Code={"ZipFile": package("").content},
        Handler=HANDLER,
        Layers=[EXTENSION],
        Timeout=30,
        Environment={"Variables": variables},
    )


def test_function_reads_the_configuration_through_the_extension(
    bench: Bench, aws: Callable[[str], Any], lab: Any, deployed: str
) -> None:
    lab.reset_calls()
    answer = bench.invoke(deployed, {"show": ["colour"]})
    assert answer.error == "", answer.payload
    assert answer.payload["values"] == {"colour": "red"}
    # The extension reads one by one; the fallback would read all in one call.
    assert lab.calls()["ssm.GetParameter"] == len(DECLARED)
    assert "ssm.GetParameters" not in lab.calls()
    aws("ssm").put_parameter(Name=f"{PATH}/colour", Value="blue", Type="String", Overwrite=True)
    assert bench.invoke(deployed, {"show": ["colour"]}).payload["values"] == {"colour": "blue"}
    assert "swordfish" not in str(bench.lines(deployed))


def test_function_responds_to_a_request_of_an_http_api(bench: Bench, deployed: str) -> None:
    request = {"method": "GET", "path": "/"}
    event = {"version": "2.0", "routeKey": "$default", "rawPath": "/", "requestContext": {"http": request}}
    answer = bench.invoke(deployed, event)
    assert answer.error == "", answer.payload
    assert answer.payload["statusCode"] == 200
    assert set(json.loads(answer.payload["body"])["parameters"]) == set(DECLARED)
