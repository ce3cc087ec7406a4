"""Statements of the function's resource policy that allow the rule and the HTTP API to invoke it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.owned import function_of, of_kind
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED, OWN, Allowed, Grant
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.resource import ASSIGNED, Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

BY_RULE, BY_HTTP_API = "dynconfig-parameters", "dynconfig-http-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission(Resource):
    """A statement that allows a service to invoke the function for one source; its name is the statement id."""

    kind: ClassVar[str] = "Permission"
    arn: str = field(default="", metadata={"compare": False})
    function: str
    principal: str
    action: str = "lambda:InvokeFunction"
    source: str


class Permissions:
    """Manage the operator's statements on the owner's functions; other statements are ignored."""

    value = Permission
    needs = ("Function", "Rule", "Schedule", "HttpApi")

    def __init__(self, context: Context) -> None:
        self._lambda: LambdaClient = context.client("lambda")
        self._arns = context.arns

    def desired(self, declaration: Declaration) -> Iterator[Permission]:
        """Return one for the rule, and one for the HTTP API with its id, which AWS assigns on creation."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        if function.triggers.parameter_change:
            rule = self._arns.rule(declaration.names.rule)
            yield self._permission(declaration, BY_RULE, "events.amazonaws.com", rule)
        if function.triggers.http_api:
            ids = (str(getattr(api, "api_id", "")) for api in of_kind(declaration.observed_so_far, "HttpApi"))
            source = self._arns.http_calls(next(ids, ASSIGNED))
            yield self._permission(declaration, BY_HTTP_API, "apigateway.amazonaws.com", source)

    def observe(self, scope: Scope, desired: Sequence[Permission]) -> Iterable[Permission]:
        """Return the operator's statements on the owner's function."""
        function = function_of(scope)
        if function is None:
            return ()
        try:
            answer = self._lambda.get_policy(FunctionName=function.name)
        except NotFound:
            return ()
        statements = json.loads(answer["Policy"])["Statement"]
        ours = (statement for statement in statements if statement.get("Sid") in (BY_RULE, BY_HTTP_API))
        return [_observed(statement, function, scope) for statement in ours]

    def refuse(self, desired: Permission, observed: Permission | None) -> None:
        """Nothing to check in advance."""

    def put(self, desired: Permission, observed: Permission | None) -> Permission:
        """Replace the statement; it is left unchanged as long as its HTTP API does not exist."""
        if ASSIGNED in desired.source:
            if observed is None:
                raise Conflict(f"function {desired.function}: its HTTP API does not exist yet; retrying", delay=1.0)
            return observed
        if observed is not None:
            self.delete([observed])
        self._lambda.add_permission(
            FunctionName=desired.function,
            StatementId=desired.name,
            Action=desired.action,
            Principal=desired.principal,
            SourceArn=desired.source,
        )
        return desired

    def delete(self, observed: Sequence[Permission]) -> None:
        """Remove the statements."""
        for permission in observed:
            try:
                self._lambda.remove_permission(FunctionName=permission.function, StatementId=permission.name)
            except NotFound:
                continue

    def release(self, observed: Permission) -> None:
        """Do nothing: it stays with its function and has no owner mark."""

    def _permission(self, declaration: Declaration, name: str, principal: str, source: str) -> Permission:
        function = declaration.names.function
        return Permission(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.function(function),
            function=function,
            principal=principal,
            source=source,
        )


def _observed(statement: dict[str, Any], function: Resource, scope: Scope) -> Permission:
    principal, condition = statement.get("Principal", {}), statement.get("Condition", {})
    source = next((test["AWS:SourceArn"] for test in condition.values() if "AWS:SourceArn" in test), "")
    return Permission(
        name=statement["Sid"],
        owner=scope.owner.tag,
        follows=statement["Sid"] == BY_HTTP_API,
        arn=str(getattr(function, "arn", "")),
        function=function.name,
        principal=principal.get("Service", "") if isinstance(principal, dict) else str(principal),
        action=str(statement.get("Action", "")),
        source=str(source),
    )


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.function(name) for name in allowed.functions]


FACTS = Facts(
    kind=Permission.kind,
    service="lambda",
    event_source=EventSource("lambda"),
    grants=(
        Grant(statement=NAMED, rank=1, actions=("lambda:GetPolicy",), resources=_arns),
        Grant(statement=OWN, rank=1, actions=("lambda:AddPermission", "lambda:RemovePermission"), resources=_arns),
    ),
    errors={"PolicyLengthExceededException": errors.QuotaExceeded, "PublicPolicyException": errors.AccessDenied},
    quotas=(
        # These cannot be raised.
        # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        Group("lambda.Policy", ("lambda.GetPolicy",), 15.0),
        Group("lambda.Control", ("lambda.AddPermission", "lambda.RemovePermission"), 15.0),
    ),
)

build = Permissions
