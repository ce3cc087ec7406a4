"""What calls functions besides people: schedules of EventBridge Scheduler, and HTTP APIs of API Gateway."""

import base64
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from moto.apigatewayv2.models import apigatewayv2_backends
from moto.iam.models import iam_backends
from moto.scheduler.models import scheduler_backends

from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.functions.service import Functions

log = logging.getLogger(__name__)

HTTP_PREFIX = "/http-api/"
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
TICK_SECONDS = 1.0


class Schedules:
    """Fires schedules of rate by the clock, and any of them on request. cron and at are fired on request only."""

    def __init__(self, functions: Functions, clock: Callable[[], float]) -> None:
        self._functions = functions
        self._clock = clock
        self._fired: dict[tuple[str, str, str], float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="schedules", daemon=True)
        self._thread.start()

    def fire(self, name: str) -> int:
        """Fire all schedules of this name now; answers how many there were."""
        found = [(region, schedule) for region, schedule in self._all() if schedule.name == name]
        for region, schedule in found:
            self._fire(region, schedule)
        return len(found)

    def stop(self) -> None:
        """Fire nothing any more."""
        self._stopped.set()
        self._thread.join()

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            now = self._clock()
            for region, schedule in self._all():
                interval = _interval(schedule.schedule_expression)
                since = self._fired.setdefault((region, schedule.name, schedule.schedule_expression), now)
                if interval is not None and now - since >= interval:
                    self._fired[region, schedule.name, schedule.schedule_expression] = now
                    self._fire(region, schedule)

    def _all(self) -> list[tuple[str, Any]]:
        return [
            (region, schedule)
            for region, backend in list(scheduler_backends[ACCOUNT].items())
            for group in list(backend.schedule_groups.values())
            for schedule in list(group.schedules.values())
        ]

    def _fire(self, region: str, schedule: Any) -> None:
        target = schedule.target
        if schedule.state != "ENABLED":
            return
        if not _may_invoke(target["RoleArn"], target["Arn"]):
            log.warning("The role of schedule %s may not invoke %s; nothing is called", schedule.name, target["Arn"])
            return
        try:
            self._functions.invoke(region, target["Arn"], (target.get("Input") or "{}").encode(), "Event")
        except AwsError as error:
            log.warning("Schedule %s calls nothing: %s", schedule.name, error.message)


class HttpApis:
    """Answers requests to /http-api/API-ID/… as API Gateway would at https://API-ID.execute-api.REGION.amazonaws.com/…"""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def handle(self, environ: Mapping[str, Any], body: bytes) -> Answer:
        """The function's answer to a request."""
        api_id, _, rest = environ["PATH_INFO"].removeprefix(HTTP_PREFIX).partition("/")
        region, api = next(
            ((region, backend.apis[api_id]) for region, backend in _api_backends() if api_id in backend.apis),
            ("", None),
        )
        route = _route(api.routes.values(), environ["REQUEST_METHOD"], f"/{rest}") if api else None
        if api is None or route is None:
            return _answer(404, {"message": "Not Found"})
        signed = environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-HMAC-SHA256")
        if route.authorization_type == "AWS_IAM" and not signed:
            return _answer(403, {"message": "Forbidden"})
        integration = api.integrations.get((route.target or "").removeprefix("integrations/"))
        source = f"arn:aws:execute-api:{region}:{ACCOUNT}:{api_id}/$default/{route.route_key}"
        uri = integration.integration_uri if integration else ""
        if not self._functions.allows(region, uri, "apigateway.amazonaws.com", source):
            return _answer(500, {"message": "Internal Server Error"})
        result = self._functions.invoke(region, uri, _event(environ, body, api_id, route.route_key, f"/{rest}")).result
        return _answer(500, {"message": "Internal Server Error"}) if result.error else _translated(result.payload)


def _interval(expression: str) -> float | None:
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    return int(found[1]) * SECONDS[found[2]] if found else None


def _may_invoke(role_arn: str, function_arn: str) -> bool:
    name = role_arn.rpartition("/")[2]
    role: Any = next((item for item in iam_backends[ACCOUNT]["aws"].roles.values() if item.name == name), None)
    if role is None or "scheduler.amazonaws.com" not in str(role.assume_role_policy_document):
        return False
    policies = " ".join(str(text) for text in role.policies.values())
    return "lambda:InvokeFunction" in policies and function_arn in policies


def _api_backends() -> Iterable[tuple[str, Any]]:
    return list(apigatewayv2_backends[ACCOUNT].items())


def _route(routes: Iterable[Any], verb: str, path: str) -> Any:
    """The exact route, else that of any verb, else the default."""
    by_key = {route.route_key: route for route in routes}
    return next((by_key[key] for key in (f"{verb} {path}", f"ANY {path}", "$default") if key in by_key), None)


def _event(environ: Mapping[str, Any], body: bytes, api_id: str, route_key: str, path: str) -> bytes:
    """The payload of format 2.0.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    query = environ.get("QUERY_STRING", "")
    context = {
        "accountId": ACCOUNT,
        "apiId": api_id,
        "http": {"method": environ["REQUEST_METHOD"], "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        "requestId": str(uuid.uuid4()),
        "routeKey": route_key,
        "stage": "$default",
        "time": datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(time.time() * 1000),
    }
    event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query))
    if body:
        event["body"] = body.decode("utf-8", "replace")
    return json.dumps(event).encode()


def _translated(payload: bytes) -> Answer:
    document = json.loads(payload or b"null")
    if not isinstance(document, dict) or "statusCode" not in document:
        return _answer(200, document)
    text = document.get("body") or ""
    body = base64.b64decode(text) if document.get("isBase64Encoded") else str(text).encode()
    headers = tuple((str(name), str(value)) for name, value in document.get("headers", {}).items())
    return Answer(f"{document['statusCode']} Answered", headers, body)


def _answer(status: int, document: Any) -> Answer:
    return Answer(f"{status} Answered", (("Content-Type", "application/json"),), json.dumps(document).encode())
