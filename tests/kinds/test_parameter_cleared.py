"""Fields of a parameter that a write clears: the response does not confirm it."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.wire import answers, requests

from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import Conflict, Refused

pytestmark = pytest.mark.lab

POLICY = {"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}


def spec(**more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "one", "value": "1", "tier": "Advanced", **more}]}


def full() -> dict[str, Any]:
    return spec(policies=[POLICY], description="described", allowedPattern="^.$")


def test_policies_are_removed_with_an_empty_policy(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(full()), kind)
    with requests(harness, "ssm", "PutParameter", "DescribeParameters") as made:
        harness.apply(harness.declare(spec(), generation=2), kind)
    write = next(request for operation, request in made if operation == "PutParameter")
    assert write["Policies"] == "[{}]"
    assert made[-1][0] == "DescribeParameters"
    found = harness.aws().describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [f"{harness.path}/one"]}]
    )["Parameters"][0]
    assert (found.get("Policies"), found.get("Description"), found.get("AllowedPattern")) == ([], None, None)


@pytest.mark.parametrize(
    ("member", "field", "value"),
    [
        ("Description", "description", "described"),
        ("AllowedPattern", "allowed_pattern", "^.$"),
        ("Policies", "policies", [{"PolicyText": "{}", "PolicyType": "Expiration", "PolicyStatus": "Pending"}]),
    ],
)
def test_field_that_aws_did_not_clear_is_reported(harness: AwsHarness, member: str, field: str, value: Any) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(full()), kind)

    def kept(answer: dict[str, Any]) -> None:
        for item in answer["Parameters"]:
            item[member] = value

    with (
        answers(harness, "ssm", "DescribeParameters", kept),
        pytest.raises(Refused, match=f"AWS still has {field}, which version 2 cleared"),
    ):
        harness.apply(harness.declare(spec(), generation=2), kind)
    with requests(harness, "ssm", "DescribeParameters") as made:
        harness.apply(harness.declare(spec(), generation=2), kind)
    assert made


def test_metadata_of_an_older_version_is_stale(harness: AwsHarness) -> None:
    harness.apply(harness.declare(spec()))
    harness.put_by_hand("one", "2", Tier="Advanced", Description="by hand")

    def late(answer: dict[str, Any]) -> None:
        for item in answer["Parameters"]:
            item["Version"] = 1
            item.pop("Description", None)

    with (
        answers(harness, "ssm", "DescribeParameters", late),
        pytest.raises(Conflict, match="does not return the current version"),
    ):
        harness.apply(harness.declare(spec()))
    outcome = harness.apply(harness.declare(spec()))
    (step,) = [step for step in outcome.applied if isinstance(step.resource, Parameter)]
    assert {difference.field for difference in step.because} == {"value", "description"}
