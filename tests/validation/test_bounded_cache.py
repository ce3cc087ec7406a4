"""What is kept in memory is bounded by the lengths of the texts, not by their number."""

import pytest
from tests.security.memory import peak_mib

from dynconfig.validation.bounded_cache import cached_by_length

KEPT = """
from dynconfig.validation import cel, json_schema

def resident():
    with open("/proc/self/status") as status:
        return int(re.findall(r"VmRSS:\\s+(\\d+) kB", status.read())[0]) / 1024

def fill(rounds):
    for number in rounds:
        for rule in task["rules"]:
            cel.compiled(f"{rule} || {number} < 0")
        for schema in task["schemas"]:
            json_schema.fault({**schema, "title": str(number)}, "[1]")

fill(range(2))
before = resident()
fill(range(2, 40))
result = resident() - before
"""


class Made:
    """Counts what it makes."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> str:
        self.texts.append(text)
        return text.upper()


def test_result_is_made_once() -> None:
    made = Made()
    cached = cached_by_length(1000)(made)
    assert [cached("a"), cached("a"), cached("b")] == ["A", "A", "B"]
    assert made.texts == ["a", "b"]


def test_longest_unused_result_is_dropped() -> None:
    made = Made()
    cached = cached_by_length(1000)(made)
    for text in ("a" * 200, "b" * 200, "a" * 200, "c" * 200, "a" * 200, "b" * 200):
        cached(text)
    assert [text[0] for text in made.texts] == ["a", "b", "c", "b"]


def test_text_longer_than_the_cache_is_not_kept() -> None:
    made = Made()
    cached = cached_by_length(1000)(made)
    cached("a" * 2000)
    cached("a" * 2000)
    assert len(made.texts) == 2


def test_exception_is_not_kept() -> None:
    calls: list[str] = []

    def fail(text: str) -> str:
        calls.append(text)
        raise KeyError(text)

    cached = cached_by_length(1000)(fail)
    for _ in range(2):
        with pytest.raises(KeyError):
            cached("a")
    assert calls == ["a", "a"]


def test_rules_and_schemas_of_many_objects_take_little_memory() -> None:
    """Those that take the most memory for their length."""
    task = {
        "rules": ["&&".join(["[1].all(a,true)"] * 58), f"[{','.join('1' * 480)}].all(a,a>5)"],
        "schemas": [{"$defs": {"a": {}}, "allOf": [{"$ref": "#/$defs/a"}] * 700}, {"allOf": [{}] * 4000}],
    }
    _peak, grown = peak_mib(KEPT, task, seconds=240)
    assert grown <= 24
