"""Attack: an operator that is misled. What the printed policy lets it do is judged by IAM's documented rules."""

import json

import pytest

from dynconfig.aws.permissions import Allowed, operator_policy
from dynconfig.engine.arns import Arns
from dynconfig_lab.aws import policies

ACCOUNT, REGION = "123456789012", "eu-west-1"
ARNS = Arns(REGION, lambda: ACCOUNT)
OPERATOR = "arn:aws:iam::123456789012:role/dynconfig/operator"
OWNER = {"aws:resourcetag/dynconfig.dev/owner": "cluster/shop/app/uid-1"}
THEIRS = {"aws:resourcetag/dynconfig.dev/owner": "platform"}
OUR_ROLE = ARNS.role("dynconfig-shop-app-eu-west-1-function")
FUNCTION, PAYMENTS = ARNS.function("dynconfig-shop-app"), ARNS.function("payments")
LAMBDA = {"iam:passedtoservice": "lambda.amazonaws.com"}

ROLE_WRITES = (
    "PutRolePolicy",
    "UpdateAssumeRolePolicy",
    "DeleteRole",
    "DeleteRolePolicy",
    "TagRole",
    "CreateRole",
    "PassRole",
)
FUNCTION_WRITES = (
    *("UpdateFunctionCode", "UpdateFunctionConfiguration", "DeleteFunction", "AddPermission", "UntagResource"),
    *("RemovePermission", "PutFunctionEventInvokeConfig"),
)


def may(action: str, resource: str, context: dict[str, str] | None = None, **about: object) -> bool:
    """Whether an operator may, by the policy that is printed without --function."""
    policy = operator_policy(Allowed(paths=["/shop"], account=ACCOUNT, region=REGION, **about))  # type: ignore[arg-type]
    return policies.allows([json.dumps(policy)], action, resource, context or {})


@pytest.mark.parametrize("action", ROLE_WRITES)
@pytest.mark.parametrize("path", ["/", "/service-role/", "/dynconfig-other/"])
def test_no_role_outside_of_the_path_is_written_or_passed_on(action: str, path: str) -> None:
    role = ARNS.role("dynconfig-admin", path=path)
    assert not may(f"iam:{action}", role, {**LAMBDA, **OWNER})
    assert not may(f"iam:{action}", role, LAMBDA)


@pytest.mark.parametrize("action", ROLE_WRITES)
def test_own_roles_are_written_and_passed_on(action: str) -> None:
    assert may(f"iam:{action}", OUR_ROLE, {**LAMBDA, **OWNER})


@pytest.mark.parametrize("action", ["UpdateAssumeRolePolicy", "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy"])
def test_a_role_below_the_path_that_no_object_owns_keeps_its_trust_and_stays(action: str) -> None:
    assert not may(f"iam:{action}", OUR_ROLE)
    assert not may(f"iam:{action}", OUR_ROLE, THEIRS)


@pytest.mark.parametrize("action", ROLE_WRITES)
def test_the_operators_own_role_is_out_of_its_reach_even_below_the_path(action: str) -> None:
    assert may(f"iam:{action}", OPERATOR, {**LAMBDA, **OWNER})
    assert not may(f"iam:{action}", OPERATOR, {**LAMBDA, **OWNER}, operator_role=OPERATOR)


@pytest.mark.parametrize("service", ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "glue.amazonaws.com"])
def test_roles_are_passed_to_no_other_service(service: str) -> None:
    assert not may("iam:PassRole", OUR_ROLE, {"iam:passedtoservice": service})
    assert not may("iam:PassRole", OUR_ROLE)


@pytest.mark.parametrize("action", FUNCTION_WRITES)
def test_functions_that_no_object_owns_are_not_changed(action: str) -> None:
    assert may(f"lambda:{action}", FUNCTION, OWNER)
    assert not may(f"lambda:{action}", FUNCTION)
    assert not may(f"lambda:{action}", FUNCTION, THEIRS)
    assert not may(f"lambda:{action}", PAYMENTS, OWNER)


def test_functions_of_others_are_added_to_only_where_roles_of_such_functions_are_named() -> None:
    attach = ("lambda:UpdateFunctionConfiguration", "lambda:UntagResource")
    assert all(may(action, FUNCTION, attached_roles=["team-*"]) for action in attach)
    assert not may("lambda:UpdateFunctionCode", FUNCTION, attached_roles=["team-*"])
    assert not may("lambda:DeleteFunction", FUNCTION, attached_roles=["team-*"])


@pytest.mark.parametrize("action", ["DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "UntagRole"])
def test_roles_of_an_earlier_version_go_only_where_it_was_asked_for_and_by_their_owner_tag(action: str) -> None:
    earlier = ARNS.role("dynconfig-shop-app-eu-west-1", path="/")
    assert not may(f"iam:{action}", earlier, OWNER)
    assert may(f"iam:{action}", earlier, OWNER, earlier_roles=True)
    assert not may(f"iam:{action}", earlier, earlier_roles=True)
    assert not may(f"iam:{action}", ARNS.role("payments", path="/"), OWNER, earlier_roles=True)


@pytest.mark.parametrize("action", ["PutRolePolicy", "UpdateAssumeRolePolicy", "PassRole", "TagRole", "CreateRole"])
def test_roles_of_an_earlier_version_are_not_written(action: str) -> None:
    earlier = ARNS.role("dynconfig-shop-app-eu-west-1", path="/")
    assert not may(f"iam:{action}", earlier, {**LAMBDA, **OWNER}, earlier_roles=True)
