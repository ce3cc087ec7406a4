"""Patterns of tenants: memory and time are bounded by RE2's limits, whatever engine they are written for."""

import pytest
from tests.security.attacks import COUNTED, OPTIONAL, RECURSIVE
from tests.security.memory import peak_mib

WORK = """
from dynconfig.validation.inspection import findings
parameters = [{"name": f"p{n}", **parameter} for n, parameter in enumerate(task)]
document = {"spec": {"path": "/app", "parameters": parameters}}
result = len(findings(document, lambda source: None).faults)
"""
# The models, RE2 and jsonschema take about 60 MiB by themselves.
PEAK_MIB = 120
VALUE = "a" * 8000
PATTERNS = (
    COUNTED,
    OPTIONAL,
    "(([a-z]{1,90}){1,90}){1,90}",
    RECURSIVE,
    "^(a|a|aa|aaa)*$!",
    "(?:a?){500}a{500}b",
    r"(?:\pL{0,300}x){3}",
)


@pytest.mark.parametrize("field", ["pattern", "jsonSchema", "patternProperties", "allowedPattern"])
def test_patterns_take_bounded_memory(field: str) -> None:
    many = [f"{pattern}{'b' * number}" for pattern in PATTERNS for number in range(8)]
    peak, _faults = peak_mib(WORK, [parameter(field, text) for text in many])
    assert peak <= PEAK_MIB


def parameter(field: str, pattern: str) -> dict[str, object]:
    """A parameter whose value is matched against a pattern."""
    if field == "allowedPattern":
        return {"value": VALUE, "tier": "Advanced", "allowedPattern": pattern}
    if field == "pattern":
        return {"value": VALUE, "tier": "Advanced", "schema": {"pattern": pattern}}
    schema = {"pattern": pattern} if field == "jsonSchema" else {"patternProperties": {pattern: False}}
    text = f'"{VALUE[2:]}"' if field == "jsonSchema" else f'{{"{VALUE[9:]}": 1}}'
    return {"value": text, "tier": "Advanced", "schema": {"type": "json", "jsonSchema": schema}}
