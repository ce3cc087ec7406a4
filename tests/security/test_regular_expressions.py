"""Python's `re` backtracks and holds the interpreter until it has an answer, so each of its patterns must take linear time."""

import ast
import importlib
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]  # typeshed lacks it
from time import thread_time
from typing import Any

import pytest
from tests.cpu import cpu_time

import dynconfig
from dynconfig.api.parameter import ValueSchema
from dynconfig.kube import json_levels
from dynconfig.validation.values import schema_fault

ROOT = Path(dynconfig.__file__).parent
METHODS = frozenset(("match", "fullmatch", "search", "finditer", "findall", "sub", "subn", "split"))
CHARACTERS = 16_000
SECONDS = 0.05
"""A linear match takes a few milliseconds, a quadratic one a second and more."""
BOUNDED = {
    "dynconfig.validation.expression._TOKEN": 1_024,  # the maximum length of a rule
    "dynconfig.api.metadata._SUBDOMAIN": 253,
    "dynconfig.cli.files": 253,  # the maximum length of a name
}
"""Patterns, or modules, whose texts have at most this many characters."""
COMPUTED = {
    "dynconfig.api.model": r"\bself\.name\b",
    "dynconfig.aws.layers": r"arn:aws:lambda:eu-west-1:123456789012:layer:a:\d+",
    "dynconfig.cli.commands.iam": r"[0-9]{12}",
    "dynconfig.cli.files": r"(.+-)?name(-.+)?-[bcdfghkmt2456789]{10}",
    "dynconfig.kube.json_levels": json_levels._nested(4),
    "dynconfig.kube.json_selection": rb'(?<!\\)"data"\s*:\s*(?=\{)',
    "dynconfig.model.stored": r"[a-z]{2}(-[a-z]+)+-[0-9]",
    "dynconfig.settings": r"[a-z0-9-]+",
    "dynconfig.validation.messages": r"-?[0-9]+(\.[0-9]+)?",
    "dynconfig.validation.schedules": r"\?|L|([1-7]|SUN|MON)(#[1-5]|L)",
}
"""An example for each module with a pattern that is computed in a function."""


@dataclass(frozen=True)
class Use:
    place: str
    pattern: re.Pattern[Any]
    methods: frozenset[str]
    longest: int


def uses() -> Iterator[Use]:
    for file in sorted(ROOT.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "import re\n" in text and file.name != "__main__.py":
            yield from uses_in(file, ast.parse(text))


def uses_in(file: Path, tree: ast.Module) -> Iterator[Use]:
    module = ".".join(("dynconfig", *file.relative_to(ROOT).with_suffix("").parts))
    named = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    names = vars(importlib.import_module(module))
    called_attributes = ((node, node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    calls = [(node, function) for node, function in called_attributes if isinstance(function, ast.Attribute)]
    called: dict[str, set[str]] = {}
    for _, function in calls:
        called.setdefault(ast.unparse(function.value), set()).add(function.attr)
    for name, value in names.items():
        if isinstance(value, re.Pattern):
            methods = METHODS & called.get(name, set()) or METHODS
            yield Use(f"{module}.{name}", value, methods, BOUNDED.get(f"{module}.{name}", CHARACTERS))
    for node, function in calls:
        method = function.attr
        if ast.unparse(function.value) == "re" and method in METHODS | {"compile"} and node not in named:
            methods = frozenset((method,)) if method in METHODS else frozenset(("match",))
            pattern = evaluated(node.args[0], names) or COMPUTED.get(module) or pytest.fail(f"no example: {module}")
            yield Use(f"{module}:{node.lineno}", pattern_of(pattern), methods, BOUNDED.get(module, CHARACTERS))


def evaluated(node: ast.expr, names: dict[str, Any]) -> Any:
    """The value of a pattern; None if it is only known in the function."""
    try:
        return eval(compile(ast.Expression(node), "", "eval"), dict(names))  # noqa: S307 - our own source
    except NameError:
        return None


def pattern_of(value: Any) -> re.Pattern[Any]:
    return value if isinstance(value, re.Pattern) else re.compile(value)


def parts(parsed: Any) -> Iterator[str]:
    """A character of each literal and class of a pattern, in order."""
    for operation, argument in parsed:
        kind = str(operation)
        if kind in CHARACTER_OF:
            yield CHARACTER_OF[kind](argument)
        for inner in INNER.get(kind, lambda _argument: [])(argument):
            yield from parts(inner)


def member(items: Any) -> str:
    """A character of a class."""
    source = [
        chr(code) for code in (*range(97, 123), *range(48, 58), 32, 9, 10, *range(33, 127), 0x85, 0x2028, 0, 0xD800)
    ]
    for character in source:
        if inside(character, items):
            return character
    return "x"


def inside(character: str, items: Any) -> bool:
    found, negated = False, False
    for operation, argument in items:
        kind = str(operation)
        if kind == "NEGATE":
            negated = True
        elif kind == "LITERAL":
            found |= ord(character) == argument
        elif kind == "RANGE":
            found |= argument[0] <= ord(character) <= argument[1]
        elif kind == "CATEGORY":
            found |= {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": str.isalnum}[str(argument).split("_")[-1]](
                character
            ) != ("NOT" in str(argument))
    return found != negated


def hostile(pattern: re.Pattern[Any], length: int) -> Iterator[str]:
    """Texts that begin like a match, repeat a part of it, and end like none."""
    units = list(
        dict.fromkeys(itertools.islice(parts(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)), 400))
    )
    whole = "".join(itertools.islice(parts(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)), 400))
    units = units[:8]
    repeated = filter(None, [*units, *map("".join, itertools.permutations(units, 2)), whole])
    prefixes = dict.fromkeys(("", whole[:1], whole[:2], whole[: len(whole) // 2], whole))
    for unit in repeated:
        for prefix in prefixes if len(unit) == 1 else ("",):
            for end in ("", "\0!"):
                yield (prefix + unit * (length // len(unit) + 1))[: length - 2] + end


def run(pattern: re.Pattern[Any], method: str, text: str) -> None:
    subject: Any = text.encode(errors="surrogatepass") if isinstance(pattern.pattern, bytes) else text
    if method == "finditer":
        list(pattern.finditer(subject))
    elif method in ("sub", "subn"):
        getattr(pattern, method)(subject[:0], subject)
    else:
        getattr(pattern, method)(subject)


def longest(use: Use) -> tuple[float, str]:
    """CPU seconds of the slowest text on an ordinary machine, and the text."""
    worst = (0.0, "")
    for text in hostile(use.pattern, use.longest):
        for method in use.methods & {"match", "fullmatch", "search", "sub"} or {"sub"}:
            begun = thread_time()
            run(use.pattern, method, text)
            taken = thread_time() - begun
            if taken > SECONDS:
                with cpu_time() as again:
                    run(use.pattern, method, text)
                taken = min(taken, again.ordinary)
            worst = max(worst, (taken, f"{method} {text[:40]!r}…{text[-3:]!r}"))
            if taken > SECONDS:
                return worst
    return worst


CHARACTER_OF: dict[str, Callable[[Any], str]] = {
    "LITERAL": chr,
    "NOT_LITERAL": lambda code: "x" if code != ord("x") else "y",
    "ANY": lambda _argument: "x",
    "IN": member,
}
INNER: dict[str, Callable[[Any], list[Any]]] = {
    "MAX_REPEAT": lambda argument: [argument[2]],
    "MIN_REPEAT": lambda argument: [argument[2]],
    "POSSESSIVE_REPEAT": lambda argument: [argument[2]],
    "SUBPATTERN": lambda argument: [argument[3]],
    "ATOMIC_GROUP": lambda argument: [argument],
    "BRANCH": lambda argument: argument[1],
}
ALL = list(uses())


@pytest.mark.parametrize("use", ALL, ids=[use.place for use in ALL])
def test_pattern_takes_linear_time(use: Use) -> None:
    ordinary, text = longest(use)
    assert ordinary <= SECONDS, text


@pytest.mark.parametrize(
    ("pattern", "method"),
    [(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", "fullmatch"), ("[a-z]+://", "search")],
)
def test_quadratic_pattern_is_found(pattern: str, method: str) -> None:
    assert longest(Use("", re.compile(pattern), frozenset((method,)), CHARACTERS))[0] > SECONDS


FORMS: dict[str, Callable[[int], str]] = {
    "number": lambda size: "1" * size + "x",
    "integer": lambda size: "1" * size + "x",
    "duration": lambda size: "1s" * (size // 2) + "x",
    "host": lambda size: "a." * (size // 2) + "-",
    "url": lambda size: "http://" + "[" * size,
    "json": lambda size: "1" * size,
}


@pytest.mark.parametrize("form", FORMS)
def test_check_of_the_type_takes_linear_time(form: str) -> None:
    schema = ValueSchema.model_validate({"type": form})
    with cpu_time() as taken:
        schema_fault(schema, FORMS[form](CHARACTERS))
    assert taken.ordinary <= SECONDS
