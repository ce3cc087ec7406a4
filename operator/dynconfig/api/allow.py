"""The AWS resources that each namespace may use, as allow rules written by an administrator. There are no deny rules."""

import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dynconfig.api.model import Model, Rule

NAMESPACE = "{namespace}"
"""Placeholder for the name of the namespace in a pattern."""

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
_OF_AN_ACCOUNT = r"arn:[a-z*-]+:[a-z0-9*-]+:[a-z0-9*-]*:[0-9]{12}:\S+"
MAX_ENTRIES = 100
"""Maximum number of entries in each list of a rule of an AWSTarget. A file has no such limit."""


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


def _limited(**limits: int | str) -> Any:
    """Limits of the CRD only: the policy file has none but its size."""
    return Field(json_schema_extra=dict(limits))


Label = Annotated[str, _limited(maxLength=317)]
LabelValue = Annotated[str, _limited(maxLength=63)]
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
Namespace = Annotated[str, _limited(maxLength=63)]


class LabelExpression(Model):
    """One condition on the labels of a namespace."""

    key: Annotated[str, Field(min_length=1, json_schema_extra={"maxLength": 317})]
    """Key of the label."""
    operator: Operator
    """In and NotIn compare the value of the label with values; Exists and DoesNotExist ignore it."""
    values: Annotated[list[LabelValue], _limited(maxItems=MAX_ENTRIES)] = Field(default_factory=list)
    """Values for In and NotIn."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="In and NotIn require at least one value; Exists and DoesNotExist take none",
            holds=lambda expression: bool(expression.values) == (expression.operator in (Operator.IN, Operator.NOT_IN)),
        ),
    )


class NamespaceSelector(Model):
    """Selects the namespaces whose labels meet all conditions; without conditions, all namespaces.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
    """

    match_labels: Annotated[dict[Label, LabelValue], _limited(maxProperties=MAX_ENTRIES)] = Field(default_factory=dict)
    """Labels that a namespace must have, with these values."""
    match_expressions: Annotated[list[LabelExpression], _limited(maxItems=MAX_ENTRIES)] = Field(default_factory=list)
    """Conditions on labels that a namespace must meet."""


Patterns = Annotated[list[Annotated[str, Field(min_length=1, max_length=2048)]], _limited(maxItems=MAX_ENTRIES)]
Arns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=2048, json_schema_extra={"pattern": f"^{_OF_AN_ACCOUNT}$"})]],
    _limited(maxItems=MAX_ENTRIES),
]


class Grant(Model):
    """Permissions of namespaces in one place. In names and ARNs, `*` matches any text without a colon."""

    namespaces: Annotated[list[Namespace], _limited(maxItems=MAX_ENTRIES)] = Field(default_factory=list)
    """Names of namespaces; * for all."""
    namespace_selector: NamespaceSelector | None = None
    """Selects namespaces by label, in addition to those in namespaces."""
    paths: Annotated[
        list[Annotated[str, Field(pattern="^/", json_schema_extra={"maxLength": 400})]],
        _limited(maxItems=MAX_ENTRIES),
    ] = Field(default_factory=list)
    """Parameter Store paths, each including everything below it. {namespace} is replaced by the name of the namespace."""
    resources: Annotated[list[Usable], _limited(maxItems=len(Usable))] | None = None
    """Resources that may be created. Defaults to those every namespace may create: parameters, alarms, dashboard, function."""
    names: Patterns = Field(default_factory=list)
    """Names of functions and roles, in addition to those that begin with dynconfig-NAMESPACE."""
    layers: Patterns = Field(default_factory=list)
    """ARNs of Lambda layer versions, in addition to AWS's own extension."""
    destinations: Arns = Field(default_factory=list)
    """ARNs of failure destinations, each with its account ID."""
    topics: Arns = Field(default_factory=list)
    """ARNs of SNS topics for alarms, each with its account ID."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.namespaceSelector) || (has(self.namespaces) && size(self.namespaces) > 0)",
            message="a rule requires namespaces or namespaceSelector; namespaces: ['*'] selects all",
            holds=lambda rule: bool(rule.namespaces) or rule.namespace_selector is not None,
        ),
        # The pattern in the CRD enforces this in the API server.
        Rule(
            message="destinations and topics must be ARNs with a 12-digit account ID, for example "
            "arn:aws:sns:eu-west-1:123456789012:{namespace}_*",
            holds=lambda rule: all(re.fullmatch(_OF_AN_ACCOUNT, arn) for arn in (*rule.destinations, *rule.topics)),
        ),
    )


class AllowRule(Grant):
    """Permissions of namespaces in the policy file. Rules for the same namespace add up."""

    regions: list[str] = Field(default_factory=list)
    """AWS regions, in addition to the operator's own."""


class Policy(Model):
    """The policy file."""

    allow: list[AllowRule] = Field(default_factory=list)
    """Allow rules. If absent or empty, every namespace may use what needs no rule."""
