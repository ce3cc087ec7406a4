"""A function as a value, and what AWS's answers say of it. Pure.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

from dynconfig.api.function import Architecture
from dynconfig.engine.errors import Refused
from dynconfig.engine.resource import Resource
from dynconfig.kinds import environment, function_access, tags
from dynconfig.kinds.extension_layer import serves
from dynconfig.kinds.tags import Pairs

HANDLER = "dynconfig_function.handler.lambda_handler"
_WORKING = ("Pending", "Deactivating", "Deleting")
# What Lambda's refusals speak of, and where that is declared.
_FIELDS = (
    ("Layer", "extension.layerArn"),
    ("layer", "extension.layerArn"),
    ("environment variables", "environment"),
    ("runtime", "runtime"),
    ("MemorySize", "memoryMiB"),
    ("memorySize", "memoryMiB"),
)


class Package(Protocol):
    """The function's code."""

    @property
    def content(self) -> bytes:
        """The zip file."""

    @property
    def sha256(self) -> str:
        """Its hash as Lambda says it: base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Resource):
    """A function of ours."""

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
    """Why AWS could not carry out the last write."""
    environment_error: str = field(default="", repr=False, metadata={"compare": False})
    """Why Lambda does not tell the environment."""
    package: Package | None = field(default=None, repr=False, metadata={"compare": False})
    is_layer_declared: bool = field(default=False, metadata={"compare": False})
    """The layer is that of the spec, so that no other serves as well."""
    used_layer: str = field(default="", metadata={"compare": False})
    """The layer version of the extension that it has."""

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment."""
        return {**dict(self.environment), **({function_access.REVISION: self.revision} if self.revision else {})}


def observed_function(answer: Mapping[str, Any], labels: Mapping[str, str], ignored: tuple[str, ...]) -> Function:
    """A function from what GetFunction answers."""
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
    """The function in the terms of the declaration: a newer layer of the extension serves as well as the oldest."""
    if wanted is None or wanted.is_layer_declared or len(found.layers) != 1:
        return found
    return replace(found, layers=wanted.layers) if serves(found.layers[0], wanted.layers[0]) else found


def configuration(function: Function) -> tuple[Any, ...]:
    """What UpdateFunctionConfiguration sets."""
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
    """What AWS is still doing, and what it could not do."""
    state = answer.get("State", "Active")
    if state == "Failed":
        return "", f"Failed: {answer.get('StateReason', 'no reason given')}"
    if state in _WORKING:
        return f"is {state.lower()} in Lambda", ""
    update = answer.get("LastUpdateStatus", "Successful")
    if update == "Failed":
        return "", f"the last update failed: {answer.get('LastUpdateStatusReason', 'no reason given')}"
    return ("is being updated by Lambda" if update == "InProgress" else ""), ""


def naming_field(error: Refused) -> Refused:
    """The same refusal, beginning with the field of the declaration that it speaks of."""
    words = str(error)
    named = next((f"spec.function.{field}: " for word, field in _FIELDS if word in words), "")
    return Refused(f"{named}{words}", code=error.code)
