"""What a misled operator, or stolen credentials of it, might try; the printed policy denies it."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.security.iam.calls import ACCOUNT, LAMBDA, REGION, arn
from tests.security.iam.evaluator import Decision, Request, decide
from tests.security.iam.lifetime import BOUNDARY, KEY, OPERATOR, OTHER_BOUNDARY, allowed

from dynconfig.aws.permissions import operator_policy

OWNER = {"aws:ResourceTag/dynconfig.dev/owner": "cluster/shop/app/uid-1"}
GIVEN = {"aws:RequestTag/dynconfig.dev/owner": "cluster/shop/app/uid-1", "aws:TagKeys": ("dynconfig.dev/owner",)}
THEIRS = {"aws:ResourceTag/dynconfig.dev/owner": "platform"}
BOUND, OTHER = {"iam:PermissionsBoundary": BOUNDARY}, {"iam:PermissionsBoundary": OTHER_BOUNDARY}
PASSED = {"iam:PassedToService": LAMBDA}
VIA = {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}
CONTEXT = "kms:EncryptionContext:PARAMETER_ARN"


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


OURS, ADMIN, NAMED_ALIKE = role("dynconfig/myapp-role"), role("admin"), role("dynconfig-admin")
FUNCTION, PAYMENTS = arn("lambda", "function:dynconfig-shop"), arn("lambda", "function:payments")
GROUP, RULE, ALARM = (
    arn("logs", "log-group:/aws/lambda/dynconfig-shop:*"),
    arn("events", "rule/dynconfig-shop-parameters"),
    arn("cloudwatch", "alarm:dynconfig-shop/Errors"),
)
API = f"arn:aws:apigateway:{REGION}::/apis/a1"
LAYER = f"arn:aws:lambda:{REGION}:999999999999:layer:evil:1"
NEAR_LAYER = f"arn:aws:lambda:{REGION}:999999999999:layer:AWS-Parameters-and-Secrets-Lambda-Extension:1"
INSIDE, OUTSIDE = arn("ssm", "parameter/myapp/a"), arn("ssm", "parameter/payments/a")

Tries = list[tuple[str, str, Mapping[str, Any]]]


def decided(action: str, resource: str, context: Mapping[str, Any], **about: Any) -> Decision:
    return decide([operator_policy(allowed(**about))], Request(action, resource, context))


WRITES_OF_ROLES = (
    *("iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy"),
    *("iam:CreateRole", "iam:TagRole", "iam:UntagRole", "iam:PassRole", "iam:AttachRolePolicy", "iam:UpdateRole"),
    *("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"),
)  # fmt: skip
NEVER = (
    *("iam:CreateUser", "iam:CreateAccessKey", "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:AddRoleToInstanceProfile"),
    *("sts:AssumeRole", "lambda:InvokeFunction", "lambda:GetFunctionUrlConfig", "lambda:CreateEventSourceMapping"),
    *("lambda:UpdateFunctionEventInvokeConfig", "ssm:SendCommand", "ssm:DeleteParameter", "ssm:GetParametersByPath"),
    *("sqs:SendMessage", "sqs:PurgeQueue", "events:PutEvents", "apigateway:PUT", "logs:GetLogEvents"),
)  # fmt: skip
EVERYTHING_KNOWN = {**OWNER, **GIVEN, **BOUND, **PASSED}


@pytest.mark.parametrize("boundary", ["", BOUNDARY])
@pytest.mark.parametrize("action", WRITES_OF_ROLES)
@pytest.mark.parametrize(
    "resource", [OPERATOR, ADMIN, NAMED_ALIKE, role("service-role/dynconfig-x"), role("dynconfig-evil/x")]
)
def test_operators_own_role_and_roles_outside_the_path_are_denied(resource: str, action: str, boundary: str) -> None:
    assert decided(action, resource, EVERYTHING_KNOWN, boundary=boundary) is not Decision.ALLOWED


@pytest.mark.parametrize("action", WRITES_OF_ROLES)
def test_operators_own_role_is_denied_also_below_the_path(action: str) -> None:
    own = role("dynconfig/operator")
    assert decided(action, own, EVERYTHING_KNOWN, operator_role=own) is Decision.EXPLICIT_DENY


@pytest.mark.parametrize("action", NEVER)
@pytest.mark.parametrize("resource", [OURS, FUNCTION, RULE, GROUP, INSIDE, API, arn("sqs", "dynconfig-x"), "*"])
def test_actions_that_the_operator_never_needs_are_denied_on_everything(resource: str, action: str) -> None:
    assert decided(action, resource, EVERYTHING_KNOWN) is not Decision.ALLOWED


UNOWNED: Tries = [
    *((action, OURS, BOUND) for action in ("iam:DeleteRole", "iam:UpdateAssumeRolePolicy", "iam:DetachRolePolicy")),
    *((action, OURS, BOUND) for action in ("iam:DeleteRolePolicy", "iam:UntagRole", "iam:TagRole")),
    *((f"lambda:{action}", FUNCTION, {}) for action in ("UpdateFunctionCode", "UpdateFunctionConfiguration")),
    *((f"lambda:{action}", FUNCTION, {}) for action in ("DeleteFunction", "AddPermission", "RemovePermission")),
    *((f"lambda:{action}", FUNCTION, {}) for action in ("TagResource", "UntagResource", "CreateFunction")),
    *((f"lambda:{action}", FUNCTION, {}) for action in ("PutFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig")),
    *((f"logs:{action}", GROUP, {}) for action in ("DeleteLogGroup", "PutRetentionPolicy", "CreateLogGroup")),
    *((f"logs:{action}", GROUP.removesuffix(":*"), {}) for action in ("TagResource", "UntagResource")),
    *((f"events:{action}", RULE, {}) for action in ("DeleteRule", "RemoveTargets", "UntagResource")),
    *((f"cloudwatch:{action}", ALARM, {}) for action in ("DeleteAlarms", "PutMetricAlarm", "TagResource", "UntagResource")),
    *((f"apigateway:{verb}", API, {}) for verb in ("DELETE", "PATCH", "POST")),
    *((f"apigateway:{verb}", f"{API}/{part}", {}) for verb in ("DELETE", "PATCH") for part in ("routes/r", "stages/s")),
    *(("apigateway:POST", f"{API}/{part}", {}) for part in ("routes", "stages", "integrations", "authorizers")),
    ("apigateway:POST", API.removesuffix("/a1"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "resource", "context"), UNOWNED)
@pytest.mark.parametrize("tags", [{}, THEIRS])
@pytest.mark.parametrize("boundary", ["", BOUNDARY])
def test_writes_and_creations_without_our_owner_tag_are_denied(
    action: str, resource: str, context: Mapping[str, Any], tags: Mapping[str, Any], boundary: str
) -> None:
    assert decided(action, resource, {**context, **tags}, boundary=boundary) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize(("action", "resource", "context"), UNOWNED)
@pytest.mark.parametrize("boundary", ["", BOUNDARY])
def test_writes_and_creations_with_our_owner_tag_are_allowed(
    action: str, resource: str, context: Mapping[str, Any], boundary: str
) -> None:
    about = {**context, **OWNER, **GIVEN}
    assert decided(action, resource, about, boundary=boundary) is Decision.ALLOWED


UNBOUNDED: Tries = [
    ("iam:CreateRole", OURS, GIVEN),
    ("iam:PutRolePolicy", OURS, OWNER),
    ("iam:UpdateAssumeRolePolicy", OURS, OWNER),
    ("iam:DeleteRole", OURS, OWNER),
    ("iam:DeleteRolePolicy", OURS, OWNER),
    ("iam:DetachRolePolicy", OURS, OWNER),
    ("iam:PutRolePermissionsBoundary", OURS, OWNER),
]


@pytest.mark.parametrize(("action", "resource", "context"), UNBOUNDED)
def test_role_without_the_boundary_cannot_be_created_or_changed(
    action: str, resource: str, context: Mapping[str, Any]
) -> None:
    assert decided(action, resource, context, boundary=BOUNDARY) is Decision.IMPLICIT_DENY
    assert decided(action, resource, {**context, **OTHER}, boundary=BOUNDARY) is Decision.IMPLICIT_DENY
    assert decided(action, resource, {**context, **BOUND}, boundary=BOUNDARY) is Decision.ALLOWED


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:DeleteRolePermissionsBoundary", OURS),
        *((f"iam:{action}", BOUNDARY) for action in ("CreatePolicyVersion", "SetDefaultPolicyVersion")),
        *((f"iam:{action}", BOUNDARY) for action in ("DeletePolicy", "DeletePolicyVersion")),
    ],
)
def test_boundary_cannot_be_removed_or_changed_with_any_other_policy(action: str, resource: str) -> None:
    administrator = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    policies = [administrator, operator_policy(allowed(boundary=BOUNDARY))]
    assert decide(policies, Request(action, resource, {**OWNER, **BOUND})) is Decision.EXPLICIT_DENY


@pytest.mark.parametrize("action", ["iam:PutRolePolicy", "iam:DeleteRolePolicy"])
def test_attached_roles_must_have_the_boundary(action: str) -> None:
    about: dict[str, Any] = {"attached_roles": ["team-*"], "boundary": BOUNDARY}
    assert decided(action, role("team-a"), {}, **about) is Decision.IMPLICIT_DENY
    assert decided(action, role("team-a"), BOUND, **about) is Decision.ALLOWED
    assert decided(action, role("admin"), BOUND, **about) is Decision.IMPLICIT_DENY


ELSEWHERE: Tries = [
    *(("iam:PassRole", OURS, {"iam:PassedToService": f"{name}.amazonaws.com"}) for name in ("ec2", "glue", "ecs-tasks")),
    ("iam:PassRole", OURS, {}),
    ("lambda:GetLayerVersion", LAYER, {}),
    ("lambda:GetLayerVersion", NEAR_LAYER, {}),
    *((f"ssm:{action}", OUTSIDE, OWNER) for action in ("PutParameter", "GetParameters", "DeleteParameters")),
    *((f"ssm:{action}", OUTSIDE, OWNER) for action in ("AddTagsToResource", "GetParameterHistory")),
    ("ssm:PutParameter", arn("ssm", "parameter/myapp-other/a"), OWNER),
    ("ssm:PutParameter", arn("ssm", "parameter/myapp"), OWNER),
    ("ssm:GetParameter", f"arn:aws:ssm:{REGION}::parameter/aws/service/other", {}),
    *((f"sqs:{action}", arn("sqs", "payments"), OWNER) for action in ("ReceiveMessage", "DeleteQueue", "SetQueueAttributes")),
    *((action, KEY, {}) for action in ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")),
    ("kms:Decrypt", KEY, {CONTEXT: INSIDE}),
    ("kms:Decrypt", KEY, VIA),
    ("kms:Decrypt", KEY, {**VIA, CONTEXT: OUTSIDE}),
    ("kms:Decrypt", KEY, {CONTEXT: INSIDE, "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}),
    ("kms:Decrypt", f"{KEY}0", {**VIA, CONTEXT: INSIDE}),
    ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/Lambda"}),
    ("cloudwatch:PutMetricData", "*", {}),
    ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "DynamicConfig", "aws:RequestedRegion": "us-east-1"}),
    *((action, "*", {"aws:RequestedRegion": "us-east-1"}) for action in ("ssm:DescribeParameters", "tag:GetResources")),
    *((f"lambda:{action}", PAYMENTS, {**OWNER, **GIVEN}) for action in ("UpdateFunctionCode", "CreateFunction", "GetFunction")),
    ("logs:DeleteLogGroup", arn("logs", "log-group:/aws/lambda/payments:*"), OWNER),
    ("events:PutRule", arn("events", "rule/payments"), {**OWNER, **GIVEN}),
    ("events:PutTargets", arn("events", "rule/payments"), OWNER),
    ("events:PutRule", arn("events", "rule/bus/dynconfig-a"), {**OWNER, **GIVEN}),
    ("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:payments"), OWNER),
    ("cloudwatch:PutDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/payments", {}),
    ("scheduler:UpdateSchedule", arn("scheduler", "schedule/default/payments"), {}),
    ("scheduler:DeleteSchedule", arn("scheduler", "schedule/default/payments"), {}),
    ("scheduler:CreateSchedule", arn("scheduler", "schedule/other/dynconfig-a"), {}),
    *((f"apigateway:{verb}", f"arn:aws:apigateway:{REGION}::/restapis/a", OWNER) for verb in ("GET", "PATCH", "DELETE")),
    ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/restapis", GIVEN),
    ("apigateway:POST", f"arn:aws:apigateway:{REGION}::/tags/arn%3Aaws%3Aapigateway%3A{REGION}%3A%3A%2Frestapis%2Fa", GIVEN),
    ("apigateway:DELETE", f"arn:aws:apigateway:{REGION}::/domainnames/a", OWNER),
    *((f"events:{action}", RULE, {"aws:ResourceTag/other": "x"}) for action in ("DeleteRule", "RemoveTargets")),
]  # fmt: skip


@pytest.mark.parametrize("boundary", ["", BOUNDARY])
@pytest.mark.parametrize(("action", "resource", "context"), ELSEWHERE)
def test_foreign_resources_are_denied(action: str, resource: str, context: Mapping[str, Any], boundary: str) -> None:
    assert decided(action, resource, context, boundary=boundary) is Decision.IMPLICIT_DENY


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1"])
def test_other_regions_are_denied(region: str) -> None:
    for resource, action in ((FUNCTION, "lambda:GetFunction"), (INSIDE, "ssm:PutParameter"), (RULE, "events:PutRule")):
        assert decided(action, resource.replace(REGION, region), EVERYTHING_KNOWN) is Decision.IMPLICIT_DENY


def test_parts_of_foreign_apis_are_written_only_if_requested() -> None:
    for verb, part in (("POST", "routes"), ("PATCH", "integrations/i"), ("DELETE", "stages/s")):
        assert decided(f"apigateway:{verb}", f"{API}/{part}", {}) is Decision.IMPLICIT_DENY
        assert decided(f"apigateway:{verb}", f"{API}/{part}", {}, untagged_api_parts=True) is Decision.ALLOWED
    assert decided("apigateway:DELETE", API, {}, untagged_api_parts=True) is Decision.IMPLICIT_DENY
    assert decided("apigateway:POST", f"{API}/authorizers", {}, untagged_api_parts=True) is Decision.IMPLICIT_DENY
