"""Compile and evaluate CEL rules. Import this module only for objects with rules, since it loads protobuf's messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration

from dynconfig.validation import patterns
from dynconfig.validation.bounded_cache import cached_by_length
from dynconfig.validation.expression import VARIABLE, Expression, ExpressionFault, scanned
from dynconfig.validation.typed import Span, Typed

# A rule of a thousand characters takes up to 260 kB: all rules of one object fit.
_KEPT = 80_000

_ENVIRONMENT = cel.NewEnv(variables={VARIABLE: cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})

# Parts of the evaluator's messages, and the messages to report instead, since the originals may contain a value.
_FAILURES = {
    "key not found": "reads a key that does not exist; check it with has(…) first",
    "index error": "reads an item that does not exist; check size(…) first",
    "divide by zero": "divides by zero",
    "modulus by zero": "divides by zero",
    "overflow": "has a numeric overflow",
    "out of range": "has a numeric overflow",
    "out of int64 range": "has a numeric overflow",
    "iteration budget exceeded": "exceeds the iteration limit with these values",
    "invalid regular expression": "has an invalid regular expression (RE2 syntax)",
    "conversion": "has an invalid type conversion",
    "cannot convert": "has an invalid type conversion",
}
_OVERLOAD = re.compile(r"No matching overloads found : (\S{1,40}\([a-z0-9_<>., ]{0,200}\))")
_COMPILE = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")


class RuleFault(Exception):
    """An error in a rule. The message is to be appended to the rule's name and never contains a value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule."""

    expression: cel.Expression
    shape: Expression

    def check_patterns(self) -> None:
        """Raise RuleFault for an invalid or too large regular expression, or DeadlineExceeded."""
        for _, pattern in self.shape.patterns:
            if wrong := patterns.fault(pattern):
                raise RuleFault(f"has a pattern that {wrong}")

    def holds(self, config: Mapping[str, Typed]) -> bool:
        """Evaluate the rule. Raises RuleFault."""
        try:
            answer = self.expression.eval(data={VARIABLE: {name: _value(value) for name, value in config.items()}})
        except RuntimeError as error:
            raise RuleFault(_failure(str(error))) from None
        if answer.type() == cel.Type.ERROR:
            raise RuleFault(_failure(str(answer.value())))
        if answer.type() != cel.Type.BOOL:
            raise RuleFault(f"is of type {str(answer.type()).lower()}, but a rule must be of type bool")
        return bool(answer.value())


@cached_by_length(_KEPT)
def compiled(text: str) -> Rule:
    """Compile a rule. Raises RuleFault."""
    if not text.isprintable() and "\0" in text:
        raise RuleFault("does not compile: it has a NUL character")
    try:
        expression = _ENVIRONMENT.compile(text)
    except RuntimeError as error:
        raise RuleFault(f"does not compile: {_place(str(error))}") from None
    if expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise RuleFault(f"is of type {expression.return_type().name().lower()}, but a rule must be of type bool")
    try:
        return Rule(expression, scanned(text, _literal))
    except ExpressionFault as error:
        raise RuleFault(str(error)) from None


def _literal(text: str) -> object:
    return _ENVIRONMENT.compile(text).eval(data={VARIABLE: {}}).value()


def _value(value: Typed) -> object:
    if not isinstance(value, Span):
        return value
    seconds, nanoseconds = divmod(value.nanoseconds, 10**9)
    return Duration(seconds=seconds, nanos=nanoseconds)


def _failure(message: str) -> str:
    overload = _OVERLOAD.search(message)
    if overload:
        return f"has incompatible types: {overload[1]}"
    lower = message.lower()
    return next(
        (wrong for words, wrong in _FAILURES.items() if words in lower), "cannot be evaluated with these values"
    )


def _place(message: str) -> str:
    """Return the first error in the message of the compiler."""
    found = _COMPILE.search(message)
    if not found:
        return "it is not a CEL expression"
    line, column, words = found.groups()
    words = words.replace(" (in container '')", "").split(" expecting {")[0].strip()
    return f"{words} (line {line}, column {column})" if int(line) > 0 else words
