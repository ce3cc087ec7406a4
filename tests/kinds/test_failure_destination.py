"""On-failure destinations: a missing one, and the function itself."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.failure_destination import FAILURE_DESTINATION, prepare, spec
from tests.kinds.wire import requests

from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import NotPossible, RoleNotReady

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def prepared(harness: AwsHarness) -> None:
    prepare(harness)


def test_missing_destination_is_named_with_its_field(harness: AwsHarness) -> None:
    missing, kinds = "arn:aws:sqs:eu-west-1:123456789012:none", FAILURE_DESTINATION.kinds(harness)
    errors: list[Any] = []
    harness.settle(harness.declare({"function": {"roleName": "kinds-tests"}}), kinds, errors)
    error = Engine(lambda _place: kinds).run(harness.declare(spec(missing), generation=2)).error
    assert isinstance(error, RoleNotReady)
    assert str(error).startswith(
        f"spec.function.onFailure: the role of function {harness.name} is not allowed to send to {missing}"
    )
    assert "or the destination does not exist" in str(error)


@pytest.mark.parametrize("qualifier", ["", ":$LATEST", ":live"])
def test_function_as_its_own_destination_is_rejected_before_the_write(harness: AwsHarness, qualifier: str) -> None:
    own = f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}{qualifier}"
    kinds = FAILURE_DESTINATION.kinds(harness)
    harness.settle(harness.declare({"function": {"roleName": "kinds-tests"}}), kinds)
    with requests(harness, "lambda", "PutFunctionEventInvokeConfig") as made:
        error = Engine(lambda _place: kinds).run(harness.declare(spec(own), generation=2)).error
    assert isinstance(error, NotPossible)
    assert str(error).startswith(f"spec.function.onFailure: function {harness.name} cannot be the destination")
    assert made == []


def test_function_with_a_longer_name_is_another_function(harness: AwsHarness) -> None:
    other = f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}-other"
    kinds = FAILURE_DESTINATION.kinds(harness)
    (kind,) = [kind for kind in kinds if kind.value is FAILURE_DESTINATION.value]
    (desired,) = kind.desired(harness.declare(spec(other)))
    kind.refuse(desired, None)
