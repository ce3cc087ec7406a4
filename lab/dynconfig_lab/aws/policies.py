"""Evaluates IAM policy documents: who may assume a role, what it may do, who may invoke a function. Pure.

Conditions are evaluated where the lab knows the context: the source of a service's call, the use of a key. Other
conditions of a role's permissions count as met, since they depend on callers that the lab does not distinguish.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from dynconfig_lab.aws import conditions
from dynconfig_lab.aws.conditions import Context

Document = Mapping[str, Any]
_SOURCE_ARN = "aws:sourcearn"
_SOURCE_ACCOUNT = "aws:sourceaccount"


class Principal(Protocol):
    """Who makes a request."""

    @property
    def account(self) -> str: ...
    @property
    def arn(self) -> str: ...
    @property
    def role_arn(self) -> str: ...


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


def lets_assume(document: str, action: str, who: Principal, context: Context) -> bool:
    """Whether a role's trust policy allows a caller an action, which is sts:AssumeRole or sts:TagSession.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    found = {
        statement.get("Effect")
        for statement in statements(document)
        if any(conditions.matches(pattern.lower(), action.lower()) for pattern in _many(statement.get("Action")))
        and _is_principal(statement, who)
        and _meets(statement, context)
    }
    return "Allow" in found and "Deny" not in found


def trusts(document: str, service: str, account: str) -> bool:
    """Whether a role's trust policy allows a service to assume the role on behalf of an account."""
    return any(
        statement.get("Effect") == "Allow"
        and service in _many(_principal(statement, "Service"))
        and any(conditions.matches(action.lower(), "sts:assumerole") for action in _many(statement.get("Action")))
        and _meets(statement, {_SOURCE_ACCOUNT: account})
        for statement in statements(document)
    )


def lets_call(statement: Document, service: str, source: str, account: str) -> bool:
    """Whether a statement of a function's policy allows a service to invoke it on behalf of a source."""
    is_for_all = statement.get("Principal") == "*"
    return (
        statement.get("Effect") == "Allow"
        and (is_for_all or service in _many(_principal(statement, "Service")))
        and any(
            conditions.matches(action.lower(), "lambda:invokefunction") for action in _many(statement.get("Action"))
        )
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
    return any(
        conditions.matches(pattern.lower(), action.lower()) for pattern in _many(statement.get("Action"))
    ) and any(conditions.matches(pattern, resource) for pattern in _many(statement.get("Resource")))


def _is_principal(statement: Document, who: Principal) -> bool:
    """Whether the element names the caller: everybody, an account, a user, a role, or one session of a role.

    Part of an ARN is no pattern here.
    """
    if statement.get("Principal") == "*":
        return True
    names = {"*", who.account, f"arn:aws:iam::{who.account}:root", who.arn, who.role_arn} - {""}
    return not names.isdisjoint(map(str, _many(_principal(statement, "AWS"))))


def _principal(statement: Document, kind: str) -> Any:
    found = statement.get("Principal")
    return found.get(kind) if isinstance(found, dict) else None


def _meets(statement: Document, context: Context) -> bool:
    return conditions.meets(statement.get("Condition", {}), context)


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
