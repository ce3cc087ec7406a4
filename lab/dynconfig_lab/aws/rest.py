"""Names the operation of a request to a REST service, by the verb and the path that botocore's model of the service gives it."""

import re
from functools import cache

import botocore.session

# What signs as one service may be another to boto3: by the beginning of its path.
_PATHS = {("apigateway", "/v2/"): "apigatewayv2"}
_SERVICES = ("lambda", "scheduler", "apigatewayv2")


def service_of(signed: str, path: str) -> str:
    """The service as boto3 names it."""
    found = (name for (service, prefix), name in _PATHS.items() if service == signed and path.startswith(prefix))
    return next(found, signed)


def operation_of(service: str, verb: str, path: str) -> str | None:
    """The operation, or None for a service that is none of REST or a path that it does not have."""
    if service not in _SERVICES:
        return None
    found = (name for known, pattern, name in _operations(service) if known == verb and pattern.fullmatch(path))
    return next(found, None)


@cache
def _operations(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Verb, pattern of the path and name; those with the most fixed letters first."""
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = http["requestUri"].partition("?")[0].rstrip("/") or "/"
        fixed = re.sub(r"\{[^}]+\}", "", path)
        # Those that differ from another one by their query only come after it.
        order = (-len(fixed), "?" in http["requestUri"])
        found.append((order, http["method"], re.compile(_pattern(path)), name))
    return tuple((verb, pattern, name) for _order, verb, pattern, name in sorted(found, key=lambda item: item[0]))


def _pattern(path: str) -> str:
    """What a path with placeholders matches; an ARN has slashes of its own."""
    parts = re.split(r"(\{[^}]+\})", path)
    told = (_placeholder(part) if part.startswith("{") else re.escape(part) for part in parts)
    return "".join(told) + "/?"


def _placeholder(part: str) -> str:
    return ".+" if part.endswith("+}") or "arn" in part.lower() else "[^/]+"
