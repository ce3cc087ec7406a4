"""The plan of a first attachment shows only what is added to the function."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, prepare, spec, state

from dynconfig.cli import describe
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds._shared import function_access
from dynconfig.kinds.attachment.value import Attachment
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION

pytestmark = pytest.mark.lab

LAYER = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64"
TIMEOUT = "SSM_PARAMETER_STORE_TIMEOUT_MILLIS"


def planned(harness: AwsHarness) -> list[str]:
    """The lines about the attachment in a plan."""
    kinds = harness.kinds(Attachment)
    plan = Engine(lambda _place: kinds).assess(harness.declare(spec()), 0.0).plan
    return [text for _sign, text in describe.lines(plan)]


def set_by_user(harness: AwsHarness, **configuration: Any) -> None:
    harness.aws("lambda").update_function_configuration(FunctionName="attached", **configuration)


def test_plan_shows_the_layer_that_is_written(harness: AwsHarness) -> None:
    prepare(harness)
    lines = planned(harness)
    assert f"layer: {LAYER}:{NEWEST_EXTENSION}" in lines
    harness.settle(harness.declare(spec()), ATTACHMENT.kinds(harness))
    assert state(harness)["layers"] == [f"{LAYER}:{NEWEST_EXTENSION}"]


def test_plan_omits_what_the_function_already_has(harness: AwsHarness) -> None:
    prepare(harness)
    variables = {**state(harness)["variables"], TIMEOUT: "900"}
    set_by_user(harness, Layers=[f"{LAYER}:11"], Environment={"Variables": variables})
    lines = planned(harness)
    assert not [line for line in lines if line.startswith(("layer:", f"environment.{TIMEOUT}"))]
    shown = {line.partition(":")[0].removeprefix("environment.") for line in lines if line.startswith("environment.")}
    harness.settle(harness.declare(spec()), ATTACHMENT.kinds(harness))
    after = state(harness)
    assert after["layers"] == [f"{LAYER}:11"]
    assert any(line.startswith("revision: ") for line in lines)
    assert {*shown, function_access.REVISION} == after["variables"].keys() - variables.keys()
