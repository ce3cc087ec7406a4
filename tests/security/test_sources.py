"""Secrets and ConfigMaps larger than any parameter: their texts are rejected by length, and not cached."""

import base64
from typing import Any

import pytest
from tests.security.attacks import encoded
from tests.security.memory import peak_mib

from dynconfig.kube.responses import source_text
from dynconfig.model.declaration import Source
from dynconfig.validation.declare import faults

WORK = """
import asyncio, base64
from dynconfig.validation.declare import faults, parse_spec, sources as sources_of
from dynconfig.kube import sources
kind, size, count, patterns = task
text = "x" * size
data = {"key": base64.b64encode(text.encode()).decode() if kind == "secret" else text}
class Kube:
    async def source(self, *_place):
        return {"data": data}
reference = {f"{kind}KeyRef": {"name": "large", "key": "key"}}
schema = {"schema": {"pattern": "^x*$"}} if patterns else {}
parameters = [{"name": f"p{n}", "valueFrom": reference, **schema} for n in range(count)]
document = {"spec": {"path": "/app", "parameters": parameters}}
read = asyncio.run(sources.read(Kube(), "shop", sources_of(parse_spec(document))))
result = len(faults(document, read))
"""
PEAK_MIB = 120


@pytest.mark.parametrize("kind", ["secret", "configMap"])
@pytest.mark.parametrize("has_patterns", [False, True])
def test_thousand_references_to_one_large_text_take_the_memory_of_one(kind: str, has_patterns: bool) -> None:
    peak, found = peak_mib(WORK, [kind, 700_000, 1000, has_patterns])
    assert found == 1000
    assert peak <= PEAK_MIB


def refused(size: int, tier: str) -> str:
    """The errors of a value of this many bytes from a Secret."""
    reference = {"secretKeyRef": {"name": "large", "key": "key"}}
    parameters = [{"name": "a", "valueFrom": reference, "tier": tier}]
    document: dict[str, Any] = {"spec": {"path": "/app", "parameters": parameters}}
    return "; ".join(faults(document, lambda source: source_text(source, {"data": {"key": encoded("x" * size)}})))


@pytest.mark.parametrize(
    ("size", "tier", "message"),
    [
        (8192, "Advanced", ""),
        (8193, "Advanced", "has 8193 bytes, more than the 8192"),
        (8194, "Standard", "has 8194 bytes, more than the 4096"),
        (8195, "Standard", "has 8195 bytes, more than the 4096"),
        (5000, "Standard", "set tier: Advanced"),
    ],
)
def test_size_is_reported_exactly_without_decoding(size: int, tier: str, message: str) -> None:
    found = refused(size, tier)
    assert message in found
    assert bool(found) == bool(message)


def test_large_binary_value_is_rejected_for_its_size() -> None:
    large = base64.b64encode(b"\xff" * 100_000).decode()
    assert source_text(Source("Secret", "s", "k"), {"data": {"k": large}}) == "(100,000 bytes)"
