"""Attack: a misled operator. The printed policy is evaluated with IAM's documented rules."""

import re
from typing import Any

import pytest
from tests.security.iam.evaluator import Decision, Request, decide

from dynconfig.aws.permissions import broad, operator_policy
from dynconfig.model.allowed import Allowed
from dynconfig.model.arns import Arns

ACCOUNT, REGION = "123456789012", "eu-west-1"
ARNS = Arns(REGION, lambda: ACCOUNT)
OPERATOR = "arn:aws:iam::123456789012:role/dynconfig/operator"
OWNER = {f"aws:{kind}Tag/dynconfig.dev/owner": "cluster/shop/app/uid-1" for kind in ("Resource", "Request")}
THEIRS = {"aws:ResourceTag/dynconfig.dev/owner": "platform"}
OUR_ROLE = ARNS.role("dynconfig-shop-app-eu-west-1-function")
FUNCTION, PAYMENTS = ARNS.function("dynconfig-shop-app"), ARNS.function("payments")
LAMBDA = {"iam:PassedToService": "lambda.amazonaws.com"}

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
    """Whether the policy printed without --function allows it."""
    policy = operator_policy(Allowed(paths=["/shop"], account=ACCOUNT, region=REGION, **about))  # type: ignore[arg-type]
    return decide([policy], Request(action, resource, context or {})) is Decision.ALLOWED


@pytest.mark.parametrize("action", ROLE_WRITES)
@pytest.mark.parametrize("path", ["/", "/service-role/", "/dynconfig-other/"])
def test_role_outside_of_the_path_is_neither_written_nor_passed(action: str, path: str) -> None:
    role = ARNS.role("dynconfig-admin", path=path)
    assert not may(f"iam:{action}", role, {**LAMBDA, **OWNER})
    assert not may(f"iam:{action}", role, LAMBDA)


@pytest.mark.parametrize("action", ROLE_WRITES)
def test_own_roles_are_written_and_passed(action: str) -> None:
    assert may(f"iam:{action}", OUR_ROLE, {**LAMBDA, **OWNER})


@pytest.mark.parametrize("action", ["UpdateAssumeRolePolicy", "DeleteRole", "DeleteRolePolicy", "DetachRolePolicy"])
def test_unowned_role_below_the_path_keeps_its_trust_policy_and_is_not_deleted(action: str) -> None:
    assert not may(f"iam:{action}", OUR_ROLE)
    assert not may(f"iam:{action}", OUR_ROLE, THEIRS)


@pytest.mark.parametrize("action", ROLE_WRITES)
def test_operators_own_role_is_denied_even_below_the_path(action: str) -> None:
    assert may(f"iam:{action}", OPERATOR, {**LAMBDA, **OWNER})
    assert not may(f"iam:{action}", OPERATOR, {**LAMBDA, **OWNER}, operator_role=OPERATOR)


@pytest.mark.parametrize("service", ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "glue.amazonaws.com"])
def test_roles_are_passed_to_no_other_service(service: str) -> None:
    assert not may("iam:PassRole", OUR_ROLE, {"iam:PassedToService": service})
    assert not may("iam:PassRole", OUR_ROLE)


@pytest.mark.parametrize("action", FUNCTION_WRITES)
def test_unowned_functions_are_not_changed(action: str) -> None:
    assert may(f"lambda:{action}", FUNCTION, OWNER)
    assert not may(f"lambda:{action}", FUNCTION)
    assert not may(f"lambda:{action}", FUNCTION, THEIRS)
    assert not may(f"lambda:{action}", PAYMENTS, OWNER)


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"functions": ["shop-*"]},
        {"functions": ()},
        {"functions": (), "alarms": True},
        {"boundary": "arn:aws:iam::123456789012:policy/b"},
        {"attached_roles": ["team-*"]},
        {"earlier_roles": True},
        {"untagged_api_parts": True},
    ],
)
def test_no_statement_allows_every_resource_of_a_type(about: dict[str, Any]) -> None:
    policy = operator_policy(Allowed(paths=["/shop"], account=ACCOUNT, region=REGION, **about))
    for statement in policy["Statement"]:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            if resource == "*":
                assert statement["Sid"] in {"Metadata", "Metrics", "Boundary"}
                continue
            last = resource.split(":", 5)[5].removeprefix("log-group:/aws/lambda/")
            name = re.split(
                r"[:/]", last.removeprefix("role/dynconfig/*").replace("schedule/default/", ""), maxsplit=1
            )[-1]
            known = "/apis" in resource or "/tags/" in resource or last == "role/dynconfig/*"
            assert known or re.match(r"\*?/?(dynconfig-|shop-|shop/|team-|aws/service/aws-p|AWS-P|/shop)", name), (
                resource
            )


@pytest.mark.parametrize(("pattern", "warned"), [("*", True), ("?*", True), ("s*", True), ("shop-*", False)])
def test_pattern_with_a_leading_wildcard_is_named(pattern: str, warned: bool) -> None:
    about: Any = {"paths": ["/shop"], "account": ACCOUNT, "region": REGION}
    assert (broad(Allowed(**about, functions=[pattern])) == [pattern]) is warned
    assert (broad(Allowed(**about, attached_roles=[pattern])) == [pattern]) is warned


def test_foreign_functions_are_changed_only_if_their_roles_are_configured() -> None:
    attach = ("lambda:UpdateFunctionConfiguration", "lambda:UntagResource")
    assert all(may(action, FUNCTION, attached_roles=["team-*"]) for action in attach)
    assert not may("lambda:UpdateFunctionCode", FUNCTION, attached_roles=["team-*"])
    assert not may("lambda:DeleteFunction", FUNCTION, attached_roles=["team-*"])


@pytest.mark.parametrize("action", ["DeleteRole", "DeleteRolePolicy", "DetachRolePolicy", "UntagRole"])
def test_roles_of_an_earlier_version_are_deleted_only_on_request_and_by_owner_tag(action: str) -> None:
    earlier = ARNS.role("dynconfig-shop-app-eu-west-1", path="/")
    assert not may(f"iam:{action}", earlier, OWNER)
    assert may(f"iam:{action}", earlier, OWNER, earlier_roles=True)
    assert not may(f"iam:{action}", earlier, earlier_roles=True)
    assert not may(f"iam:{action}", ARNS.role("payments", path="/"), OWNER, earlier_roles=True)


@pytest.mark.parametrize("action", ["PutRolePolicy", "UpdateAssumeRolePolicy", "PassRole", "TagRole", "CreateRole"])
def test_roles_of_an_earlier_version_are_not_written(action: str) -> None:
    earlier = ARNS.role("dynconfig-shop-app-eu-west-1", path="/")
    assert not may(f"iam:{action}", earlier, {**LAMBDA, **OWNER}, earlier_roles=True)
