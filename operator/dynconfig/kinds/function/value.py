"""The function value type and its conversion from Lambda's responses. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from dynconfig.api.function import Architecture
from dynconfig.kinds._shared import environment, function_access, tags
from dynconfig.kinds._shared.context import Package
from dynconfig.kinds._shared.extension_layer import serves
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model.resource import Resource

HANDLER = "dynconfig_function.handler.lambda_handler"
_WORKING = ("Pending", "Deactivating", "Deleting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Resource):
    """A managed function."""

    kind: ClassVar[str] = "Function"
    declared_in: ClassVar[str] = "spec.function.name"

    arn: str = field(default="", metadata={"compare": False})
    runtime: str
    architecture: str
    handler: str = HANDLER
    role: str
    memory: int
    timeout: int
    layers: tuple[str, ...]
    environment: Pairs
    revision: str = field(default="", metadata={"derived": True})
    code: str
    tags: Pairs = ()
    failed: str = ""
    """Why Lambda could not apply the last update."""
    environment_error: str = field(default="", repr=False, metadata={"compare": False})
    """Why Lambda did not return the environment."""
    package: Package | None = field(default=None, repr=False, metadata={"compare": False})
    is_layer_declared: bool = field(default=False, metadata={"compare": False})
    """Whether spec sets the layer, so that no other version satisfies it."""
    used_layer: str = field(default="", metadata={"compare": False})
    """The layer version of the extension."""

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment."""
        return {**dict(self.environment), **({function_access.REVISION: self.revision} if self.revision else {})}


def observed_function(answer: Mapping[str, Any], labels: Mapping[str, str], ignored: tuple[str, ...]) -> Function:
    """Build a function from a GetFunction response."""
    variables = environment.variables(answer)
    revision = variables.pop(function_access.REVISION, "")
    pending, failed = state(answer)
    layers = tuple(layer["Arn"] for layer in answer.get("Layers", []))
    return Function(
        name=answer["FunctionName"],
        owner=tags.owner_of(labels),
        arn=answer["FunctionArn"],
        runtime=answer.get("Runtime", ""),
        architecture=next(iter(answer.get("Architectures", [Architecture.X86_64.value]))),
        handler=answer.get("Handler", ""),
        role=answer["Role"],
        memory=answer["MemorySize"],
        timeout=answer["Timeout"],
        layers=layers,
        used_layer=next(iter(layers), ""),
        environment=tags.pairs(variables),
        environment_error=environment.read_error(answer),
        revision=revision,
        code=answer["CodeSha256"],
        tags=tags.own(labels, ignored),
        pending=pending,
        failed=failed,
    )


def comparable(found: Function, wanted: Function | None) -> Function:
    """Normalise a function for the comparison: a newer layer of the extension counts as the declared one."""
    if wanted is None or wanted.is_layer_declared or len(found.layers) != 1:
        return found
    return replace(found, layers=wanted.layers) if serves(found.layers[0], wanted.layers[0]) else found


def configuration(function: Function) -> tuple[Any, ...]:
    """Return the fields that UpdateFunctionConfiguration sets."""
    return (
        function.runtime,
        function.handler,
        function.role,
        function.memory,
        function.timeout,
        function.layers,
        function.environment,
        function.revision,
    )


def state(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return what Lambda is still doing, and why the last update failed."""
    state = answer.get("State", "Active")
    if state == "Failed":
        return "", f"Failed: {answer.get('StateReason', 'no reason given')}"
    if state in _WORKING:
        return f"is {state.lower()} in Lambda", ""
    update = answer.get("LastUpdateStatus", "Successful")
    if update == "Failed":
        return "", f"the last update failed: {answer.get('LastUpdateStatusReason', 'no reason given')}"
    return ("is being updated by Lambda" if update == "InProgress" else ""), ""
