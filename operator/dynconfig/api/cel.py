"""Evaluate the CEL rules of the models as the API server does, on documents with their defaults."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cel_expr_python import cel

# The library's own limit, which the API server does not have: it limits the cost by the schema, when the CRD is applied.
_BUDGET = "Iteration budget exceeded"


def broken(rules: Iterable[str], document: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> set[str]:
    """Return the rules that are false, with `self` and `oldSelf`; an error counts as false.

    A rule that is too long to evaluate counts as true, since the API server has checked it.
    """
    data = {"self": document, "oldSelf": before}
    rules = tuple(rules)
    # Nearly always all of them hold, which one evaluation shows.
    if not rules or value(" && ".join(f"({rule})" for rule in rules), data) is True:
        return set()
    answers = {rule: value(rule, data) for rule in rules}
    return {rule for rule, answer in answers.items() if answer is not True and _BUDGET not in str(answer)}


def value(rule: str, data: Mapping[str, Any]) -> object:
    """Evaluate a rule; the text of an error is its value."""
    try:
        return _compiled(rule).eval(data=data).value()
    except RuntimeError as error:
        return str(error)


@lru_cache(maxsize=256)
def _compiled(rule: str) -> "cel.Expression":
    return _environment().compile(rule)


@lru_cache(maxsize=1)
def _environment() -> "cel.Env":
    # Imported lazily, since most commands do not parse an object.
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_strings

    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])
