"""The IAM policy that the operator needs: the calls that its kinds make, on the names that it may use, and no more."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dynconfig.api.alarms import OWN_NAMESPACE
from dynconfig.api.names import CLUSTER_TAG, OWNER_TAG
from dynconfig.aws import layers
from dynconfig.model.arns import Arns
from dynconfig.model.naming import LONGEST, PREFIX

# White space not counted.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_CHARACTERS, INLINE_CHARACTERS = 6144, 10240
# A pattern of names with less before its first wildcard is one of other people's names as well.
DISTINCT = 3

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
# What events/queue.py does, where the operator makes its queue and rules itself.
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
# Of rules whose tag names a cluster: those that fill the queue.
OWN_EVENT_RULE_ACTIONS = ("events:DeleteRule", "events:RemoveTargets")
# Standard parameters are encrypted directly, advanced ones with a data key.
# https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
KEY_ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
# A role that is not there has no path, so that to look for it is allowed by its name.
LOOK_ACTIONS = ("iam:GetRole",)
ROLE_ACTIONS = ("iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies")
# Not bound by the tag of the role: a new one may not be known everywhere with its tags at once.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
ROLE_POLICY_ACTIONS = ("iam:PutRolePolicy",)
NEW_ROLE_ACTIONS = ("iam:CreateRole",)
OWN_ROLE_ACTIONS = ("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:UpdateAssumeRolePolicy")
EARLIER_ROLE_ACTIONS = (
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:UntagRole",
)
# Where a boundary is given, it is asked for by NEW_ROLE_ACTIONS, ROLE_POLICY_ACTIONS, OWN_ROLE_ACTIONS and these. IAM
# knows no such condition of TagRole, UntagRole and PassRole.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
BOUNDARY_ACTIONS = ("iam:PutRolePermissionsBoundary",)
# Whatever other policies allow: the boundary is not taken off a role, and its text is not changed.
DENIED_WITH_BOUNDARY = (
    "iam:CreatePolicyVersion",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:DeleteRolePermissionsBoundary",
    "iam:SetDefaultPolicyVersion",
)
ATTACHED_ROLE_ACTIONS = ("iam:DeleteRolePolicy", "iam:PutRolePolicy")
ATTACHED_ROLE_READS = ("iam:GetRolePolicy",)
# What is created has to carry the owner tag in the request, which AWS then asks the tagging action for, too.
NEW_ACTIONS = (
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
)
NEW_FUNCTION_ACTIONS = (
    "iam:TagRole",
    "lambda:CreateFunction",
    "lambda:TagResource",
    "logs:CreateLogGroup",
    "logs:TagResource",
)
# What is there has to carry the owner tag.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
OWN_ACTIONS = (
    "cloudwatch:DeleteAlarms",
    "cloudwatch:PutMetricAlarm",
    "cloudwatch:TagResource",
    "cloudwatch:UntagResource",
)
OWN_FUNCTION_ACTIONS = (
    "events:DeleteRule",
    "events:RemoveTargets",
    "events:UntagResource",
    "iam:TagRole",
    "iam:UntagRole",
    "lambda:AddPermission",
    "lambda:DeleteFunction",
    "lambda:DeleteFunctionEventInvokeConfig",
    "lambda:PutFunctionEventInvokeConfig",
    "lambda:RemovePermission",
    "lambda:TagResource",
    "lambda:UntagResource",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
    "logs:DeleteLogGroup",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
    "logs:UntagResource",
)
PASSED_TO = ("lambda.amazonaws.com", "scheduler.amazonaws.com")
# GetFunction answers the tags, and with them the owner, only to who may list them.
# https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
FUNCTION_ACTIONS = (
    "lambda:GetFunction",
    "lambda:GetFunctionEventInvokeConfig",
    "lambda:GetPolicy",
    "lambda:ListTags",
)
# Functions of others, to which mode Attach adds: only where roles of such functions are named.
ATTACHED_FUNCTION_ACTIONS = ("lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionConfiguration")
LOG_ACTIONS = ("logs:ListTagsForResource",)
LOG_ACCOUNT_ACTIONS = ("logs:DescribeLogGroups",)
# PutRule and PutTargets make new rules of the operator, too, which no object owns.
RULE_ACTIONS = (
    "events:DescribeRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:TagResource",
)
# Schedules carry no tags, and neither do dashboards: they are bound by their names only.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
SCHEDULE_ACTIONS = (
    "scheduler:CreateSchedule",
    "scheduler:DeleteSchedule",
    "scheduler:GetSchedule",
    "scheduler:UpdateSchedule",
)
# API Gateway's actions are the verbs of HTTP.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
HTTP_API_ACTIONS = ("apigateway:GET",)
NEW_HTTP_API_ACTIONS = ("apigateway:POST",)
OWN_HTTP_API_ACTIONS = ("apigateway:DELETE", "apigateway:PATCH", "apigateway:POST")
# Tags are resources beside the API, of which no tag is known: anyone who may write tags of one API may write those of all.
HTTP_TAG_ACTIONS = ("apigateway:DELETE", "apigateway:POST")
# All alarms and dashboards of this operator begin alike, whatever the function is called; see model/naming.py.
ALARM_ACTIONS = ("cloudwatch:ListTagsForResource",)
# A composite alarm can be put only by who may put any.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
ALARM_ACCOUNT_ACTIONS = ("cloudwatch:DescribeAlarms", "cloudwatch:PutCompositeAlarm")
# It has no resource level, but the namespace can be said.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
METRIC_ACTIONS = ("cloudwatch:PutMetricData",)
DASHBOARD_ACTIONS = ("cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard")


class Part(StrEnum):
    """A part of the policy, where it is too long for one managed policy."""

    PARAMETERS = "parameters"
    """Parameters, keys, events, alarms and dashboards."""
    FUNCTIONS = "functions"
    """Functions, their roles and all that belongs to them, and whatever is denied."""


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
    untagged_api_parts: bool = False
    """Routes, integrations and stages of any HTTP API may be written, whatever tags the API has."""

    @property
    def is_watching(self) -> bool:
        """Whether alarms and dashboards are kept."""
        return self.alarms or bool(self.functions)


Statements = list[dict[str, Any]]


def operator_policy(allowed: Allowed, part: Part | None = None) -> dict[str, Any]:
    """The policy, or one of its parts, which a role needs both. A statement for each condition: each takes room."""
    arns = Arns(allowed.region, lambda: allowed.account)
    statements: Statements = []
    if part is not Part.FUNCTIONS:
        statements += [*_parameters(allowed, arns), *_events(allowed, arns)]
        if allowed.is_watching and not allowed.functions:
            alarm = [arns.alarm(f"{PREFIX}*")]
            statements += [_allow("New", NEW_ACTIONS, alarm, **_TAGGED), _allow("Own", OWN_ACTIONS, alarm, **_OWNED)]
    if part is not Part.PARAMETERS:
        if allowed.functions:
            statements += [*_functions(allowed, arns), *_roles(allowed, arns), *_attached(allowed, arns)]
        if allowed.operator_role:
            # Else it could give itself more than it has, or pass itself on.
            statements.append({"Sid": "Self", "Effect": "Deny", "Action": "iam:*", "Resource": allowed.operator_role})
    return {"Version": "2012-10-17", "Statement": statements}


def broad(allowed: Allowed) -> list[str]:
    """The patterns of names that begin with nothing in particular, and so allow what others have."""
    names = (*allowed.functions, *allowed.attached_roles)
    return [name for name in dict.fromkeys(names) if len(re.split(r"[*?]", name, maxsplit=1)[0]) < DISTINCT]


def advice(policy: dict[str, Any], part: Part | None = None) -> str:
    """What to do where IAM would find the policy too long, or an empty text."""
    length = len("".join(json.dumps(policy, separators=(",", ":")).split()))
    if length <= MANAGED_CHARACTERS:
        return ""
    told = f"the policy has {length:,} characters, and a managed policy takes {MANAGED_CHARACTERS:,}"
    shorter, split = "name fewer paths, by a common beginning", "print two, with --part parameters and --part functions"
    if length <= INLINE_CHARACTERS:
        inline = f"give it to the role as an inline policy, which takes {INLINE_CHARACTERS:,}"
        return f"{told}: {shorter if part else split}, or {inline}"
    told = f"{told}, an inline policy of a role {INLINE_CHARACTERS:,}"
    return f"{told}: {shorter}" if part else f"{told}: {split}, and {shorter}"


def _events(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    """The queue by which events are received, all rules, alarms and dashboards: what is bound by names."""
    actions, named = [*QUEUE_ACTIONS, *RULE_ACTIONS], [arns.queue(f"{PREFIX}*")]
    named += [arns.rule(name) for name in dict.fromkeys((f"{PREFIX}*", *_following(allowed.functions)))]
    if allowed.is_watching:
        actions += [*ALARM_ACTIONS, *DASHBOARD_ACTIONS]
        named += [arns.alarm(f"{PREFIX}*"), arns.dashboard(f"{PREFIX}*")]
    yield _allow("Events", actions, named)
    cluster = {f"aws:ResourceTag/{CLUSTER_TAG}": "*"}
    yield _allow("EventRules", OWN_EVENT_RULE_ACTIONS, arns.rule(f"{PREFIX}*"), StringLike=cluster)
    if allowed.is_watching:
        yield _allow("Metrics", METRIC_ACTIONS, "*", StringEquals={"cloudwatch:namespace": OWN_NAMESPACE})


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


def _functions(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    """Functions and what belongs to them."""
    groups = [arns.log_group(f"/aws/lambda/{name}") for name in allowed.functions]
    # Calls about a group name it with an asterisk, calls about its tags without one.
    groups = [arn for group in groups for arn in ([group] if group.endswith("*") else [group, f"{group}:*"])]
    functions = [arns.function(name) for name in allowed.functions]
    rules = [arns.rule(name) for name in _following(allowed.functions)]
    schedules = [arns.schedule(name) for name in allowed.functions]
    # The ids of APIs are chance, so that no name can be said here; the operator finds its own by their tag.
    apis, api = arns.http_apis(), arns.http_api("*")
    alarm, role = arns.alarm(f"{PREFIX}*"), arns.role("*")
    bounded = bool(allowed.boundary)
    named = [*FUNCTION_ACTIONS, *LOG_ACTIONS, *SCHEDULE_ACTIONS, *LOOK_ACTIONS, *ROLE_ACTIONS, *HTTP_API_ACTIONS]
    named += () if bounded else ROLE_POLICY_ACTIONS
    yield _allow("Named", named, [*functions, *groups, *schedules, role, apis, api])
    new = [*NEW_ACTIONS, *NEW_FUNCTION_ACTIONS, *NEW_HTTP_API_ACTIONS, *(() if bounded else NEW_ROLE_ACTIONS)]
    yield _allow("New", new, [alarm, *functions, *groups, role, apis, arns.new_http_tags()], **_TAGGED)
    own = [*OWN_ACTIONS, *OWN_FUNCTION_ACTIONS, *OWN_HTTP_API_ACTIONS, *(() if bounded else OWN_ROLE_ACTIONS)]
    yield _allow("Own", own, [alarm, *functions, *groups, *rules, role, api], **_OWNED)
    yield _allow("ApiTags", HTTP_TAG_ACTIONS, arns.http_tags())
    if allowed.untagged_api_parts:
        parts = [arns.http_api(f"*/{part}*") for part in ("integrations", "routes", "stages")]
        yield _allow("ApiParts", OWN_HTTP_API_ACTIONS, parts)
    found = [layers.public_parameters(allowed.region), *layers.patterns(allowed.region), *allowed.own_layers]
    yield _allow("Layers", ("lambda:GetLayerVersion", "ssm:GetParameter"), found)


def _roles(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    below = arns.role("*")
    named = [arns.role(name, path="/") for name in _following(allowed.functions)]
    yield _allow("Look", LOOK_ACTIONS, named)
    if allowed.boundary:
        bound = _bound(allowed)
        yield _allow("RolePolicies", ROLE_POLICY_ACTIONS, below, **bound)
        yield _allow("NewRoles", NEW_ROLE_ACTIONS, below, **bound, **_TAGGED)
        yield _allow("OwnRoles", (*OWN_ROLE_ACTIONS, *BOUNDARY_ACTIONS), below, **bound, **_OWNED)
        yield {"Sid": "Boundary", "Effect": "Deny", "Action": list(DENIED_WITH_BOUNDARY), "Resource": "*"}
    # Not by the tag of the role, which has no reliable results here.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    yield _allow("PassRole", ("iam:PassRole",), below, StringEquals={"iam:PassedToService": list(PASSED_TO)})
    if allowed.earlier_roles:
        yield _allow("EarlierRoles", EARLIER_ROLE_ACTIONS, named, **_OWNED)


def _attached(allowed: Allowed, arns: Arns) -> Iterable[dict[str, Any]]:
    """Functions that mode Attach adds to, and their roles: within the boundary, too, where there is one."""
    if not allowed.attached_roles:
        return
    yield _allow("Attached", ATTACHED_FUNCTION_ACTIONS, [arns.function(name) for name in allowed.functions])
    # The Lambda console makes roles with a path, /service-role/.
    roles = [arns.role(place, path="/") for name in allowed.attached_roles for place in (name, f"*/{name}")]
    yield _allow("AttachedRoles", ATTACHED_ROLE_READS, roles)
    yield _allow("AttachedRolePolicies", ATTACHED_ROLE_ACTIONS, roles, **_bound(allowed))


def _bound(allowed: Allowed) -> dict[str, Any]:
    return {"StringEquals": {"iam:PermissionsBoundary": allowed.boundary}} if allowed.boundary else {}


# What carries our owner tag: cluster, namespace, name and uid.
_OWNER = "*/*/*/*"
_OWNED = {"StringLike": {f"aws:ResourceTag/{OWNER_TAG}": _OWNER}}
_TAGGED = {"StringLike": {f"aws:RequestTag/{OWNER_TAG}": _OWNER}}


def _following(functions: Sequence[str]) -> list[str]:
    """Patterns of the names that follow from those of functions: something is added, and what is too long is cut."""
    return [name if name.endswith("*") else f"{name[: LONGEST - 9]}-*" for name in functions]


def _allow(sid: str, actions: Sequence[str], resources: list[str] | str, **conditions: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": conditions} if conditions else statement
