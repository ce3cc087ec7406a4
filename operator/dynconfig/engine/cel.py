"""Evaluates rules in CEL. The library is imported with this module, so import it where an object has rules."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration

from dynconfig.engine import cel_functions, patterns
from dynconfig.engine.cel_tree import Node, Reading, hides, reading, tree
from dynconfig.engine.cel_work import work
from dynconfig.engine.typed import Span, Typed

VARIABLE = "config"

_ENVIRONMENT = cel.NewEnv(variables={VARIABLE: cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})

# The first words of the evaluator's message, and the message here: its own may repeat a value.
_FAILURES = {
    "key not found": "reads a key that is not there; ask has(…) first",
    "index error": "reads an item that is not there; ask size(…) first",
    "divide by zero": "divides by zero",
    "modulus by zero": "divides by zero",
    "overflow": "has a number that overflows",
    "out of range": "has a number that overflows",
    "out of int64 range": "has a number that overflows",
    "iteration budget exceeded": "takes too many steps with these values",
    "invalid regular expression": "has a regular expression that is none (RE2 syntax)",
    "conversion": "converts a value that cannot be converted",
    "cannot convert": "converts a value that cannot be converted",
}
_OVERLOAD = re.compile(r"No matching overloads found : (\S{1,40}\([a-z0-9_<>., ]{0,200}\))")
_COMPILE = re.compile(r"<input>:(-?\d+):(-?\d+): (.*)")


class RuleFault(Exception):
    """What is wrong with a rule, as the end of a sentence; it never holds a value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that compiles."""

    expression: cel.Expression
    tree: Node
    reading: Reading

    def check_patterns(self) -> None:
        """Raises RuleFault for a regular expression that is none, or too large; DeadlineExceeded."""
        for pattern in cel_functions.patterns_in(self.tree):
            if wrong := patterns.fault(pattern):
                raise RuleFault(f"has a pattern that {wrong}")

    def work(self, config: Mapping[str, Typed]) -> int:
        """The most that it may cost with these values."""
        return work(self.tree, VARIABLE, config)

    def holds(self, config: Mapping[str, Typed]) -> bool:
        """Whether it is true. Raises RuleFault."""
        try:
            answer = self.expression.eval(data={VARIABLE: {name: _value(value) for name, value in config.items()}})
        except RuntimeError as error:
            raise RuleFault(_failure(str(error))) from None
        if answer.type() == cel.Type.ERROR:
            raise RuleFault(_failure(str(answer.value())))
        if answer.type() != cel.Type.BOOL:
            raise RuleFault(f"is {str(answer.type()).lower()}, and a rule must be true or false")
        return bool(answer.value())


@lru_cache(maxsize=128)
def compiled(text: str) -> Rule:
    """A rule from its text. Raises RuleFault."""
    if not text.isprintable() and "\0" in text:
        raise RuleFault("does not compile: it has a NUL character")
    try:
        expression = _ENVIRONMENT.compile(text)
    except RuntimeError as error:
        raise RuleFault(f"does not compile: {_place(str(error))}") from None
    if expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise RuleFault(f"is {expression.return_type().name().lower()}, and a rule must be true or false")
    node = tree(expression.serialize())
    if hides(node, VARIABLE):
        raise RuleFault(f"gives a variable of its own the name {VARIABLE}; name it otherwise")
    if wrong := cel_functions.fault(node):
        raise RuleFault(wrong)
    return Rule(expression, node, reading(node, VARIABLE))


def _value(value: Typed) -> object:
    if not isinstance(value, Span):
        return value
    seconds, nanoseconds = divmod(value.nanoseconds, 10**9)
    return Duration(seconds=seconds, nanos=nanoseconds)


def _failure(message: str) -> str:
    overload = _OVERLOAD.search(message)
    if overload:
        return f"puts together types that do not go together: {overload[1]}"
    lower = message.lower()
    return next(
        (wrong for words, wrong in _FAILURES.items() if words in lower), "cannot be evaluated with these values"
    )


def _place(message: str) -> str:
    """The first thing that is wrong, of many lines that draw it."""
    found = _COMPILE.search(message)
    if not found:
        return "it is no expression in CEL"
    line, column, words = found.groups()
    words = words.replace(" (in container '')", "").split(" expecting {")[0].strip()
    return f"{words} (line {line}, column {column})" if int(line) > 0 else words
