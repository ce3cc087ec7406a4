"""The IAM actions that calls need, and those that the operator's policy allows."""

from typing import Any

import botocore.session

from dynconfig.aws.permissions import operator_policy
from dynconfig.model.allowed import Allowed
from dynconfig.model.facts import Facts

_PREFIXES = {"resourcegroupstaggingapi": "tag"}


def action(call: str) -> str:
    """The IAM action of a call such as lambda.GetFunction."""
    service, _, operation = call.partition(".")
    if service == "apigatewayv2":
        model = botocore.session.get_session().get_service_model(service)
        return f"apigateway:{model.operation_model(operation).http['method']}"
    return f"{_PREFIXES.get(service, service)}:{operation.removesuffix('Batch')}"


def actions(*everything: Facts, service: str = "") -> set[str]:
    """All actions that these facts grant, or those of one service by its prefix in IAM."""
    found = {action for facts in everything for grant in facts.grants for action in grant.actions}
    return {action for action in found if action.startswith(f"{service}:" if service else "")}


def allowed(**about: Any) -> set[str]:
    """All actions of the policy for an operator that manages everything, or the given document."""
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    requested = Allowed(paths=["/a"], account="123456789012", region="eu-west-1", keys=[key], **about)
    statements = operator_policy(requested)["Statement"]
    return {action for statement in statements if statement["Effect"] == "Allow" for action in statement["Action"]}
