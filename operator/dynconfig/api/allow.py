"""What a namespace may use of AWS, as an administrator writes it: rules that grant, and nothing that denies."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.model import Model, Rule

NAMESPACE = "{namespace}"
"""Stands in a pattern for the name of the namespace."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_OF_AN_ACCOUNT = re.compile(r"arn:[a-z*-]+:[a-z0-9*-]+:[a-z0-9*-]*:[0-9]{12}:\S+")


class Usable(StrEnum):
    """What an object may make or change in AWS."""

    PARAMETERS = "parameters"
    ALARMS = "alarms"
    DASHBOARD = "dashboard"
    FUNCTION = "function"
    ATTACH = "attach"
    PUBLIC_HTTP_API = "publicHttpApi"


class Operator(StrEnum):
    """How a label is compared."""

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
            cel="",
            message="values belong to In and NotIn, which need at least one",
            holds=lambda expression: bool(expression.values) == (expression.operator in (Operator.IN, Operator.NOT_IN)),
        ),
    )


class NamespaceSelector(Model):
    """Selects namespaces by their labels: all conditions together; without any, all namespaces.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: list[LabelExpression] = Field(default_factory=list)


Patterns = list[Annotated[str, Field(min_length=1, max_length=2048)]]


class AllowRule(Model):
    """Grants to namespaces; what several rules grant to one adds up. In names and ARNs, `*` stands for any text but a colon."""

    namespaces: list[str] = Field(default_factory=list)
    """Names of namespaces; * for all."""
    namespace_selector: NamespaceSelector | None = None
    """Namespaces by their labels, besides those that are named."""
    paths: list[Annotated[str, Field(pattern="^/")]] = Field(default_factory=list)
    """Paths of Parameter Store, each with all below it."""
    resources: list[Usable] | None = None
    """What may be made; absent: what every namespace may make (parameters, alarms, dashboard, function)."""
    names: Patterns = Field(default_factory=list)
    """Names of functions and roles beside those that begin with dynconfig-NAMESPACE."""
    layers: Patterns = Field(default_factory=list)
    """ARNs of Lambda layer versions beside AWS's own extension."""
    destinations: Patterns = Field(default_factory=list)
    """ARNs for events that failed; each with the number of its account."""
    topics: Patterns = Field(default_factory=list)
    """ARNs of SNS topics for alarms; each with the number of its account."""
    regions: list[str] = Field(default_factory=list)
    """AWS regions beside the operator's own."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="",
            message="a rule needs namespaces or namespaceSelector; namespaces: ['*'] is for all",
            holds=lambda rule: bool(rule.namespaces) or rule.namespace_selector is not None,
        ),
        Rule(
            cel="",
            message="destinations and topics are ARNs with the 12 digits of their account, such as "
            "arn:aws:sns:eu-west-1:123456789012:{namespace}_*",
            holds=lambda rule: all(_OF_AN_ACCOUNT.fullmatch(arn) for arn in (*rule.destinations, *rule.topics)),
        ),
    )


class Policy(Model):
    """The file of all rules."""

    allow: list[AllowRule] = Field(default_factory=list)
    """Absent or empty: every namespace may use what needs no rule."""
