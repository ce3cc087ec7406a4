"""Finds the operation of a REST request by verb and path, from botocore's model of the service."""

import re
from functools import cache

import botocore.session

# The service name in a signature can differ from boto3's: decided by the start of the path.
_PATHS = {("apigateway", "/v2/"): "apigatewayv2"}
_SERVICES = ("lambda", "scheduler", "apigatewayv2")


def service_of(signed: str, path: str) -> str:
    """The boto3 name of the service."""
    found = (name for (service, prefix), name in _PATHS.items() if service == signed and path.startswith(prefix))
    return next(found, signed)


def operation_of(service: str, verb: str, path: str) -> str | None:
    """The operation, or None if the service is not REST or has no such path."""
    if service not in _SERVICES:
        return None
    found = (name for known, pattern, name in _operations(service) if known == verb and pattern.fullmatch(path))
    return next(found, None)


def resource_of(service: str, verb: str, path: str) -> str:
    """What the path of a REST request names, for example a function; empty if it names nothing."""
    if service not in _SERVICES:
        return ""
    found = (pattern.fullmatch(path) for known, pattern, _name in _operations(service) if known == verb)
    match = next((match for match in found if match), None)
    return "/".join(match.groups()) if match else ""


@cache
def _operations(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Verb, path pattern and name; the most specific pattern first."""
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/") or "/"
        fixed = re.sub(r"\{[^}]+\}", "", path)
        # Operations that differ only by their query come last.
        order = (-len(fixed), "?" in http["requestUri"])
        found.append((order, http["method"], re.compile(_pattern(path)), name))
    return tuple((verb, pattern, name) for _order, verb, pattern, name in sorted(found, key=lambda item: item[0]))


def _pattern(path: str) -> str:
    """The regular expression of a path with placeholders; an ARN contains slashes."""
    parts = re.split(r"(\{[^}]+\})", path)
    patterns = (_placeholder(part) if part.startswith("{") else re.escape(part) for part in parts)
    return "".join(patterns) + "/?"


def _placeholder(part: str) -> str:
    return "(.+)" if part.endswith("+}") or "arn" in part.lower() else "([^/]+)"
