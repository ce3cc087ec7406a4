"""Evaluates the Condition element of an IAM policy. Pure.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""The values of context keys, by name in lower case; several values for a multivalued key."""
_IF_EXISTS = "IfExists"
_ANY = "ForAnyValue:"
_ALL = "ForAllValues:"
_NEGATION = "Not"


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern with * and ?."""
    return _compiled(pattern).fullmatch(text) is not None


def meets(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether all conditions are met. A condition with an operator that the lab does not know is not met."""
    return all(
        _meets(operator, _texts(wanted), _values(context.get(key.lower())))
        for operator, tests in conditions.items()
        for key, wanted in tests.items()
    )


def _meets(operator: str, wanted: Sequence[str], known: Sequence[str] | None) -> bool:
    if operator == "Null":
        return wanted == (["true"] if known is None else ["false"])
    quantifier = next((name for name in (_ANY, _ALL) if operator.startswith(name)), "")
    name = operator.removeprefix(quantifier).removesuffix(_IF_EXISTS)
    compare = _OPERATORS.get(name.replace(_NEGATION, "", 1))
    if compare is None:
        return False
    is_negated = _NEGATION in name
    if known is None:
        return operator.endswith(_IF_EXISTS) or quantifier == _ALL or (is_negated and quantifier != _ANY)
    results = [any(compare(value, one) for value in wanted) is not is_negated for one in known]
    return any(results) if quantifier == _ANY else all(results)


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, known: wanted == known,
    "StringEqualsIgnoreCase": lambda wanted, known: wanted.lower() == known.lower(),
    "StringLike": matches,
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda wanted, known: wanted.lower() == known.lower(),
}


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]


def _values(value: str | Sequence[str] | None) -> Sequence[str] | None:
    return [value] if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.compile("".join(parts), re.DOTALL)
