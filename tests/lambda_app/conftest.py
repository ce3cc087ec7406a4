"""Make the function's package importable as in Lambda, and isolate each test."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws
from tests.lambda_app.extension_server import ExtensionServer

sys.path.insert(0, str(Path(__file__).parents[2] / "lambda_app"))

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from tests.lambda_app.function_harness import FunctionHarness


@pytest.fixture(scope="session")
def ssm() -> "SSMClient":
    """Share the client: creating one takes a quarter of a second."""
    return boto3.client("ssm", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture(scope="session")
def served() -> Iterator[ExtensionServer]:
    with ExtensionServer.start() as server:
        yield server


@pytest.fixture
def extension(served: ExtensionServer) -> Iterator[ExtensionServer]:
    yield served
    served.reset()


@pytest.fixture
def harness(extension: ExtensionServer, ssm: "SSMClient") -> Iterator["FunctionHarness"]:
    """The recipe's five parameters in Parameter Store, and a function that reads them."""
    from tests.lambda_app.function_harness import FunctionHarness

    with mock_aws():
        found = FunctionHarness(extension, ssm)
        yield found
        found.close()
