"""The function that the operator makes and keeps. AWS takes one write at a time and says when it has carried it out.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from dynconfig.api.function import Architecture, Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import Conflict, NotFound, NotPossible, Refused
from dynconfig.engine.resource import Resource, Scope
from dynconfig.kinds import reading, tags
from dynconfig.kinds.tags import Pairs

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

HANDLER = "dynconfig_function.handler.lambda_handler"
_SETTLED = ("Active", "Inactive")


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
    """A function; `state` and `failure` are what AWS says of its last write."""

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
    package: Package | None = field(default=None, repr=False, metadata={"compare": False})

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment."""
        return {**dict(self.environment), **({reading.REVISION: self.revision} if self.revision else {})}


class Functions:
    """Keeps functions of one place."""

    value = Function
    stands_alone = True

    def __init__(
        self,
        client: "LambdaClient",
        arns: Arns,
        layer: Callable[[str], str],
        package: Callable[[str], Package],
        *,
        ignored_tags: tuple[str, ...] = (),
    ) -> None:
        self._lambda = client
        self._arns = arns
        self._layer = layer
        self._package = package
        self._ignored = ("aws:", *ignored_tags)

    def desired(self, declaration: Declaration) -> Iterable[Function]:
        """The managed function, with the newest package."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        variables = {**function.environment, **reading.environment(declaration, function)}
        revision, in_file = reading.wanted_revision(declaration), ""
        if reading.size({**variables, reading.REVISION: revision}) > reading.ENVIRONMENT_BYTES:
            in_file = variables.pop(reading.PARAMETERS)
        package = self._package(in_file)
        name = declaration.names.function
        yield Function(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.function(name),
            runtime=function.runtime,
            architecture=function.architecture.value,
            role=self._arns.role(declaration.names.role),
            memory=function.memory_mib,
            timeout=function.timeout_seconds,
            layers=(function.extension.layer_arn or self._layer(function.architecture),),
            environment=tags.pairs(variables),
            revision=revision,
            code=package.sha256,
            tags=declaration.tags,
            package=package,
        )

    def observe(self, scope: Scope, desired: Sequence[Function]) -> Iterator[Function]:
        """Each function that is desired, listed or named after the owner: configuration and tags in one call."""
        for name in scope.where("Function", desired, scope.names.function):
            try:
                answer = self._lambda.get_function(FunctionName=name)
            except NotFound:
                continue
            yield self._observed(answer["Configuration"], answer.get("Tags", {}))

    def refuse(self, desired: Function, observed: Function | None) -> None:
        """Lambda takes 4 KB of environment, measured as JSON; its own refusal would repeat the values."""
        length = reading.size(desired.variables)
        if length > reading.ENVIRONMENT_BYTES:
            raise NotPossible(
                f"function {desired.name}: the environment has {length} bytes of the {reading.ENVIRONMENT_BYTES} that "
                "Lambda takes; shorten spec.function.environment"
            )

    def put(self, desired: Function, observed: Function | None) -> Function:
        """Create, or make the first of the writes that are still needed; AWS takes the next when it has settled."""
        if observed is None:
            return self._create(desired)
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            self._lambda.tag_resource(Resource=desired.arn, Tags=added)
        if removed:
            self._lambda.untag_resource(Resource=desired.arn, TagKeys=removed)
        if observed.failed.startswith("Failed"):
            # A function whose creation failed cannot be mended, only made anew.
            self._lambda.delete_function(FunctionName=desired.name)
            raise Conflict(
                f"function {desired.name} could not be created and is made anew: {observed.failed}", delay=1.0
            )
        if _configuration(desired) != _configuration(observed) or observed.failed:
            answer = self._lambda.update_function_configuration(**self._request(desired))
            settled = self._after(desired, answer)
            if settled.pending or (desired.code, desired.architecture) == (observed.code, observed.architecture):
                return settled
        if (desired.code, desired.architecture) != (observed.code, observed.architecture):
            return self._update_code(desired)
        return desired

    def delete(self, observed: Sequence[Function]) -> None:
        """Delete, with all versions, aliases and permissions."""
        for function in observed:
            try:
                self._lambda.delete_function(FunctionName=function.name)
            except NotFound:
                continue

    def release(self, observed: Function) -> None:
        """Take the owner tag off."""
        self._lambda.untag_resource(Resource=observed.arn, TagKeys=[OWNER_TAG])

    def _observed(self, answer: Mapping[str, Any], labels: Mapping[str, str]) -> Function:
        variables = dict(answer.get("Environment", {}).get("Variables", {}))
        revision = variables.pop(reading.REVISION, "")
        pending, failed = _state(answer)
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
            layers=tuple(layer["Arn"] for layer in answer.get("Layers", [])),
            environment=tags.pairs(variables),
            revision=revision,
            code=answer["CodeSha256"],
            tags=tags.own(labels, self._ignored),
            pending=pending,
            failed=failed,
        )

    def _create(self, desired: Function) -> Function:
        assert desired.package is not None, "what is desired has its code"  # noqa: S101 - for the type checker
        answer = self._lambda.create_function(
            **self._request(desired),
            Code={"ZipFile": desired.package.content},
            Architectures=[Architecture(desired.architecture).value],
            Tags=tags.with_owner(desired.tags, desired.owner),
            PackageType="Zip",
        )
        return self._after(desired, answer)

    def _update_code(self, desired: Function) -> Function:
        assert desired.package is not None, "what is desired has its code"  # noqa: S101 - for the type checker
        answer = self._lambda.update_function_code(
            FunctionName=desired.name,
            ZipFile=desired.package.content,
            Architectures=[Architecture(desired.architecture).value],
        )
        return self._after(desired, answer)

    def _request(self, desired: Function) -> dict[str, Any]:
        return {
            "FunctionName": desired.name,
            "Runtime": desired.runtime,
            "Handler": desired.handler,
            "Role": desired.role,
            "MemorySize": desired.memory,
            "Timeout": desired.timeout,
            "Layers": list(desired.layers),
            "Environment": {"Variables": desired.variables},
        }

    def _after(self, desired: Function, answer: Mapping[str, Any]) -> Function:
        """What AWS now has: as desired in what it answers, and perhaps still at work."""
        pending, failed = _state(answer)
        if failed:
            raise Refused(f"function {desired.name}: {failed}")
        return replace(desired, code=answer["CodeSha256"], pending=pending, package=desired.package)


def _configuration(function: Function) -> tuple[Any, ...]:
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


def _state(answer: Mapping[str, Any]) -> tuple[str, str]:
    """What AWS is still doing, and what it could not do."""
    state = answer.get("State", "Active")
    if state == "Failed":
        return "", f"Failed: {answer.get('StateReason', 'no reason given')}"
    if state not in _SETTLED:
        return f"is {state.lower()} in Lambda", ""
    update = answer.get("LastUpdateStatus", "Successful")
    if update == "Failed":
        return "", f"the last update failed: {answer.get('LastUpdateStatusReason', 'no reason given')}"
    return ("is being updated by Lambda" if update == "InProgress" else ""), ""
