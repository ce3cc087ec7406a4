"""The AWS resources that each namespace may use, as allow rules written by an administrator. There are no deny rules."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.model import Model, Rule

NAMESPACE = "{namespace}"
"""Placeholder for the name of the namespace in a pattern."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_OF_AN_ACCOUNT = re.compile(r"arn:[a-z*-]+:[a-z0-9*-]+:[a-z0-9*-]*:[0-9]{12}:\S+")


class Usable(StrEnum):
    """The resources that an object may create or change in AWS."""

    PARAMETERS = "parameters"
    ALARMS = "alarms"
    DASHBOARD = "dashboard"
    FUNCTION = "function"
    ATTACH = "attach"
    PUBLIC_HTTP_API = "publicHttpApi"


class Operator(StrEnum):
    """Operator of a label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(Model):
    """One condition on the labels of a namespace."""

    key: Annotated[str, Field(min_length=1)]
    operator: Operator
    values: list[str] = Field(default_factory=list)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="In and NotIn require at least one value; Exists and DoesNotExist take none",
            holds=lambda expression: bool(expression.values) == (expression.operator in (Operator.IN, Operator.NOT_IN)),
        ),
    )


class NamespaceSelector(Model):
    """Selects the namespaces whose labels meet all conditions; without conditions, all namespaces.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: list[LabelExpression] = Field(default_factory=list)


Patterns = list[Annotated[str, Field(min_length=1, max_length=2048)]]


class AllowRule(Model):
    """Permissions of namespaces. Rules for the same namespace add up. In names and ARNs, `*` matches any text without a colon."""

    namespaces: list[str] = Field(default_factory=list)
    """Names of namespaces; * for all."""
    namespace_selector: NamespaceSelector | None = None
    """Selects namespaces by label, in addition to those in namespaces."""
    paths: list[Annotated[str, Field(pattern="^/")]] = Field(default_factory=list)
    """Parameter Store paths, each including everything below it."""
    resources: list[Usable] | None = None
    """Resources that may be created. Defaults to those every namespace may create: parameters, alarms, dashboard, function."""
    names: Patterns = Field(default_factory=list)
    """Names of functions and roles, in addition to those that begin with dynconfig-NAMESPACE."""
    layers: Patterns = Field(default_factory=list)
    """ARNs of Lambda layer versions, in addition to AWS's own extension."""
    destinations: Patterns = Field(default_factory=list)
    """ARNs of failure destinations, each with its account ID."""
    topics: Patterns = Field(default_factory=list)
    """ARNs of SNS topics for alarms, each with its account ID."""
    regions: list[str] = Field(default_factory=list)
    """AWS regions, in addition to the operator's own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="a rule requires namespaces or namespaceSelector; namespaces: ['*'] selects all",
            holds=lambda rule: bool(rule.namespaces) or rule.namespace_selector is not None,
        ),
        Rule(
            message="destinations and topics must be ARNs with a 12-digit account ID, for example "
            "arn:aws:sns:eu-west-1:123456789012:{namespace}_*",
            holds=lambda rule: all(_OF_AN_ACCOUNT.fullmatch(arn) for arn in (*rule.destinations, *rule.topics)),
        ),
    )


class Policy(Model):
    """The policy file."""

    allow: list[AllowRule] = Field(default_factory=list)
    """Allow rules. If absent or empty, every namespace may use what needs no rule."""
