"""Layers that Lambda rejects, with AWS's code, status and text."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import ACCOUNT, EXTENSION, REGION, Bench

pytestmark = pytest.mark.lab

SOURCE = "def handle(event, context):\n    return 1\n"
INVALID = "InvalidParameterValueException"
DENIED = ("AccessDeniedException", 403)
NOT_SHARED = "because no resource-based policy allows the lambda:GetLayerVersion action"


@pytest.fixture(scope="session")
def bench(aws: Callable[[str], Any]) -> Bench:
    return Bench(aws)


@pytest.fixture(scope="module")
def present(bench: Bench) -> str:
    """An existing function."""
    return bench.function(SOURCE)


def layer(name: str, version: int = 1, region: str = REGION) -> str:
    return f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{name}:{version}"


@pytest.mark.parametrize(
    ("layers", "expected", "words"),
    [
        ([layer("none")], (INVALID, 400), f"Layer version {layer('none')} does not exist."),
        (
            [layer("none", region="us-east-1")],
            (INVALID, 400),
            "Layers are not in the same region as the function.",
        ),
        ([EXTENSION.replace(REGION, "us-east-1")], DENIED, NOT_SHARED),
        ([EXTENSION.replace(":24", ":9999")], DENIED, NOT_SHARED),
        ([f"arn:aws:lambda:{REGION}:111122223333:layer:theirs:1"], DENIED, NOT_SHARED),
        ([EXTENSION.removesuffix(":24")], ("ValidationException", 400), "at 'layers' failed to satisfy"),
        (
            [EXTENSION, EXTENSION],
            (INVALID, 400),
            "Two different versions of the same layer are not allowed",
        ),
        (
            [layer(str(number)) for number in range(6)],
            (INVALID, 400),
            "Cannot reference more than 5 layers.",
        ),
    ],
)
def test_invalid_layers_are_rejected(
    bench: Bench, present: str, layers: list[str], expected: tuple[str, int], words: str
) -> None:
    before = bench.aws("lambda").get_function_configuration(FunctionName=present)["RevisionId"]
    with pytest.raises(ClientError) as caught:
        bench.aws("lambda").update_function_configuration(FunctionName=present, Layers=layers)
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == expected
    assert words in response["Error"]["Message"]
    assert bench.aws("lambda").get_function_configuration(FunctionName=present)["RevisionId"] == before
