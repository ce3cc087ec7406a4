"""Each call of the full example, and each attack, against the printed policy: allowed exactly if intended."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases import attachment
from tests.kinds.cases.all import CASES
from tests.security.iam.calls import ACCOUNT, REGION, Present
from tests.security.iam.evaluator import Decision, Request, decide
from tests.security.iam.lifetime import BOUNDARY, Life, Recorder, allowed, event_queue_life, short_life, whole_life

from dynconfig.api.target import AWSTargetSpec
from dynconfig.aws.permissions import operator_policy
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.allowed import Part
from dynconfig.validation.target_access import allowed_in

pytestmark = pytest.mark.lab

# The short life has no rollback.
ROLLBACK = {
    *(f"Parameters ssm:{name}" for name in ("GetParameter", "GetParameterHistory", "LabelParameterVersion")),
    *("Parameters ssm:UnlabelParameterVersion", "Metadata cloudwatch:DescribeAlarmHistory"),
}
READ = re.compile(r":(GET$|Get|List|Describe)")


def recorded(harness: AwsHarness, boundary: str) -> tuple[list[Request], str]:
    """The authorization requests for events and for an object, and the key that was used."""
    for case in CASES.values():
        case.prepare(harness)
    present = Present(harness.lab.endpoint)
    recorder, life = Recorder(present), Life(harness, present, boundary)
    with recorder.recording():
        event_queue_life(life)
        whole_life(life)
    return distinct(recorder), life.key


def distinct(recorder: Recorder) -> list[Request]:
    return list({str(request): request for request in recorder.asked}.values())


def unneeded(asked: list[Request], policy: dict[str, Any]) -> list[str]:
    """The actions without which the policy allows the same requests."""
    allowed = [request for request in asked if decide([policy], request) is Decision.ALLOWED]
    return [
        f"{sid} {action}"
        for sid, action, without in weaker(policy)
        if not denied([request for request in allowed if request.action == action], without)
    ]


def target_policy(harness: AwsHarness, key: str, boundary: str, resources: list[str] | None) -> dict[str, Any]:
    """The policy of the role of a target that only the namespace of the test may use."""
    allow = {"namespaces": [harness.owner().namespace], "paths": ["/myapp"], "resources": resources}
    place = {"region": REGION, "account": ACCOUNT, "kmsKeyId": key, "permissionsBoundary": boundary or None}
    return operator_policy(allowed_in(AWSTargetSpec.model_validate({**place, "allow": [allow]})))


def denied(asked: list[Request], *policies: dict[str, Any]) -> list[Request]:
    return [request for request in asked if decide(policies, request) is not Decision.ALLOWED]


def weaker(policy: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The policy without one of its actions, each in turn."""
    for number, statement in enumerate(policy["Statement"]):
        if statement["Effect"] == "Deny":
            continue
        for action in statement["Action"]:
            left = {**statement, "Action": [other for other in statement["Action"] if other != action]}
            others = [*policy["Statement"][:number], left, *policy["Statement"][number + 1 :]]
            yield statement["Sid"], action, {**policy, "Statement": others}


@pytest.mark.parametrize("boundary", ["", BOUNDARY])
def test_every_call_of_the_example_is_allowed_and_every_action_is_needed(harness: AwsHarness, boundary: str) -> None:
    asked, key = recorded(harness, boundary)
    about = allowed(boundary=boundary, keys=[key])
    policy = operator_policy(about)
    assert denied(asked, policy) == []
    assert denied(asked, *(operator_policy(about, part) for part in Part)) == []
    assert unneeded(asked, policy) == []
    in_target = target_policy(harness, key, boundary, ["parameters", "alarms", "dashboard", "function"])
    assert denied(asked, in_target) == []
    assert unneeded(asked, in_target) == []


@pytest.mark.parametrize(
    ("fields", "resources"),
    [
        (("path", "parameters", "tags", "rollout"), ["parameters"]),
        (("path", "parameters", "tags", "rollout", "alarms"), ["parameters", "alarms"]),
        (("path", "parameters", "tags", "rollout", "alarms", "dashboard"), None),
    ],
)
def test_target_allows_exactly_the_calls_for_the_resources_of_its_rules(
    harness: AwsHarness, fields: tuple[str, ...], resources: list[str] | None
) -> None:
    present = Present(harness.lab.endpoint)
    recorder, life = Recorder(present), Life(harness, present)
    spec = {name: value for name, value in life.example().items() if name in fields}
    if "alarms" in fields:
        spec["alarms"]["defaults"] = False
    with recorder.recording():
        event_queue_life(life)
        short_life(life, spec)
    asked, policy = distinct(recorder), target_policy(harness, life.key, "", resources)
    assert set(unneeded(asked, policy)) <= ROLLBACK
    # A deletion looks for whatever the object may have had. What the operator may not read there, it has not created.
    assert {request.action for request in denied(asked, policy) if not READ.search(request.action)} == set()


def test_attach_to_a_foreign_function_is_allowed_if_its_role_is_configured(
    harness: AwsHarness,
) -> None:
    attachment.prepare(harness)
    recorder = Recorder(Present(harness.lab.endpoint))
    kinds = harness.kinds(Parameter, Attachment)
    with recorder.recording():
        status = harness.status(harness.settle(harness.declare(attachment.spec()), kinds))
        harness.settle(harness.declare(attachment.spec("2"), generation=2, status=status), kinds)
        harness.settle(harness.deletion(attachment.spec("2"), status), kinds)
    paths, names = [harness.path], ["attached*"]
    policy = operator_policy(allowed(paths=paths, functions=names, attached_roles=["kinds-*"]))
    assert denied(recorder.asked, policy) == []
    without = operator_policy(allowed(paths=paths, functions=names))
    assert {request.action for request in denied(recorder.asked, without)} == {
        "iam:DeleteRolePolicy",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateFunctionConfiguration",
    }
