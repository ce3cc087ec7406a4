"""Rules may call only listed functions, and none that opens files, allocates much memory, or compiles a pattern from
values."""

import re
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cel_expr_python import cel
from tests.cpu import cpu_time

from dynconfig.validation.cel import RuleFault, compiled
from dynconfig.validation.checking import SECONDS
from dynconfig.validation.expression import ALLOWED, TIMES
from dynconfig.validation.inspection import findings
from dynconfig.validation.text_size import text_size

NOON = "timestamp('2020-01-01T12:00:00Z')"
MANY = f"[{','.join(map(str, range(100)))}]"
SHAPES = ("{}(x)", "x.{}()", "{}(x, x)", "x.{}(x)", "{}(x, x, x)", "x.{}(x, x)", "{}()")
MACROS = frozenset(("all", "exists", "exists_one", "filter", "map"))


def parameters(*values: str) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in zip("abc", values, strict=False)]


def faults(rules: list[str], *values: str) -> str:
    spec = {"path": "/app", "parameters": parameters(*values), "rules": [{"rule": rule} for rule in rules]}
    return "\n".join(map(str, findings({"spec": spec}, lambda source: None).faults))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (rf"{MANY}.exists(x, config.a.matches('[\\pL]{{200}}' + config.a))", "calls matches with a computed pattern"),
        ("matches(config.a, config.a)", "calls matches with a computed pattern"),
        ("config.a.matches(dyn('a'))", "calls matches with a computed pattern"),
        (
            rf"{MANY}.exists(x, config.a.matches('[\\pL]{{200}}'))",
            "has a pattern that is not a valid regular expression",
        ),
        (rf"{MANY}.exists(x, config.a.matches('\\pL{{12}}'))", "too expensive"),
        (f"{NOON}.getHours('/proc/self/fd/1') >= 0", "calls getHours with a time zone"),
        (f"{MANY}.all(x, {NOON}.getHours(config.a + string(x)) >= 0)", "calls getHours with a time zone"),
        (f"[1].map(t, [{NOON}.getDate('UTC')]) == []", "calls getDate with a time zone"),
        ("google.protobuf.Duration{seconds: 1} == duration('1s')", "calls Duration{}"),
        ("has(google.protobuf.Any{type_url: config.a}.value)", "calls Any{}"),
    ],
)
def test_harmful_call_is_rejected_by_name(rule: str, message: str) -> None:
    said = faults([rule], "aaaa")
    assert said.startswith("spec.rules[0]: ")
    assert message in said


def names_in_the_library() -> set[str]:
    text = Path(cel.__file__).read_bytes()
    return {found.decode() for found in re.findall(rb"(?<=\0)[a-zA-Z_][a-zA-Z0-9_]{1,30}(?=\0)", text)}


def compiles(environment: cel.Env, text: str) -> bool:
    try:
        environment.compile(text)
    except RuntimeError:
        return False
    return True


def test_each_function_of_the_library_is_listed_or_rejected() -> None:
    environment = cel.NewEnv(variables={"x": cel.Type.DYN})
    calls = {
        shape.format(name): name
        for name in names_in_the_library() - MACROS
        for shape in SHAPES
        if compiles(environment, shape.format(name))
    }
    # The names are read from the library.
    assert {*calls.values()} >= ALLOWED
    taken = {call for call in calls if not refuses(call)}
    assert {calls[call] for call in taken} <= ALLOWED
    assert not {call for call in taken if calls[call] in TIMES and call.endswith("(x)")}
    assert not {call for call in taken if calls[call] == "matches"}


def refuses(call: str) -> bool:
    rule = re.sub(r"\bx\b", "config.a", f"dyn({call}) == 1")
    try:
        compiled(rule)
    except RuleFault as fault:
        return "which is not allowed in rules" in str(fault)
    return False


@pytest.mark.parametrize("pattern", [r"\\pL{12}", "(?:a?){1000}b", "^[a-z]{1,63}$"])
def test_pattern_counts_at_each_evaluation(pattern: str) -> None:
    config = {"a": text_size("a" * 1000, has_items=False)}
    one = compiled(f"config.a.matches('{pattern}')").shape.work(config)
    assert compiled(f"{MANY}.exists(x, config.a.matches('{pattern}'))").shape.work(config) >= 100 * one


def test_patterns_of_common_size_may_be_used_with_a_list() -> None:
    spec = {
        "path": "/app",
        "parameters": [{"name": "a", "type": "StringList", "value": ",".join(["a.internal"] * 100)}],
        "rules": [{"rule": "config.a.all(host, host.matches('^[a-z0-9-]{1,63}([.][a-z0-9-]{1,63})*$'))"}],
    }
    assert findings({"spec": spec}, lambda source: None).faults == ()


NUMBERS = count()


def costly() -> str:
    """A pattern that was not compiled before, and is slow to compile."""
    return rf"(\pL?){{12}}{next(NUMBERS)}"


def whole_of(field: str) -> dict[str, Any]:
    many = [costly() for _ in range(1000)]
    listed: list[dict[str, Any]] = [{"name": f"p{number}", "value": "1"} for number in range(1000)]
    if field == "rules":
        texts = [" || ".join(f"config.p0.matches(r'{costly()}')" for _ in range(20)) for _ in range(60)]
        return {"parameters": listed[:1], "rules": [{"rule": text} for text in texts]}
    if field == "allowedPattern":
        return {"parameters": [{**item, field: text} for item, text in zip(listed, many, strict=True)]}
    if field == "pattern":
        return {"parameters": [{**item, "schema": {field: text}} for item, text in zip(listed, many, strict=True)]}
    # Each schema takes less than the limit of one schema, and all together more than the limit of the object.
    parts = (many[at : at + 50] for at in range(0, len(many), 50))
    schemas = ({"type": "json", "jsonSchema": {"anyOf": [{"pattern": text} for text in part]}} for part in parts)
    return {"parameters": [{**item, "schema": schema} for item, schema in zip(listed, schemas, strict=False)]}


@pytest.mark.parametrize("field", ["rules", "allowedPattern", "pattern", "jsonSchema"])
def test_no_pattern_is_compiled_after_the_time_limit_of_the_object(field: str) -> None:
    document = {"spec": {"path": "/app", **whole_of(field)}}
    with cpu_time() as taken:
        found = findings(document, lambda source: None)
    # All of them together take 4 s and more.
    assert taken.ordinary < 2 * SECONDS
    message = (
        "was not evaluated, and neither are the following rules"
        if field == "rules"
        else "not checked, and neither are the following parameters"
    )
    assert any(message in str(fault) for fault in found.faults)
