"""The on-failure destination of the function's asynchronous invocations."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from dynconfig.api.function import Mode
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.detail_cache import DetailCache
from dynconfig.kinds._shared.owned import of_kind
from dynconfig.model.allowed import NAMED, OWN, Allowed, Grant
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotFound, NotPossible, RoleNotReady
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDestination(Resource):
    """The on-failure destination of a function; it has the function's name."""

    kind: ClassVar[str] = "FailureDestination"
    declared_in: ClassVar[str] = "spec.function.onFailure"
    arn: str = field(default="", metadata={"compare": False})
    destination: str


class FailureDestinations:
    """Manage the event-invoke configuration of the owner's functions."""

    value = FailureDestination
    needs = ("Function",)
    needs_current = ("Role",)

    def __init__(self, context: Context) -> None:
        self._lambda: LambdaClient = context.client("lambda")
        self._arns = context.arns
        self._cache = DetailCache[str](context.clock)

    def desired(self, declaration: Declaration) -> Iterable[FailureDestination]:
        """Return the destination, if one is declared."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH or not function.on_failure:
            return
        yield FailureDestination(
            name=declaration.names.function,
            owner=declaration.owner.tag,
            arn=function.on_failure,
            destination=function.on_failure,
        )

    def observe(self, scope: Scope, desired: Sequence[FailureDestination]) -> Iterator[FailureDestination]:
        """Return the destinations of the owner's functions; one call each, only if one is desired or reported."""
        ours = {function.name for function in of_kind(scope.observed_so_far, "Function")}
        for name in scope.where(FailureDestination.kind, desired, scope.names.function):
            if name not in ours:
                continue
            found = self._cache.get(name, scope, desired, partial(self._destination, name))
            if found:
                yield FailureDestination(name=name, owner=scope.owner.tag, arn=found, destination=found)

    def refuse(self, desired: FailureDestination, observed: FailureDestination | None) -> None:
        """Raise NotPossible if the destination is the function itself, or a version or alias of it."""
        own = self._arns.function(desired.name)
        if desired.destination == own or desired.destination.startswith(f"{own}:"):
            raise NotPossible(
                f"spec.function.onFailure: function {desired.name} cannot be the destination of its own failed events. "
                "Name another function, a queue, a topic or an event bus"
            )

    def put(self, desired: FailureDestination, observed: FailureDestination | None) -> FailureDestination:
        """Set the destination."""
        self._cache.forget(desired.name)
        try:
            self._lambda.put_function_event_invoke_config(
                FunctionName=desired.name, DestinationConfig={"OnFailure": {"Destination": desired.destination}}
            )
        except RoleNotReady as error:
            # Lambda returns the same error for a missing destination and for missing permissions of the role.
            raise RoleNotReady(
                f"spec.function.onFailure: the role of function {desired.name} is not allowed to send to "
                f"{desired.destination}, or the destination does not exist ({error})",
                delay=error.delay,
                code=error.code,
            ) from None
        return desired

    def delete(self, observed: Sequence[FailureDestination]) -> None:
        """Delete the event-invoke configuration."""
        for found in observed:
            self._cache.forget(found.name)
            try:
                self._lambda.delete_function_event_invoke_config(FunctionName=found.name)
            except NotFound:
                continue

    def release(self, observed: FailureDestination) -> None:
        """Do nothing: it stays with its function and has no owner mark."""

    def _destination(self, name: str) -> str:
        try:
            answer = self._lambda.get_function_event_invoke_config(FunctionName=name)
        except NotFound:
            return ""
        return answer.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.function(name) for name in allowed.functions]


FACTS = Facts(
    kind=FailureDestination.kind,
    service="lambda",
    event_source=EventSource("lambda"),
    grants=(
        Grant(statement=NAMED, rank=1, actions=("lambda:GetFunctionEventInvokeConfig",), resources=_arns),
        Grant(
            statement=OWN,
            rank=1,
            actions=("lambda:DeleteFunctionEventInvokeConfig", "lambda:PutFunctionEventInvokeConfig"),
            resources=_arns,
        ),
    ),
    quotas=(
        Group(
            "lambda.Control",
            (
                "lambda.DeleteFunctionEventInvokeConfig",
                "lambda.GetFunctionEventInvokeConfig",
                "lambda.PutFunctionEventInvokeConfig",
            ),
            15.0,
        ),
    ),
)

build = FailureDestinations
