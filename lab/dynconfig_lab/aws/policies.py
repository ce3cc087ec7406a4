"""Evaluates IAM policy documents: who may assume a role, what it may do, who may invoke a function. Pure.

Conditions are evaluated where the lab knows the context: the source of a service's call, the use of a key. Other
conditions of a role's permissions count as met, since they depend on callers that the lab does not distinguish.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

Document = Mapping[str, Any]
Context = Mapping[str, str]
_SOURCE_ARN = "aws:sourcearn"
_SOURCE_ACCOUNT = "aws:sourceaccount"


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern with * and ?."""
    return _compiled(pattern).fullmatch(text) is not None


def allows(documents: Iterable[str], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether identity policies allow an action on a resource, and none denies it."""
    found = effects(documents, action, resource, context)
    return "Allow" in found and "Deny" not in found


def effects(documents: Iterable[str], action: str, resource: str, context: Context | None = None) -> set[str]:
    """The effect of the statements for an action on a resource; the keys of a context are in lower case."""
    return {
        str(statement.get("Effect"))
        for document in documents
        for statement in statements(document)
        if _covers(statement, action, resource) and (context is None or _meets(statement, context))
    }


def trusts(document: str, service: str, account: str) -> bool:
    """Whether a role's trust policy allows a service to assume the role on behalf of an account."""
    return any(
        statement.get("Effect") == "Allow"
        and service in _many(_principal(statement, "Service"))
        and any(matches(action.lower(), "sts:assumerole") for action in _many(statement.get("Action")))
        and _meets(statement, {_SOURCE_ACCOUNT: account})
        for statement in statements(document)
    )


def lets_call(statement: Document, service: str, source: str, account: str) -> bool:
    """Whether a statement of a function's policy allows a service to invoke it on behalf of a source."""
    is_for_all = statement.get("Principal") == "*"
    return (
        statement.get("Effect") == "Allow"
        and (is_for_all or service in _many(_principal(statement, "Service")))
        and any(matches(action.lower(), "lambda:invokefunction") for action in _many(statement.get("Action")))
        and _meets(statement, {_SOURCE_ARN: source, _SOURCE_ACCOUNT: account})
    )


def statements(document: str) -> Iterator[Document]:
    """The statements of a document; none if it is not a policy."""
    try:
        found = json.loads(document)
    except ValueError:
        return
    for statement in _many(found.get("Statement") if isinstance(found, dict) else None):
        if isinstance(statement, dict):
            yield statement


def _covers(statement: Document, action: str, resource: str) -> bool:
    return any(matches(pattern.lower(), action.lower()) for pattern in _many(statement.get("Action"))) and any(
        matches(pattern, resource) for pattern in _many(statement.get("Resource"))
    )


def _principal(statement: Document, kind: str) -> Any:
    found = statement.get("Principal")
    return found.get(kind) if isinstance(found, dict) else None


def _meets(statement: Document, context: Context) -> bool:
    """Whether all conditions are met; a condition on an unknown context key is not."""
    for operator, tests in statement.get("Condition", {}).items():
        for key, wanted in tests.items():
            known = context.get(key.lower())
            if known is None or not any(_compare(operator, str(value), known) for value in _many(wanted)):
                return False
    return True


def _compare(operator: str, wanted: str, known: str) -> bool:
    is_pattern = operator.removeprefix("ForAnyValue:").startswith(("Arn", "StringLike"))
    return matches(wanted, known) if is_pattern else wanted == known


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL)
