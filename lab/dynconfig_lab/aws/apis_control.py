"""API Gateway's HTTP APIs as AWS implements them.

https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/api-reference.html
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from moto.apigatewayv2.models import apigatewayv2_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.requests import Document, Request

_EMULATED = (
    *("CreateApi", "GetApi", "GetApis", "UpdateApi", "DeleteApi", "GetTags", "TagResource", "UntagResource"),
    *("CreateIntegration", "GetIntegration", "GetIntegrations", "UpdateIntegration", "DeleteIntegration"),
    *("CreateRoute", "GetRoute", "GetRoutes", "UpdateRoute", "DeleteRoute"),
    *("CreateStage", "GetStage", "GetStages", "UpdateStage", "DeleteStage"),
)
_LISTS = ("GetApis", "GetIntegrations", "GetRoutes", "GetStages")
_ROUTE_KEY = re.compile(r"\$default|(ANY|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /\S*")
_STAGE = re.compile(r"\$default|[a-zA-Z0-9_-]{1,128}")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[a-zA-Z0-9-_]+(:[a-zA-Z0-9-_$]+)?")
_PAGE = 100


class ApisControl:
    """Handles API Gateway's control plane; requests to the APIs themselves are handled elsewhere."""

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        operation = request.call.operation
        if operation not in _EMULATED:
            raise AwsError("NotEmulated", f"The lab does not emulate apigatewayv2.{operation}.")
        if operation in _LISTS:
            return _paged(request)
        api = None if operation in ("CreateApi", "GetTags", "TagResource", "UntagResource") else _api(request)
        handler = _HANDLERS.get(operation)
        return handler(request, api) if handler else request.forward()


def _create_api(request: Request, _nothing: None) -> Answer:
    document = request.document
    if document.get("target") or document.get("protocolType") != "HTTP":
        raise AwsError("NotEmulated", "The lab makes HTTP APIs part by part: no quick create, no WebSockets.")
    if not 1 <= len(document.get("name", "")) <= 128:
        raise _bad("Name must be between 1 and 128 characters")
    return _created(request.forward())


def _integration(request: Request, api: Any) -> Answer:
    document = request.document
    is_new = request.call.operation == "CreateIntegration"
    kind = document.get("integrationType") if is_new else document.get("integrationType", "AWS_PROXY")
    if kind != "AWS_PROXY":
        raise AwsError("NotEmulated", "The lab emulates integrations of type AWS_PROXY only.")
    uri = document.get("integrationUri")
    if (is_new or uri is not None) and not _FUNCTION.fullmatch(uri or ""):
        raise _bad("Invalid function ARN or invalid uri")
    version = document.get("payloadFormatVersion")
    if (is_new or version is not None) and version != "2.0":
        if version == "1.0":
            raise AwsError("NotEmulated", "The lab emulates payload format 2.0 only.")
        raise _bad("PayloadFormatVersion is a required parameter for integration")
    if not 50 <= document.get("timeoutInMillis", 30000) <= 30000:
        raise _bad("Timeout should be between 50 ms and 30000 ms")
    if not is_new and _last(request) not in api.integrations:
        raise _missing("Integration", _last(request))
    answer = request.forward()
    return _created(answer) if is_new else answer


def _delete_integration(request: Request, api: Any) -> Answer:
    name = _last(request)
    if name not in api.integrations:
        raise _missing("Integration", name)
    used_by = sorted(route.route_id for route in api.routes.values() if route.target == f"integrations/{name}")
    if used_by:
        text = f"Cannot delete Integration because it is referenced by the following Routes with Ids: [{', '.join(used_by)}]"
        raise AwsError("ConflictException", text, 409)
    return _gone(request.forward())


def _route(request: Request, api: Any) -> Answer:
    document = request.document
    is_new = request.call.operation == "CreateRoute"
    own = "" if is_new else _last(request)
    if not is_new and own not in api.routes:
        raise _missing("Route", own)
    key, target = document.get("routeKey"), document.get("target")
    if is_new or key is not None:
        _check_key(str(key), (route.route_key for name, route in api.routes.items() if name != own))
    if target is not None and target.removeprefix("integrations/") not in api.integrations:
        raise _bad(f"Invalid Integration identifier specified {target}")
    if document.get("authorizationType", "NONE") not in ("NONE", "AWS_IAM"):
        raise AwsError("NotEmulated", "The lab emulates the authorizations NONE and AWS_IAM only.")
    return request.forward()


def _delete_route(request: Request, api: Any) -> Answer:
    if _last(request) not in api.routes:
        raise _missing("Route", _last(request))
    return _gone(request.forward())


def _create_stage(request: Request, api: Any) -> Answer:
    name = request.document.get("stageName", "")
    if not _STAGE.fullmatch(name):
        raise _bad("Stage name only allows alphanumeric characters, hyphens, and underscores, or $default")
    if name in api.stages:
        raise AwsError("ConflictException", "Stage already exists", 409)
    # Automatic deployment has to be requested.
    return _created(request.forward({"autoDeploy": False, **request.document}))


def _update_stage(request: Request, api: Any) -> Answer:
    stage = _stage(request, api)
    document = request.document
    if "deploymentId" in document:
        raise AwsError("NotEmulated", "The lab emulates no deployments; stages deploy by themselves or not at all.")
    stage.auto_deploy = document.get("autoDeploy", stage.auto_deploy)
    stage.description = document.get("description", stage.description)
    stage.stage_variables = document.get("stageVariables", stage.stage_variables)
    stage.default_route_settings = document.get("defaultRouteSettings", stage.default_route_settings)
    stage.route_settings = document.get("routeSettings", stage.route_settings)
    stage.access_log_settings = document.get("accessLogSettings", stage.access_log_settings)
    stage.updated = datetime.now(stage.updated.tzinfo)
    return Answer.of(stage.to_json())


def _delete_stage(request: Request, api: Any) -> Answer:
    _stage(request, api)
    return _gone(request.forward())


def _delete_api(request: Request, _found: Any) -> Answer:
    return _gone(request.forward())


def _api(request: Request) -> Any:
    """Moto's API of a path such as /v2/apis/ID/routes."""
    name = request.path.split("/")[3]
    found = apigatewayv2_backends[accounts.current()][request.region].apis.get(name)
    if found is None:
        raise _missing("API", name)
    return found


def _stage(request: Request, api: Any) -> Any:
    found = api.stages.get(unquote(_last(request)))
    if found is None:
        raise AwsError("NotFoundException", "Invalid stage identifier specified", 404)
    return found


def _paged(request: Request) -> Answer:
    answer = request.forward()
    if not answer.is_success:
        return answer
    items: list[Document] = answer.document()["items"]
    size, start = request.query.get("maxResults") or str(_PAGE), request.query.get("nextToken") or "0"
    if not size.isdecimal() or not start.isdecimal():
        raise _bad("Invalid value for maxResults or nextToken")
    end = int(start) + int(size)
    more = {"nextToken": str(end)} if len(items) > end else {}
    return Answer.of({"items": items[int(start) : end], **more})


def _check_key(key: str, others: Iterable[str]) -> None:
    if not _ROUTE_KEY.fullmatch(key):
        raise _bad(
            "The provided route key is not formatted properly for HTTP protocol. Format should be "
            '"<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
        )
    if key in set(others):
        raise AwsError("ConflictException", f"Route with key {key} already exists for this API", 409)


def _last(request: Request) -> str:
    return request.path.rstrip("/").rpartition("/")[2]


def _created(answer: Answer) -> Answer:
    return Answer("201 Created", answer.headers, answer.body) if answer.is_success else answer


def _gone(answer: Answer) -> Answer:
    return Answer("204 No Content", answer.headers, b"") if answer.is_success else answer


def _missing(what: str, name: str) -> AwsError:
    return AwsError("NotFoundException", f"Invalid {what} identifier specified {name}", 404)


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)


_HANDLERS: dict[str, Callable[[Request, Any], Answer]] = {
    "CreateApi": _create_api,
    "DeleteApi": _delete_api,
    "CreateIntegration": _integration,
    "UpdateIntegration": _integration,
    "DeleteIntegration": _delete_integration,
    "CreateRoute": _route,
    "UpdateRoute": _route,
    "DeleteRoute": _delete_route,
    "CreateStage": _create_stage,
    "UpdateStage": _update_stage,
    "DeleteStage": _delete_stage,
}
