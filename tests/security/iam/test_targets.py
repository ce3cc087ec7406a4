"""The roles of targets: what their printed policies deny, and whom their trust policies and those of the own role accept."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.security.iam.calls import ACCOUNT, LAMBDA, REGION, arn
from tests.security.iam.evaluator import Context, Decision, Request, decide, trusts

from dynconfig.api.target import AWSTargetSpec
from dynconfig.aws import trust
from dynconfig.aws.permissions import document, operator_policy
from dynconfig.aws.trust import ServiceAccount
from dynconfig.model.target import Target
from dynconfig.validation.target_access import allowed_in

ALLOWED = Decision.ALLOWED
OTHER = "999999999999"
ROLE, OPERATOR = f"arn:aws:iam::{ACCOUNT}:role/dynconfig", f"arn:aws:iam::{OTHER}:role/dynconfig-operator"
BOUNDARY, ALIAS = f"arn:aws:iam::{ACCOUNT}:policy/boundary", "alias/prod"
SPEC = AWSTargetSpec.model_validate(
    {
        "region": REGION,
        "account": ACCOUNT,
        "assumeRole": {"roleArn": ROLE, "externalId": "shop-4711", "sessionTags": True},
        "kmsKeyId": ALIAS,
        "permissionsBoundary": BOUNDARY,
        "allow": [
            {"namespaces": ["shop"], "paths": ["/{namespace}"]},
            {"namespaces": ["cart"], "paths": ["/carts/{namespace}"], "resources": ["parameters", "function"]},
        ],
    }
)
POLICY = operator_policy(allowed_in(SPEC))
OWNER = {f"aws:{kind}Tag/dynconfig.dev/owner": "cluster/shop/app/uid-1" for kind in ("Request", "Resource")}
CLUSTER_TAGGED = {f"aws:{kind}Tag/dynconfig.dev/cluster": "c" for kind in ("Request", "Resource")}
BOUND = {**OWNER, "iam:PermissionsBoundary": BOUNDARY}
OURS = f"arn:aws:iam::{ACCOUNT}:role/dynconfig/dynconfig-cart-app"
IN_SHOP = arn("ssm", "parameter/shop/a")
KEY = arn("kms", "key/1")
USE = {
    "kms:ViaService": f"ssm.{REGION}.amazonaws.com",
    "kms:EncryptionContext:PARAMETER_ARN": IN_SHOP,
    "kms:ResourceAliases": (ALIAS, "alias/other"),
}


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("ssm:PutParameter", IN_SHOP, {}),
        ("ssm:PutParameter", arn("ssm", "parameter/carts/cart/a"), {}),
        ("cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:dynconfig-shop-app/Drift"), OWNER),
        ("lambda:CreateFunction", arn("lambda", "function:dynconfig-cart-app"), OWNER),
        ("iam:CreateRole", OURS, BOUND),
        ("kms:Decrypt", KEY, USE),
        ("ssm:DescribeParameters", "*", {"aws:RequestedRegion": REGION}),
        # Events of the target are received in its account.
        ("sqs:CreateQueue", arn("sqs", "dynconfig-c-events"), CLUSTER_TAGGED),
        ("sqs:ReceiveMessage", arn("sqs", "dynconfig-c-events"), CLUSTER_TAGGED),
        ("events:PutRule", arn("events", "rule/dynconfig-c-parameters"), CLUSTER_TAGGED),
    ],
)
def test_objects_of_the_target_may_have_what_its_rules_allow(action: str, resource: str, context: Context) -> None:
    assert decide([POLICY], Request(action, resource, context)) is ALLOWED


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        # Paths of another namespace.
        ("ssm:PutParameter", arn("ssm", "parameter/payments/a"), OWNER),
        ("ssm:PutParameter", arn("ssm", "parameter/shopping/a"), OWNER),
        ("ssm:GetParameters", arn("ssm", "parameter/carts/payments/a"), OWNER),
        # Another region or account.
        ("ssm:PutParameter", IN_SHOP.replace(REGION, "us-east-1"), OWNER),
        ("ssm:PutParameter", IN_SHOP.replace(ACCOUNT, OTHER), OWNER),
        ("lambda:CreateFunction", arn("lambda", "function:dynconfig-cart-app").replace(REGION, "us-east-1"), OWNER),
        ("ssm:DescribeParameters", "*", {"aws:RequestedRegion": "us-east-1"}),
        ("cloudwatch:DescribeAlarms", "*", {"aws:RequestedRegion": "us-east-1"}),
        # The key of others, or not through Parameter Store for these paths.
        ("kms:Decrypt", KEY, {**USE, "kms:ResourceAliases": ("alias/other",)}),
        ("kms:Decrypt", KEY, {key: value for key, value in USE.items() if key != "kms:ResourceAliases"}),
        ("kms:Decrypt", KEY.replace(ACCOUNT, OTHER), USE),
        ("kms:Decrypt", KEY, {**USE, "kms:EncryptionContext:PARAMETER_ARN": arn("ssm", "parameter/payments/a")}),
        # Functions of a namespace that may have none, attachments, and queues and rules of others.
        ("lambda:CreateFunction", arn("lambda", "function:dynconfig-shop-app"), OWNER),
        ("lambda:UpdateFunctionConfiguration", arn("lambda", "function:dynconfig-cart-app"), {}),
        ("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/cart-role", BOUND),
        ("sqs:CreateQueue", arn("sqs", "other-events"), OWNER),
        ("events:PutRule", arn("events", "rule/other"), OWNER),
        # Roles without the boundary, the role itself, and roles of other targets.
        ("iam:CreateRole", OURS, OWNER),
        ("iam:PutRolePolicy", ROLE, BOUND),
        ("sts:AssumeRole", ROLE, {}),
    ],
)
def test_all_else_is_denied(action: str, resource: str, context: Context) -> None:
    assert decide([POLICY], Request(action, resource, context)) is not ALLOWED


def test_roles_are_passed_to_lambda_only_if_functions_are_allowed() -> None:
    passed = Request("iam:PassRole", OURS, {"iam:PassedToService": LAMBDA})
    assert decide([POLICY], passed) is ALLOWED
    without = SPEC.model_copy(update={"allow": SPEC.allow[:1]})
    assert decide([operator_policy(allowed_in(without))], passed) is not ALLOWED


CLUSTER = f"arn:aws:eks:{REGION}:{OTHER}:cluster/prod"
PLAIN, ON_EKS = (ServiceAccount(cluster, "dynconfig-system", "dynconfig-operator") for cluster in ("", CLUSTER))


def both(policy: Mapping[str, Any], principal: tuple[str, str], context: Context) -> bool:
    """Whether a role is assumed with session tags, which takes both actions."""
    return all(trusts(policy, action, principal, context) is ALLOWED for action in (trust.ASSUME, trust.TAG))


def without_each(context: Context) -> list[Context]:
    """The context without each of its keys, and with another value of each."""
    missing = [{key: value for key, value in context.items() if key != left} for left in context]
    return [*missing, *({**context, key: f"{value}x"} for key, value in context.items())]


def test_irsa_accepts_only_the_service_account_of_the_cluster_for_sts() -> None:
    issuer = f"oidc.eks.{REGION}.amazonaws.com/id/ABC"
    provider = f"arn:aws:iam::{OTHER}:oidc-provider/{issuer}"
    policy, action = trust.irsa(provider, PLAIN), "sts:AssumeRoleWithWebIdentity"
    subject = "system:serviceaccount:dynconfig-system:dynconfig-operator"
    context = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}
    assert trusts(policy, action, ("Federated", provider), context) is ALLOWED
    assert trusts(policy, action, ("Federated", f"{provider}D"), context) is not ALLOWED
    assert trusts(policy, "sts:AssumeRole", ("Federated", provider), context) is not ALLOWED
    wrong = [*without_each(context), {**context, f"{issuer}:sub": subject.replace("-operator", "-*")}]
    assert [each for each in wrong if trusts(policy, action, ("Federated", provider), each) is ALLOWED] == []


def test_pod_identity_accepts_only_the_service_account_of_the_cluster() -> None:
    policy, service = trust.pod_identity(ON_EKS), ("Service", "pods.eks.amazonaws.com")
    context = ON_EKS.tags("Request")
    assert both(policy, service, context)
    assert not both(policy, ("Service", "ec2.amazonaws.com"), context)
    assert [each for each in without_each(context) if both(policy, service, each)] == []


TAGS = {"aws:RequestTag/dynconfig.dev/cluster": "c1", "aws:RequestTag/dynconfig.dev/target": "prod"}
EXTERNAL = {"sts:ExternalId": "shop-4711"}


@pytest.mark.parametrize("account", [PLAIN, ON_EKS])
@pytest.mark.parametrize("has_tags", [False, True])
@pytest.mark.parametrize("external_id", ["", "shop-4711"])
def test_role_of_a_target_accepts_only_the_operator_with_external_id_and_tags(
    account: ServiceAccount, has_tags: bool, external_id: str
) -> None:
    target = Target("prod", REGION, ACCOUNT, ROLE, external_id, has_tags)
    policy = trust.target_role(target, OPERATOR, "c1", account)
    tags = {**(TAGS if has_tags else {}), **(account.tags("Principal") if account.cluster else {})}
    context = {**tags, **(EXTERNAL if external_id else {})}
    assert trusts(policy, trust.ASSUME, ("AWS", OPERATOR), context) is ALLOWED
    for other in (f"{OPERATOR}-2", f"arn:aws:iam::{OTHER}:root", "*"):
        assert trusts(policy, trust.ASSUME, ("AWS", other), context) is not ALLOWED
    for wrong in without_each(context):
        assert trusts(policy, trust.ASSUME, ("AWS", OPERATOR), wrong) is not ALLOWED
    # AWS documents the external ID for AssumeRole only.
    assert (trusts(policy, trust.TAG, ("AWS", OPERATOR), tags) is ALLOWED) is bool(tags)
    for wrong in without_each(tags):
        assert trusts(policy, trust.TAG, ("AWS", OPERATOR), wrong) is not ALLOWED


@pytest.mark.parametrize("is_pod_identity", [False, True])
def test_operator_may_assume_exactly_the_roles_of_targets(is_pod_identity: bool) -> None:
    tagged, plain = f"{ROLE}-tagged", f"{ROLE}-plain"
    targets = [
        Target("a", REGION, ACCOUNT, tagged, has_session_tags=True),
        Target("b", REGION, ACCOUNT, plain),
        Target("own", REGION, ACCOUNT),
    ]
    policy = document(*trust.assume(targets, is_pod_identity=is_pod_identity))
    roles = {
        action: [role for role in (tagged, plain, ROLE) if decide([policy], Request(action, role)) is ALLOWED]
        for action in (trust.ASSUME, trust.TAG)
    }
    assert roles == {trust.ASSUME: [tagged, plain], trust.TAG: [tagged, plain] if is_pod_identity else [tagged]}
    assert trust.assume(targets[2:], is_pod_identity=is_pod_identity) == []
