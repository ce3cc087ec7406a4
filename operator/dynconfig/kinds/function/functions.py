"""The managed Lambda function. Lambda applies one update at a time and reports when it has finished.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.function import Mode
from dynconfig.api.names import ATTACHED_TAG, OWNER_TAG
from dynconfig.kinds._shared import environment, function_access, tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.extension_layer import ANY
from dynconfig.kinds._shared.function_errors import naming_field
from dynconfig.kinds.function.value import (
    Function,
    comparable,
    configuration,
    observed_function,
    state,
)
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound, NotPossible, Refused
from dynconfig.model.resource import Added, Owner, Scope
from dynconfig.model.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

# A failed update is retried at this interval, not in every reconcile.
REPEAT_SECONDS = 300


class Functions:
    """Manage the functions of one place."""

    value = Function
    needs = ("Role", "LogGroup", "Parameter")
    needs_current = ("Role",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._lambda: LambdaClient = context.client("lambda")
        self._arns = context.arns
        self._layers = context.layers
        self._package = context.package
        self._ignored = context.ignored_tags
        self._failed = TtlCache[str, bool](REPEAT_SECONDS, context.clock)

    def desired(self, declaration: Declaration) -> Iterable[Function]:
        """Return the managed function, with the current package."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        variables = {**function.environment, **function_access.environment(declaration, function)}
        revision, in_file = function_access.wanted_revision(declaration), ""
        if function_access.size({**variables, function_access.REVISION: revision}) > function_access.ENVIRONMENT_BYTES:
            in_file = variables.pop(function_access.PARAMETERS)
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
            layers=(function.extension.layer_arn or self._layers.oldest(function.architecture),),
            environment=tags.pairs(variables),
            revision=revision,
            code=package.sha256,
            tags=declaration.tags,
            package=package,
            is_layer_declared=bool(function.extension.layer_arn),
        )

    def observe(self, scope: Scope, desired: Sequence[Function]) -> Iterator[Function | Added]:
        """Return each function that is desired, reported or named after the owner; one call each.

        If a layer has to be added, also return what will be written, with AWS's newest layer version.
        """
        wanted = {function.name: function for function in desired}
        for function in desired:
            if ANY in function.layers[0]:
                # If the layer is not in the table, AWS has to be asked before anything is written.
                self._layers.newest(function.architecture)
        for name in scope.where(Function.kind, desired, scope.names.function):
            try:
                answer = self._lambda.get_function(FunctionName=name)
            except NotFound:
                if name in wanted:
                    yield Added(self._with_layer(wanted[name], None))
                continue
            labels = tags.of_function(answer)
            found = observed_function(answer["Configuration"], labels, self._ignored)
            found = found if found.owner else replace(found, owner=_attached_by(labels, scope.owner))
            if scope.bypass_cache or not (found.failed or found.pending):
                self._failed.forget([name])
            seen = comparable(found, wanted.get(name))
            yield seen
            if name in wanted and seen.layers != wanted[name].layers:
                yield Added(self._with_layer(wanted[name], seen))

    def refuse(self, desired: Function, observed: Function | None) -> None:
        """Raise NotPossible above Lambda's 4 KB of environment, measured as JSON; Lambda's own error repeats the values."""
        if observed is not None:
            environment.check_readable(desired.name, observed.environment_error)
        length = function_access.size(desired.variables)
        if length > function_access.ENVIRONMENT_BYTES:
            raise NotPossible(
                f"function {desired.name}: the environment needs {length} bytes (Lambda limit: "
                f"{function_access.ENVIRONMENT_BYTES}). Shorten spec.function.environment"
            )

    def put(self, desired: Function, observed: Function | None) -> Function:
        """Create the function, or make the next necessary update; Lambda accepts another one when it has finished."""
        actual = self._with_layer(desired, observed)
        if observed is None:
            return self._create(actual, desired)
        if observed.failed:
            self._refuse_repetition(desired, observed)
        if observed.failed.startswith("Failed"):
            # A function whose creation failed cannot be updated, only recreated.
            self._lambda.delete_function(FunctionName=desired.name)
            raise Conflict(
                f"function {desired.name} could not be created and is being recreated: {observed.failed}", delay=1.0
            )
        self._update_tags(desired, observed)
        result = actual
        for write in self._writes(desired, observed):
            result = write(actual)
            if result.pending:
                break
        return replace(result, layers=desired.layers)

    def delete(self, observed: Sequence[Function]) -> None:
        """Delete the functions with their versions, aliases and permissions."""
        for function in observed:
            try:
                self._lambda.delete_function(FunctionName=function.name)
            except NotFound:
                continue

    def release(self, observed: Function) -> None:
        """Remove the owner tag."""
        self._lambda.untag_resource(Resource=observed.arn, TagKeys=[OWNER_TAG])

    def _with_layer(self, desired: Function, observed: Function | None) -> Function:
        """Set the layer version to write: the current one if it is recent enough, else AWS's newest."""
        if desired.is_layer_declared:
            return replace(desired, used_layer=desired.layers[0])
        kept = observed.used_layer if observed is not None and observed.layers == desired.layers else ""
        layer = kept or self._layers.newest(desired.architecture)
        return replace(desired, layers=(layer,), used_layer=layer)

    def _create(self, actual: Function, desired: Function) -> Function:
        assert actual.package is not None, "what is desired has its code"  # noqa: S101 - for the type checker
        more = {
            "Code": {"ZipFile": actual.package.content},
            "Architectures": [desired.architecture],
            "Tags": tags.with_owner(desired.tags, desired.owner),
            "PackageType": "Zip",
        }
        result = _written(actual, self._lambda.create_function, {**_request(actual), **more})
        return replace(result, layers=desired.layers)

    def _refuse_repetition(self, desired: Function, observed: Function) -> None:
        """Raise Refused with the reason if the same update failed less than REPEAT_SECONDS ago."""
        if self._failed.get(desired.name, version=desired):
            raise Refused(
                f"function {desired.name}: {observed.failed}. It is retried later, after an edit, or on request"
            )
        self._failed.put(desired.name, True, version=desired)

    def _update_tags(self, desired: Function, observed: Function) -> None:
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            self._lambda.tag_resource(Resource=desired.arn, Tags=added)
        if removed:
            self._lambda.untag_resource(Resource=desired.arn, TagKeys=removed)

    def _writes(self, desired: Function, observed: Function) -> list[Callable[[Function], Function]]:
        """Return the necessary updates in order; Lambda accepts one at a time."""
        found: list[Callable[[Function], Function]] = []
        if configuration(desired) != configuration(observed) or observed.failed:
            found.append(self._update_configuration)
        if (desired.code, desired.architecture) != (observed.code, observed.architecture):
            found.append(self._update_code)
        # The package is updated before the environment shrinks, so that the function always finds its parameters.
        return found if function_access.PARAMETERS in desired.variables else found[::-1]

    def _update_configuration(self, desired: Function) -> Function:
        return _written(desired, self._lambda.update_function_configuration, _request(desired))

    def _update_code(self, desired: Function) -> Function:
        assert desired.package is not None, "what is desired has its code"  # noqa: S101 - for the type checker
        request = {
            "FunctionName": desired.name,
            "ZipFile": desired.package.content,
            "Architectures": [desired.architecture],
        }
        return _written(desired, self._lambda.update_function_code, request)


def _attached_by(labels: Mapping[str, str], owner: Owner) -> str:
    """Return the owner of an attachment to an unmanaged function, unless it is this owner or its predecessor."""
    attached = labels.get(ATTACHED_TAG, "")
    other = Owner.parse(attached)
    is_same = other is not None and (other == owner or other.is_predecessor_of(owner))
    return "" if is_same else attached


def _written(desired: Function, write: Callable[..., Any], request: Mapping[str, Any]) -> Function:
    """Write, and return the function as AWS now has it, possibly with a pending update."""
    try:
        answer: Mapping[str, Any] = write(**request)
    except Refused as error:
        raise naming_field(error) from None
    pending, failed = state(answer)
    if failed:
        raise Refused(f"function {desired.name}: {failed}")
    return replace(desired, code=answer["CodeSha256"], pending=pending)


def _request(desired: Function) -> dict[str, Any]:
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
