"""The objects that take the most memory and time of all that the CRD accepts, each checked in a separate process.

Everything here is a product of two numbers that the author chooses: parameters, size of a text, rules, schemas, patterns, tags.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.security.memory import peak_mib

from dynconfig.validation import checking, json_schema

# The operator has 80 MiB beside itself for everything that is in progress at once, and checks two objects at a time.
GROWN_MIB = 24
# A JSON Schema that has begun may take its own limit, and reporting takes time.
SECONDS = checking.SECONDS + json_schema.SECONDS + 0.5
LONGEST = 8192
PARAMETERS, RULES, RULE_LENGTH = 1000, 64, 1024

Object = dict[str, Any]

CHECKS = """
import sys
from tests.cpu import cpu_time
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.validation import checking, secret_checks
from dynconfig.validation.cel import compiled

def resident(name):
    with open("/proc/self/status") as status:
        return int(re.findall(name + r":\\s+(\\d+) kB", status.read())[0]) / 1024

compiled("size(config) > 0").holds({"a": "b"})
result = {}
for title, document in task["specs"].items():
    spec = DynamicConfigSpec.model_validate(document)
    known = {
        item.name: item.value or task["texts"][(item.config_map_ref or item.secret_ref).key] for item in spec.parameters
    }
    result[title] = {}
    for check in (checking.findings_of, secret_checks.plain_faults, secret_checks.question, secret_checks.secret_faults):
        with cpu_time() as taken:
            with open("/proc/self/clear_refs", "w") as peak:
                peak.write("5")
            before = resident("VmRSS")
            found = check(spec, known)
            grown = resident("VmHWM") - before
        found = getattr(found, "faults", found)
        faults = [str(one) for one in found][:3] if isinstance(found, tuple) else []
        result[title][check.__name__] = [grown, taken.ordinary, faults]
"""


def filled(unit: str, wrap: str = "[]") -> str:
    """As many of these units as fit into a value."""
    return f"{wrap[0]}{','.join([unit] * ((LONGEST - 2) // (len(unit) + 1)))}{wrap[1]}"


TEXTS = {
    "maps": filled("{}"),
    "pairs": filled('{"":1}'),
    "lists": filled("[1]"),
    "levels": filled("[" * 60 + "]" * 60),
    "keys": filled('"abc":[]', "{}"),
    "digits": ",".join("1" * (LONGEST // 2)),
    "text": "x" * LONGEST,
    "wide": "é" * (LONGEST // 2),
    "durations": "1s" * (LONGEST // 2),
}
FORMS: dict[str, Object] = {
    "digits": {"type": "StringList"},
    "text": {},
    "wide": {},
    "durations": {"schema": {"type": "duration"}},
}


def taken_from(kind: str, key: str, count: int, **more: Any) -> list[Object]:
    """Parameters of one key of a Secret or ConfigMap."""
    form: Object = {"schema": {"type": "json"}}
    source = {"valueFrom": {kind: {"name": "source", "key": key}}}
    return [
        {"name": f"{kind}/{number}", **source, "tier": "Advanced", **FORMS.get(key, form), **more}
        for number in range(count)
    ]


def secrets(key: str, count: int) -> list[Object]:
    return taken_from("secretKeyRef", key, count, type="SecureString")


def with_rules(key: str, count: int, rule: str, rules: int = RULES) -> Object:
    """An object whose rules compare values of a ConfigMap and of a Secret."""
    numbered = [{"rule": f"{rule} || {number} < 0"} for number in range(rules)]
    secret = [{"name": "s", "valueFrom": {"secretKeyRef": {"name": "source", "key": "text"}}, "tier": "Advanced"}]
    return {"parameters": [*secret, *taken_from("configMapKeyRef", key, count)], "rules": numbered}


OPEN = "size(config) > 0"
EACH = "config.all(name, config[name] != 'x')"
FIRST = "config['configMapKeyRef/0']"
PAIRS = f"{FIRST} == config['configMapKeyRef/1']"

ITEMS: Object = {"items": {"type": "object"}}
SCHEMAS: dict[str, tuple[str, int, Callable[[int], Object]]] = {
    "a JSON Schema for each value": (
        "pairs",
        PARAMETERS,
        lambda number: {"type": "json", "jsonSchema": {"title": str(number), **ITEMS}},
    ),
    "one JSON Schema for all values": ("maps", PARAMETERS, lambda _number: {"type": "json", "jsonSchema": ITEMS}),
    "JSON Schemas with many references": (
        "lists",
        36,
        lambda number: {
            "type": "json",
            "jsonSchema": {"title": str(number), "$defs": {"a": {}}, "allOf": [{"$ref": "#/$defs/a"}] * 700},
        },
    ),
    "JSON Schemas with many evaluated items": (
        "lists",
        20,
        lambda number: {
            "type": "json",
            "jsonSchema": {
                "title": str(number),
                "allOf": [{"prefixItems": [{}] * 100}] * 40,
                "unevaluatedItems": False,
            },
        },
    ),
    "JSON Schemas with deep values": (
        "levels",
        50,
        lambda _number: {"type": "json", "jsonSchema": {"items": {"enum": [json.loads("[" * 55 + "]" * 55)] * 80}}},
    ),
    "a large pattern for each value": (
        "text",
        PARAMETERS,
        lambda number: {"pattern": f"(?:x?){{300}}[^b]{{200}}{'c' * (number % 100)}{number}|x"},
    ),
    "values of other types": ("text", PARAMETERS, lambda _number: {"type": "host"}),
}


def with_schemas(key: str, count: int, schema: Callable[[int], Object]) -> Object:
    parameters = taken_from("configMapKeyRef", key, count)
    return {"parameters": [{**item, "schema": schema(number)} for number, item in enumerate(parameters)]}


OBJECTS: dict[str, Callable[[], Object]] = {
    **{
        f"{rules} rules that read {count} values of {key}": lambda key=key, count=count, rules=rules: with_rules(  # type: ignore[misc]
            key, count, OPEN, rules
        )
        for key in TEXTS
        for count in (PARAMETERS - 1, 20)
        for rules in (1, RULES)
    },
    "rules that compare each of many values": lambda: with_rules("text", PARAMETERS - 1, EACH),
    "rules that compare two long lists": lambda: with_rules("digits", 2, PAIRS),
    "rules that compare two maps": lambda: with_rules("keys", 2, PAIRS),
    "rules of the maximum length": lambda: with_rules("text", PARAMETERS - 1, "&&".join(["[1].all(a,true)"] * 58)),
    **{title: lambda parts=parts: with_schemas(*parts) for title, parts in SCHEMAS.items()},  # type: ignore[misc]
    "rules with long lists": lambda: with_rules("maps", 20, f"[{','.join('1' * 480)}].all(a,a>0)"),
}


@pytest.fixture(scope="module")
def checks() -> dict[str, dict[str, tuple[float, float, list[str]]]]:
    specs = {title: {"path": "/app", **build()} for title, build in OBJECTS.items()}
    assert max(len(json.dumps(spec)) for spec in specs.values()) < 1_500_000
    _peak, found = peak_mib(CHECKS, {"specs": specs, "texts": TEXTS}, seconds=600)
    return found  # type: ignore[no-any-return]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("title", OBJECTS)
def test_check_takes_bounded_memory_and_time(
    title: str, checks: dict[str, dict[str, tuple[float, float, list[str]]]]
) -> None:
    for name, (grown, seconds, faults) in checks[title].items():
        assert grown <= GROWN_MIB, (name, faults)
        assert seconds <= SECONDS, (name, faults)
