"""API Gateway's data plane: requests to /http-api/API-ID/… as at https://API-ID.execute-api.REGION.amazonaws.com/…

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moto.apigatewayv2.models import apigatewayv2_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.functions.http_payload import Route, answer_of, event_of
from dynconfig_lab.functions.service import Functions

HTTP_PREFIX = "/http-api/"
STAGE = "$default"


class HttpApis:
    """Handles requests to HTTP APIs with their functions."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def handle(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """The function's response to a request."""
        api_id, _, rest = environ["PATH_INFO"].removeprefix(HTTP_PREFIX).partition("/")
        region, api = _api(api_id)
        # Without a deployment there is no route.
        is_deployed = api is not None and STAGE in api.stages and api.stages[STAGE].auto_deploy
        found = _route(api.routes.values(), environ["REQUEST_METHOD"], f"/{rest}") if is_deployed else None
        if found is None:
            return _error(404, "Not Found")
        moto_route, route = found
        wants_signature = moto_route.authorization_type == "AWS_IAM"
        if wants_signature and not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256"):
            return _error(403, "Forbidden")
        integration = api.integrations.get((moto_route.target or "").removeprefix("integrations/"))
        if integration is None:
            return _error(500, "Internal Server Error")
        event = event_of(environ, body, api_id, route, is_signed=wants_signature)
        return self._called(region, str(integration.integration_uri), api_id, event, route)

    def _called(self, region: str, uri: str, api_id: str, event: bytes, route: Route) -> Answer:
        source = f"arn:aws:execute-api:{region}:{accounts.current()}:{api_id}/{STAGE}/{_resource(route.key)}"
        try:
            if not self._functions.allows(region, uri, "apigateway.amazonaws.com", source):
                return _error(500, "Internal Server Error")
            result = self._functions.invoke(region, uri, event).result
        except AwsError:
            return _error(500, "Internal Server Error")
        if result.error and b"Sandbox.Timedout" in result.payload:
            return _error(503, "Service Unavailable")
        return _error(500, "Internal Server Error") if result.error else answer_of(result.payload)


def _api(api_id: str) -> tuple[str, Any]:
    for region, backend in list(apigatewayv2_backends[accounts.current()].items()):
        if api_id in backend.apis:
            return region, backend.apis[api_id]
    return "", None


def _route(routes: Iterable[Any], verb: str, path: str) -> tuple[Any, Route] | None:
    """The most specific route: a full match, then one with parameters, then a greedy one, then the default.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    found = [(moto, route) for moto in list(routes) if (route := _matched(moto.route_key, verb, path)) is not None]
    return min(found, key=lambda item: _vagueness(item[0].route_key), default=None)


def _matched(key: str, verb: str, path: str) -> Route | None:
    if key == "$default":
        return Route(key, path, {})
    wanted, _, pattern = key.partition(" ")
    if wanted not in ("ANY", verb):
        return None
    parts = re.split(r"(\{[^}]+\})", pattern)
    names = [part[1:-1].removesuffix("+") for part in parts[1::2]]
    regex = "".join(
        re.escape(part) if part[:1] != "{" else "(.+)" if part.endswith("+}") else "([^/]+)" for part in parts
    )
    found = re.fullmatch(regex, path)
    return Route(key, path, dict(zip(names, found.groups(), strict=True))) if found else None


def _vagueness(key: str) -> tuple[bool, bool, int, bool]:
    return key == "$default", "+}" in key, key.count("{"), key.startswith("ANY ")


def _resource(key: str) -> str:
    """The route as permissions name it: $default, or verb and path."""
    verb, _, path = key.partition(" ")
    return f"{'*' if verb == 'ANY' else verb}{path}"


def _error(status: int, message: str) -> Answer:
    body = json.dumps({"message": message}).encode()
    return Answer(f"{status} {message}", (("Content-Type", "application/json"),), body)
