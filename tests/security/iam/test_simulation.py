"""Each call of the full example, and each attack, against the printed policy: allowed exactly if intended."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases import attachment
from tests.kinds.cases.all import CASES
from tests.security.iam.calls import Present
from tests.security.iam.evaluator import Decision, Request, decide
from tests.security.iam.lifetime import BOUNDARY, Life, Recorder, allowed, event_queue_life, whole_life

from dynconfig.aws.permissions import operator_policy
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.allowed import Part

pytestmark = pytest.mark.lab


def recorded(harness: AwsHarness, boundary: str) -> tuple[list[Request], str]:
    """The authorization request, and the key that was used."""
    for case in CASES.values():
        case.prepare(harness)
    present = Present(harness.lab.endpoint)
    recorder, life = Recorder(present), Life(harness, present, boundary)
    with recorder.recording():
        event_queue_life(life)
        whole_life(life)
    return list({str(request): request for request in recorder.asked}.values()), life.key


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
    unneeded = [
        f"{sid} {action}"
        for sid, action, without in weaker(policy)
        if not denied([request for request in asked if request.action == action], without)
    ]
    assert unneeded == []


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
