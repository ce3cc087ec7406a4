"""IAM's evaluation of identity and trust policies by its documented rules. Pure.

No boundaries, resource policies or variables: an unknown element is an error, never a decision.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

Policy = Mapping[str, Any]
Context = Mapping[str, str | tuple[str, ...]]
ARN_SEGMENTS = 6


class Decision(StrEnum):
    """The decision of IAM."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicit deny"
    EXPLICIT_DENY = "explicit deny"


@dataclass(frozen=True)
class Request:
    """One action on one resource, with its context; a tuple is a key of several values."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource} with {dict(self.context)}"


def decide(policies: Iterable[Policy], request: Request) -> Decision:
    """An explicit deny overrides any allow, and the default is deny."""
    effects = {
        statement["Effect"] for policy in policies for statement in policy["Statement"] if _applies(statement, request)
    }
    if "Deny" in effects:
        return Decision.EXPLICIT_DENY
    return Decision.ALLOWED if "Allow" in effects else Decision.IMPLICIT_DENY


def trusts(policy: Policy, action: str, principal: tuple[str, str], context: Context) -> Decision:
    """The decision of a role's trust policy for a principal, which a statement has to name: (AWS, Service or Federated, value).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    kind, name = principal
    named = [each for each in policy["Statement"] if name in _many(each["Principal"].get(kind, ()))]
    role = "arn:aws:iam::123456789012:role/trusting"
    return decide([{"Statement": [{**each, "Resource": role} for each in named]}], Request(action, role, context))


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return _covers_action(statement, request) and _covers_resource(statement, request) and _meets(statement, request)


def _covers_action(statement: Mapping[str, Any], request: Request) -> bool:
    """Actions are case-insensitive.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
    """

    def among(patterns: Any) -> bool:
        return any(_like(pattern.lower(), request.action.lower()) for pattern in _many(patterns))

    return among(statement["Action"]) if "Action" in statement else not among(statement["NotAction"])


def _covers_resource(statement: Mapping[str, Any], request: Request) -> bool:
    def among(patterns: Any) -> bool:
        return any(_arn_like(pattern, request.resource) for pattern in _many(patterns))

    return among(statement["Resource"]) if "Resource" in statement else not among(statement["NotResource"])


def _meets(statement: Mapping[str, Any], request: Request) -> bool:
    """All operators and all keys have to match; of the values of one key any.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
    """
    # Key names are case-insensitive.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html
    known = {key.lower(): value for key, value in request.context.items()}
    return all(
        _test(operator, known.get(key.lower()), [_text(value) for value in _many(wanted)])
        for operator, tests in statement.get("Condition", {}).items()
        for key, wanted in tests.items()
    )


def _test(operator: str, found: str | tuple[str, ...] | None, wanted: Sequence[str]) -> bool:
    """One operator on one key.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    if any("${" in value for value in wanted):
        raise NotImplementedError("policy variables are not evaluated")
    quantifier, colon, name = operator.rpartition(":")
    if name == "Null":
        return any((value == "true") == (found is None) for value in wanted)
    name, is_lenient = name.removesuffix("IfExists"), name.endswith("IfExists")
    if name not in _OPERATORS:
        raise NotImplementedError(f"the operator {operator} is not evaluated")
    compare, is_negated = _OPERATORS[name]
    if found is None:
        return is_lenient or (quantifier == "ForAllValues" if colon else is_negated)

    def is_met(value: str) -> bool:
        return any(compare(pattern, value) for pattern in wanted) != is_negated

    if not colon:
        if isinstance(found, tuple):
            raise NotImplementedError("a key of several values needs ForAnyValue or ForAllValues")
        return is_met(found)
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    values = found if isinstance(found, tuple) else (found,)
    return {"ForAnyValue": any, "ForAllValues": all}[quantifier](is_met(value) for value in values)


def _arn_like(pattern: str, arn: str) -> bool:
    """Each segment between the first five colons separately; segments missing in a pattern match anything.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    if pattern == "*":
        return True
    wanted, found = pattern.split(":", ARN_SEGMENTS - 1), arn.split(":", ARN_SEGMENTS - 1)
    wanted += ["*"] * (ARN_SEGMENTS - len(wanted))
    return len(found) == ARN_SEGMENTS and all(map(_like, wanted, found))


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


def _equals(pattern: str, text: str) -> bool:
    return pattern == text


def _equals_caseless(pattern: str, text: str) -> bool:
    return pattern.casefold() == text.casefold()


# The comparison, and whether it is negated.
_OPERATORS: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_caseless, False),
    "StringNotEqualsIgnoreCase": (_equals_caseless, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_arn_like, False),
    "ArnLike": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnNotLike": (_arn_like, True),
    "Bool": (_equals_caseless, False),
}


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL)


def _many(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list | tuple) else [value])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
