"""Lambda's control plane as AWS implements it: AWS's layers, states that take time, roles that become usable late,
errors.

Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, unless another source is named.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from dynconfig_lab.aws import accounts, functions_policy, functions_rules, functions_store
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.functions_destinations import check_destinations
from dynconfig_lab.aws.functions_names import LATEST, Named, in_path, named, not_found, with_bare_name
from dynconfig_lab.aws.functions_rules import refused
from dynconfig_lab.aws.functions_state import FunctionStates, Known, kept
from dynconfig_lab.aws.requests import Document, Request
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.turns import turn
from dynconfig_lab.functions.spec import FunctionSpec

# Versions and aliases would need stored copies of code; the operator calls nothing else of Lambda.
_EMULATED = (
    *("CreateFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionCode", "UpdateFunctionConfiguration"),
    *("DeleteFunction", "ListFunctions", "AddPermission", "RemovePermission", "GetPolicy"),
    *("TagResource", "UntagResource", "ListTags"),
    *("PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency"),
    *("PutFunctionEventInvokeConfig", "GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"),
    *("PublishLayerVersion", "GetLayerVersion", "ListLayerVersions", "ListLayers", "DeleteLayerVersion"),
)
Handler = Callable[["FunctionsControl", Request, Named, str], Answer]


class FunctionsControl:
    """Handles Lambda's control plane; invocations are handled elsewhere."""

    def __init__(
        self,
        clock: Callable[[], float],
        settle_seconds: Callable[[], float],
        roles: Roles,
        retire: Callable[[tuple[str, str]], None],
    ) -> None:
        """`settle_seconds` is how long a write takes; `retire` is called with deleted functions."""
        self._roles = roles
        self._states = FunctionStates(clock, settle_seconds)
        self._retire = retire

    def clear(self) -> None:
        """Forget all functions."""
        self._states.clear()

    def handle(self, request: Request) -> Answer:
        """The response to a control-plane call. Raises AwsError."""
        operation = request.call.operation
        if operation not in _EMULATED:
            raise AwsError("NotEmulated", f"The lab does not emulate lambda.{operation}.")
        about = in_path(request.path, request.region, request.query.get("Qualifier", ""))
        if about is None:
            return _UNNAMED.get(operation, _pass)(self, request)
        path = with_bare_name(request.path, about.name)
        handler = _HANDLERS.get(operation, FunctionsControl._plain)
        return handler(self, request, about, path)

    def spec(self, region: str, name: str) -> FunctionSpec:
        """The function as it serves now: its previous version during an update. Raises AwsError."""
        about = named(name, region)
        with turn("lambda"):
            known = self._states.get(region, about.name)
            if known is None or about.qualifier not in ("", LATEST):
                raise not_found(region, about.name, about.qualifier)
            self._states.refuse_pending(region, about.name)
            if known.before is not None and self._states.is_updating(known):
                return known.before
            return functions_store.spec(region, about.name, known)

    def statements(self, region: str, name: str) -> list[Mapping[str, Any]]:
        """The statements of the function's policy; none if there is no function."""
        try:
            about = named(name, region)
        except AwsError:
            return []
        with turn("lambda"):
            function = functions_store.stored(region, about.name)
            return list(function.policy.statements) if function else []

    def _create(self, request: Request) -> Answer:
        document = request.document
        about = named(document.get("FunctionName", ""), request.region)
        functions_rules.check_name(about.name)
        functions_rules.check_configuration(document)
        functions_rules.check_creation(document)
        if document.get("Publish"):
            raise AwsError("NotEmulated", "The lab emulates no published versions of functions.")
        if self._states.get(request.region, about.name) is not None:
            raise AwsError("ResourceConflictException", f"Function already exist: {about.name}", 409)
        self._check_dependencies(document, request.region)
        answer = request.forward({**document, "FunctionName": about.name, "Layers": []})
        if not answer.is_success:
            return answer
        self._states.created(request.region, about.name, tuple(document.get("Layers", ())), kept(document))
        return self._dressed(request.region, answer)

    def _list(self, request: Request) -> Answer:
        document = request.forward().document()
        limit, start = int(request.query.get("MaxItems", "50")), int(request.query.get("Marker") or "0")
        found = sorted(document["Functions"], key=lambda item: str(item["FunctionName"]))
        page = [self._dress(request.region, item) for item in found[start : start + limit]]
        more = {"NextMarker": str(start + limit)} if len(found) > start + limit else {}
        return Answer.of({"Functions": page, **more})

    def _plain(self, request: Request, about: Named, path: str) -> Answer:
        """Calls that moto answers correctly except for the state it does not store."""
        self._present(request.region, about)
        query = request.query_string
        if about.qualifier and "Qualifier=" not in query:
            query = f"{query}&Qualifier={about.qualifier}".lstrip("&")
        return self._dressed(request.region, request.forward(path=path, query=query))

    def _update_configuration(self, request: Request, about: Named, path: str) -> Answer:
        region, document = request.region, request.document
        self._ready_for_write(request, about, document)
        functions_rules.check_configuration(document)
        self._check_dependencies(document, region)
        layers = document.pop("Layers", None)
        if "Environment" in document:
            document["Environment"].setdefault("Variables", {})
        before = functions_store.spec(region, about.name, self._known(region, about.name))
        answer = request.forward(document, path=path)
        if answer.is_success:
            changed = None if layers is None else tuple(layers)
            self._states.updated(region, about.name, before, changed, kept(document))
        return self._dressed(region, answer)

    def _update_code(self, request: Request, about: Named, path: str) -> Answer:
        region, document = request.region, request.document
        self._ready_for_write(request, about, document)
        if "ZipFile" not in document or document.get("Publish"):
            raise AwsError("NotEmulated", "The lab takes code as ZipFile only, and publishes no versions.")
        functions_rules.check_code(document["ZipFile"])
        before = functions_store.spec(region, about.name, self._known(region, about.name))
        answer = request.forward(document, path=path)
        if answer.is_success and not document.get("DryRun"):
            if document.get("Architectures"):
                functions_store.stored(region, about.name).architectures = document["Architectures"]
            self._states.updated(region, about.name, before)
        configuration = answer.document()
        return self._dressed(region, _with(answer, configuration, document.get("Architectures")))

    def _delete(self, request: Request, about: Named, path: str) -> Answer:
        if about.qualifier == LATEST:
            raise refused("$LATEST version cannot be deleted without deleting the function.")
        self._present(request.region, about)
        answer = request.forward(path=path)
        if answer.is_success:
            self._states.deleted(request.region, about.name)
            self._retire((request.region, about.name))
        return answer

    def _tag(self, request: Request, about: Named, _path: str) -> Answer:
        if about.qualifier:
            raise refused("Tags on function aliases and versions are not supported. Please specify a function ARN.")
        function = self._present(request.region, about)
        if request.call.operation == "ListTags":
            return request.forward()
        # https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
        # For UntagResource it is unproved.
        self._states.refuse_busy(request.region, about.name)
        if request.call.operation == "TagResource":
            added = request.document.get("Tags", {})
            functions_rules.check_tags(added, len(function.tags.keys() - added.keys()))
        answer = request.forward()
        if answer.is_success:
            self._states.tagged(request.region, about.name)
        return answer

    def _add_permission(self, request: Request, about: Named, path: str) -> Answer:
        if about.qualifier not in ("", LATEST):
            raise not_found(request.region, about.name, about.qualifier)
        return functions_policy.add(request, self._present(request.region, Named(about.name)), path)

    def _remove_permission(self, request: Request, about: Named, path: str) -> Answer:
        if self._states.get(request.region, about.name) is None:
            raise functions_policy.no_function(request.region, about.name)
        return functions_policy.remove(request, functions_store.stored(request.region, about.name), path)

    def _put_destinations(self, request: Request, about: Named, path: str) -> Answer:
        function = self._present(request.region, about)
        check_destinations(request.document, request.region, about.name)
        answer = request.forward(path=path)
        if answer.is_success:
            # Moto stores every configuration and returns the first.
            del function.event_invoke_config[:-1]
        return answer

    def _present(self, region: str, about: Named) -> Any:
        """Moto's function. Raises AwsError if it or the version does not exist."""
        if self._states.get(region, about.name) is None or about.qualifier not in ("", LATEST):
            raise not_found(region, about.name, about.qualifier)
        return functions_store.stored(region, about.name)

    def _ready_for_write(self, request: Request, about: Named, document: Document) -> None:
        self._present(request.region, Named(about.name))
        self._states.refuse_busy(request.region, about.name)
        self._states.check_revision(request.region, about.name, document.get("RevisionId"))

    def _check_dependencies(self, document: Document, region: str) -> None:
        """Check the dependencies: layers that exist and a role that Lambda can already assume."""
        functions_rules.check_layers(
            document.get("Layers", ()),
            region,
            lambda arn: functions_store.is_extension(arn) or functions_store.layer(arn) is not None,
        )
        role = document.get("Role")
        if role is None:
            return
        if role.split(":")[4] != accounts.current():
            raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
        if not self._roles.is_assumable(role, "lambda"):
            raise refused("The role defined for the function cannot be assumed by Lambda.")

    def _known(self, region: str, name: str) -> Known:
        known = self._states.get(region, name)
        assert known is not None, "checked by the caller"  # noqa: S101 - for the type checker
        return known

    def _dressed(self, region: str, answer: Answer) -> Answer:
        """The response with the state that moto does not store."""
        if not answer.is_success or not answer.body:
            return answer
        document = answer.document()
        if "Configuration" in document:
            document["Configuration"] = self._dress(region, document["Configuration"])
        elif "CodeSha256" in document:
            document = self._dress(region, document)
        return Answer(answer.status, answer.headers, json.dumps(document).encode())

    def _dress(self, region: str, about: Document) -> Document:
        known = self._states.get(region, str(about["FunctionName"]))
        return self._states.dress(known, about) if known is not None else about


def _with(answer: Answer, configuration: Document, architectures: list[str] | None) -> Answer:
    """Moto returns the previous architecture."""
    changed = {**configuration, **({"Architectures": architectures} if architectures else {})}
    return Answer(answer.status, answer.headers, json.dumps(changed).encode()) if answer.is_success else answer


def _pass(_control: FunctionsControl, request: Request) -> Answer:
    return request.forward()


_UNNAMED = {"CreateFunction": FunctionsControl._create, "ListFunctions": FunctionsControl._list}
_HANDLERS: dict[str, Handler] = {
    "UpdateFunctionConfiguration": FunctionsControl._update_configuration,
    "UpdateFunctionCode": FunctionsControl._update_code,
    "DeleteFunction": FunctionsControl._delete,
    "TagResource": FunctionsControl._tag,
    "UntagResource": FunctionsControl._tag,
    "ListTags": FunctionsControl._tag,
    "AddPermission": FunctionsControl._add_permission,
    "RemovePermission": FunctionsControl._remove_permission,
    "PutFunctionEventInvokeConfig": FunctionsControl._put_destinations,
}
