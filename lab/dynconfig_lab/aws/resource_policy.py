"""Whether the policy of a queue or a topic allows a service to send to it on behalf of a source. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from typing import Any

_TESTS = ("ArnEquals", "ArnLike", "StringEquals", "StringLike")


def is_policy(text: str) -> bool:
    """Whether it is a policy document, as far as the lab parses it."""
    try:
        document = json.loads(text)
    except ValueError:
        return False
    return isinstance(document, dict) and all(_is_statement(item) for item in _as_list(document.get("Statement", [])))


def allows(policy: str, target: str, service: str, source: str, action: str = "sqs:SendMessage") -> bool:
    """Whether the action is allowed to the service for this source ARN, and not denied."""
    statements = _as_list(json.loads(policy).get("Statement", [])) if policy else []
    effects = [item["Effect"] for item in statements if _applies(item, target, service, source, action)]
    return "Allow" in effects and "Deny" not in effects


def _is_statement(item: object) -> bool:
    return (
        isinstance(item, dict)
        and item.get("Effect") in ("Allow", "Deny")
        and any(_is_who(item[name]) for name in ("Principal", "NotPrincipal") if name in item)
        and any(_are_texts(item[name]) for name in ("Action", "NotAction") if name in item)
        and _are_texts(item.get("Resource", []))
        and _are_conditions(item.get("Condition", {}))
    )


def _is_who(principal: object) -> bool:
    return principal == "*" or (isinstance(principal, dict) and all(map(_are_texts, principal.values())))


def _are_texts(value: object) -> bool:
    return all(isinstance(item, str) for item in _as_list(value))


def _are_conditions(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(keys, dict) for keys in value.values())


def _applies(statement: Mapping[str, Any], target: str, service: str, source: str, action: str) -> bool:
    return (
        _is_principal(statement.get("Principal"), service)
        and any(_matches(pattern.lower(), action.lower()) for pattern in _as_list(statement.get("Action", [])))
        and any(_matches(resource, target) for resource in _as_list(statement.get("Resource", [])))
        and all(_holds(test, keys, source) for test, keys in statement.get("Condition", {}).items())
    )


def _is_principal(principal: object, service: str) -> bool:
    if isinstance(principal, dict):
        return service in _as_list(principal.get("Service", [])) or "*" in _as_list(principal.get("AWS", []))
    return principal == "*"


def _holds(test: str, keys: Mapping[str, Any], source: str) -> bool:
    """An unknown operator or key does not match: the lab never allows what AWS denies."""
    account = source.split(":")[4]
    # aws:SourceOwner is that of the default policy of a topic.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    facts = {"aws:sourcearn": source, "aws:sourceaccount": account, "aws:sourceowner": account}
    if test not in _TESTS:
        return False
    exact = test == "StringEquals"
    return all(
        key.lower() in facts
        and any(
            value == facts[key.lower()] or (not exact and _matches(value, facts[key.lower()]))
            for value in map(str, _as_list(values))
        )
        for key, values in keys.items()
    )


def _matches(pattern: str, text: str) -> bool:
    # Only * and ? are wildcards; brackets are not.
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _as_list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]
