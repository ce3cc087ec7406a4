"""Whether a queue's policy lets a service send to it on behalf of something. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from typing import Any

_TESTS = ("ArnEquals", "ArnLike", "StringEquals", "StringLike")


def allows(policy: str, queue: str, service: str, source: str) -> bool:
    """Whether sqs:SendMessage is allowed to the service for this source ARN, and nowhere denied."""
    statements = _as_list(json.loads(policy).get("Statement", [])) if policy else []
    effects = [item["Effect"] for item in statements if _applies(item, queue, service, source)]
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Mapping[str, Any], queue: str, service: str, source: str) -> bool:
    return (
        _is_principal(statement.get("Principal"), service)
        and any(_matches(action.lower(), "sqs:sendmessage") for action in _as_list(statement.get("Action", [])))
        and any(_matches(resource, queue) for resource in _as_list(statement.get("Resource", [])))
        and all(_holds(test, keys, source) for test, keys in statement.get("Condition", {}).items())
    )


def _is_principal(principal: object, service: str) -> bool:
    if isinstance(principal, dict):
        return service in _as_list(principal.get("Service", [])) or "*" in _as_list(principal.get("AWS", []))
    return principal == "*"


def _holds(test: str, keys: Mapping[str, Any], source: str) -> bool:
    """A test or key that is not known here does not hold: what the lab lets through, AWS lets through."""
    facts = {"aws:sourcearn": source, "aws:sourceaccount": source.split(":")[4]}
    if test not in _TESTS:
        return False
    exact = test == "StringEquals"
    return all(
        key.lower() in facts
        and any(
            value == facts[key.lower()] or (not exact and _matches(value, facts[key.lower()]))
            for value in _as_list(values)
        )
        for key, values in keys.items()
    )


def _matches(pattern: str, text: str) -> bool:
    # Only * and ? are wild; brackets are not.
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _as_list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]
