"""The IAM policy that the operator needs: the calls that its kinds make, on the names that it may use, and no more."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.api.alarms import OWN_NAMESPACE
from dynconfig.api.names import OWNER_TAG
from dynconfig.aws import layers
from dynconfig.engine.arns import Arns
from dynconfig.engine.naming import LONGEST, PREFIX

# White space not counted.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_CHARACTERS, INLINE_CHARACTERS = 6144, 10240

# A test holds all of this against the calls that the tests make.
PARAMETER_ACTIONS = (
    "ssm:AddTagsToResource",
    "ssm:DeleteParameters",
    "ssm:GetParameter",
    "ssm:GetParameterHistory",
    "ssm:GetParameters",
    "ssm:LabelParameterVersion",
    "ssm:ListTagsForResource",
    "ssm:PutParameter",
    "ssm:RemoveTagsFromResource",
    "ssm:UnlabelParameterVersion",
)
# These have no resource level.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
# SSM looks for the image of a parameter of data type aws:ec2:image in the writer's name.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
ACCOUNT_ACTIONS = ("ec2:DescribeImages", "ssm:DescribeParameters", "tag:GetResources")
# What aws/mailbox.py does, where the operator makes its queue and rules itself.
QUEUE_ACTIONS = (
    "sqs:CreateQueue",
    "sqs:DeleteMessage",
    "sqs:DeleteQueue",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "sqs:ReceiveMessage",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
)
EVENT_RULE_ACTIONS = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
)
# Standard parameters are encrypted directly, advanced ones with a data key.
# https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
KEY_ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
# A role that is not there has no path, so that to look for it is allowed by its name.
LOOK_ACTIONS = ("iam:GetRole",)
ROLE_ACTIONS = (
    "iam:CreateRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:PutRolePolicy",
    "iam:TagRole",
)
# What a role of ours can be named by its owner tag for; a new one may not be known everywhere with its tags at once.
OWN_ROLE_ACTIONS = (
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
)
EARLIER_ROLE_ACTIONS = (
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:UntagRole",
)
# With a boundary these are allowed only where it is set: no role gets more than it.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
BOUNDED_ACTIONS = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")
ATTACHED_ROLE_ACTIONS = ("iam:DeleteRolePolicy", "iam:GetRolePolicy", "iam:PutRolePolicy")
PASSED_TO = ("lambda.amazonaws.com", "scheduler.amazonaws.com")
# GetFunction answers the tags, and with them the owner, only to who may list them.
# https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
# CreateFunction with tags needs TagResource, too.
FUNCTION_ACTIONS = (
    "lambda:CreateFunction",
    "lambda:GetFunction",
    "lambda:GetFunctionEventInvokeConfig",
    "lambda:GetPolicy",
    "lambda:ListTags",
    "lambda:TagResource",
)
# On functions that bear the owner tag only.
# https://docs.aws.amazon.com/lambda/latest/dg/attribute-based-access-control.html
OWN_FUNCTION_ACTIONS = (
    "lambda:AddPermission",
    "lambda:DeleteFunction",
    "lambda:DeleteFunctionEventInvokeConfig",
    "lambda:PutFunctionEventInvokeConfig",
    "lambda:RemovePermission",
    "lambda:UntagResource",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
)
# Functions of others, to which mode Attach adds: only where roles of such functions are named.
ATTACHED_FUNCTION_ACTIONS = ("lambda:UntagResource", "lambda:UpdateFunctionConfiguration")
LOG_ACTIONS = (
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
    "logs:UntagResource",
)
LOG_ACCOUNT_ACTIONS = ("logs:DescribeLogGroups",)
RULE_ACTIONS = (
    "events:DeleteRule",
    "events:DescribeRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "events:TagResource",
    "events:UntagResource",
)
SCHEDULE_ACTIONS = (
    "scheduler:CreateSchedule",
    "scheduler:DeleteSchedule",
    "scheduler:GetSchedule",
    "scheduler:UpdateSchedule",
)
# API Gateway's actions are the verbs of HTTP.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-create-and-manage-api.html
HTTP_API_ACTIONS = ("apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST")
# All alarms and dashboards of this operator begin alike, whatever the function is called; see engine/naming.py.
ALARM_ACTIONS = (
    "cloudwatch:DeleteAlarms",
    "cloudwatch:ListTagsForResource",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "cloudwatch:UntagResource",
)
# A composite alarm can be put only by who may put any.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
ALARM_ACCOUNT_ACTIONS = ("cloudwatch:DescribeAlarms", "cloudwatch:PutCompositeAlarm")
# It has no resource level, but the namespace can be said.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
METRIC_ACTIONS = ("cloudwatch:PutMetricData",)
DASHBOARD_ACTIONS = ("cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the operator may use: paths and KMS keys, and names of functions, from which all other names follow."""

    paths: Sequence[str]
    account: str
    region: str
    keys: Sequence[str] = ()
    functions: Sequence[str] = (f"{PREFIX}*",)
    """Patterns of names; none where the operator keeps parameters only."""
    alarms: bool = False
    """Without functions, too, alarms and dashboards are kept."""
    attached_roles: Sequence[str] = ()
    """Patterns of the names of roles of functions that are attached to."""
    own_layers: Sequence[str] = ()
    """ARNs of layers beside AWS's own extension."""
    boundary: str = ""
    operator_role: str = ""
    """ARN of the operator's own role, if it is known: nothing is ever done to it."""
    earlier_roles: bool = False
    """Roles that earlier versions made outside of the operator's own path may be deleted."""

    @property
    def is_watching(self) -> bool:
        """Whether alarms and dashboards are kept."""
        return self.alarms or bool(self.functions)


def operator_policy(allowed: Allowed) -> dict[str, Any]:
    """The policy; a statement for each service."""
    arns = Arns(allowed.region, lambda: allowed.account)
    statements = [*_parameters(allowed, arns), *_mailbox(arns)]
    if allowed.functions:
        statements += _roles(allowed, arns)
        statements += _functions(allowed, arns)
        statements += _triggers(allowed, arns)
    if allowed.is_watching:
        statements += _watching(arns)
    if allowed.operator_role:
        # Else it could give itself more than it has, or pass itself on.
        statements.append({"Sid": "Self", "Effect": "Deny", "Action": "iam:*", "Resource": allowed.operator_role})
    return {"Version": "2012-10-17", "Statement": statements}


def advice(policy: dict[str, Any]) -> str:
    """What to do where IAM would find the policy too long, or an empty text."""
    length = len("".join(json.dumps(policy, separators=(",", ":")).split()))
    if length <= MANAGED_CHARACTERS:
        return ""
    told = f"the policy has {length:,} characters, and a managed policy takes {MANAGED_CHARACTERS:,}"
    shorter = "name fewer paths, by a common beginning"
    if length <= INLINE_CHARACTERS:
        return f"{told}: {shorter}, or give it to the role as an inline policy, which takes {INLINE_CHARACTERS:,}"
    return f"{told}, an inline policy of a role {INLINE_CHARACTERS:,}: {shorter}"


def _mailbox(arns: Arns) -> Iterable[dict[str, Any]]:
    """The queue by which events are heard, and the rules that fill it."""
    yield _allow("Queue", QUEUE_ACTIONS, arns.queue(f"{PREFIX}*"))
    yield _allow("EventRules", EVENT_RULE_ACTIONS, arns.rule(f"{PREFIX}*"))


def _parameters(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    parameters = [arns.parameters(path.rstrip("/")) for path in allowed.paths]
    yield _allow("Parameters", PARAMETER_ACTIONS, parameters)
    logs = LOG_ACCOUNT_ACTIONS if allowed.functions else ()
    alarms = ALARM_ACCOUNT_ACTIONS if allowed.is_watching else ()
    yield _allow("Metadata", (*ACCOUNT_ACTIONS, *logs, *alarms), "*")
    if allowed.keys:
        # KMS through SSM only.
        yield _allow(
            "Keys",
            KEY_ACTIONS,
            list(allowed.keys),
            StringEquals={"kms:ViaService": arns.via("ssm")},
            StringLike={"kms:EncryptionContext:PARAMETER_ARN": parameters},
        )


def _roles(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    below = arns.role("*")
    named = [arns.role(name, path="/") for name in _following(allowed.functions)]
    yield _allow("LookForRoles", LOOK_ACTIONS, [below, *named])
    if allowed.boundary:
        bound = {"iam:PermissionsBoundary": allowed.boundary}
        yield _allow("Roles", [action for action in ROLE_ACTIONS if action not in BOUNDED_ACTIONS], below)
        yield _allow("RolesWithinBoundary", BOUNDED_ACTIONS, below, StringEquals=bound)
    else:
        yield _allow("Roles", ROLE_ACTIONS, below)
    yield _allow("OwnRoles", OWN_ROLE_ACTIONS, below, **_OWNED)
    yield _allow("PassRole", ("iam:PassRole",), below, StringEquals={"iam:PassedToService": list(PASSED_TO)})
    if allowed.earlier_roles:
        yield _allow("EarlierRoles", EARLIER_ROLE_ACTIONS, named, **_OWNED)
    if allowed.attached_roles:
        # The Lambda console makes roles with a path, /service-role/.
        patterns = [place for name in allowed.attached_roles for place in (name, f"*/{name}")]
        yield _allow("AttachedRoles", ATTACHED_ROLE_ACTIONS, [arns.role(place, path="/") for place in patterns])


def _functions(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    groups = [arns.log_group(f"/aws/lambda/{name}") for name in allowed.functions]
    # Calls about a group name it with an asterisk, calls about its tags without one.
    all_groups = [arn for group in groups for arn in ([group] if group.endswith("*") else [group, f"{group}:*"])]
    functions = [arns.function(name) for name in allowed.functions]
    attached = ATTACHED_FUNCTION_ACTIONS if allowed.attached_roles else ()
    yield _allow("Functions", (*FUNCTION_ACTIONS, *attached), functions)
    yield _allow("OwnFunctions", OWN_FUNCTION_ACTIONS, functions, **_OWNED)
    yield _allow("NewestLayer", ("ssm:GetParameter",), [layers.public_parameters(allowed.region)])
    yield _allow("Layers", ("lambda:GetLayerVersion",), [*layers.patterns(allowed.region), *allowed.own_layers])
    yield _allow("Logs", LOG_ACTIONS, all_groups)


def _triggers(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    yield _allow("Rules", RULE_ACTIONS, [arns.rule(name) for name in _following(allowed.functions)])
    yield _allow("Schedules", SCHEDULE_ACTIONS, [arns.schedule(name) for name in allowed.functions])
    # The ids of APIs are chance, so that no name can be said here; the operator finds its own by their tag.
    apis = arns.http_apis()
    yield _allow("HttpApis", HTTP_API_ACTIONS, [apis, f"{apis}/*", arns.http_tags()])


def _watching(arns: Arns) -> Iterable[dict[str, Any]]:
    yield _allow("Alarms", ALARM_ACTIONS, [arns.alarm(f"{PREFIX}*")])
    yield _allow("Metrics", METRIC_ACTIONS, "*", StringEquals={"cloudwatch:namespace": OWN_NAMESPACE})
    yield _allow("Dashboards", DASHBOARD_ACTIONS, [arns.dashboard(f"{PREFIX}*")])


# What bears our owner tag: cluster, namespace, name and uid.
_OWNED = {"StringLike": {f"aws:ResourceTag/{OWNER_TAG}": "*/*/*/*"}}


def _following(functions: Sequence[str]) -> list[str]:
    """Patterns of the names that follow from those of functions: something is added, and what is too long is cut."""
    return [name if name.endswith("*") else f"{name[: LONGEST - 9]}-*" for name in functions]


def _allow(sid: str, actions: Sequence[str], resources: list[str] | str, **conditions: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement
