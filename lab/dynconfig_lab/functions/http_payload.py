"""Payload format 2.0 of HTTP APIs: the event for a request, and the response for a result. Pure except for the time.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import Answer

_TEXTS = ("text/", "application/json", "application/xml", "application/javascript")
_BROKEN = Answer(
    "500 Internal Server Error", (("Content-Type", "application/json"),), b'{"message": "Internal Server Error"}'
)


@dataclass(frozen=True)
class Route:
    """The matched route of a request."""

    key: str
    path: str
    parameters: Mapping[str, str]


# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
_CALLER = {
    "authorizer": {
        "iam": {
            "accessKey": "lab",
            "accountId": accounts.current(),
            "callerId": "lab",
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": accounts.caller().arn,
            "userId": "lab",
        }
    }
}


def event_of(environ: Mapping[str, Any], body: bytes, api_id: str, route: Route, *, is_signed: bool = False) -> bytes:
    """The event for a request; with IAM authorization it names the caller."""
    headers = _headers(environ)
    cookies = headers.pop("cookie", "")
    query = environ.get("QUERY_STRING", "")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": route.path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _context(environ, api_id, route, headers) | (_CALLER if is_signed else {}),
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if query:
        event["queryStringParameters"] = _joined(query)
    if route.parameters:
        event["pathParameters"] = dict(route.parameters)
    if body:
        event |= _body(body, headers.get("content-type", ""))
    return json.dumps(event).encode()


def answer_of(payload: bytes) -> Answer:
    """The response for a result: as the function specifies it, or the whole result as JSON."""
    document = json.loads(payload or b"null")
    if not isinstance(document, dict) or "statusCode" not in document:
        return Answer("200 OK", (("Content-Type", "application/json"),), json.dumps(document).encode())
    try:
        return _worded(document)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return _BROKEN


def _worded(document: Mapping[str, Any]) -> Answer:
    status = int(document["statusCode"])
    text = document.get("body")
    if text is not None and not isinstance(text, str):
        raise TypeError("a body is a text")
    body = base64.b64decode(text or "", validate=True) if document.get("isBase64Encoded") else (text or "").encode()
    headers = [(str(name), _word(value)) for name, value in (document.get("headers") or {}).items()]
    headers += [("Set-Cookie", str(cookie)) for cookie in document.get("cookies") or []]
    if not any(name.lower() == "content-type" for name, _value in headers):
        headers.append(("Content-Type", "text/plain; charset=utf-8"))
    return Answer(f"{status} Answered", tuple(headers), body)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """WSGI separates type and length of the body from the headers."""
    named = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {f"HTTP_{name}": environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {name.removeprefix("HTTP_").replace("_", "-").lower(): str(value) for name, value in named.items()}


def _context(environ: Mapping[str, Any], api_id: str, route: Route, headers: Mapping[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "accountId": accounts.current(),
        "apiId": api_id,
        "domainName": headers.get("host", ""),
        "domainPrefix": api_id,
        "http": {
            "method": environ["REQUEST_METHOD"],
            "path": route.path,
            "protocol": "HTTP/1.1",
            "sourceIp": environ.get("REMOTE_ADDR", ""),
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": route.key,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _joined(query: str) -> dict[str, str]:
    """Values of one name are joined by commas."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _body(body: bytes, kind: str) -> dict[str, Any]:
    """Text unchanged, anything else in base64."""
    try:
        if not kind or kind.startswith(_TEXTS) or "charset" in kind:
            return {"body": body.decode()}
    except UnicodeDecodeError:
        pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
