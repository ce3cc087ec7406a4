"""The size of a text bounds the memory and time of its conversion, whatever JSON it has."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cpu import cpu_time
from tests.security.memory import peak_mib

from dynconfig.validation.text_size import text_size
from dynconfig.validation.typed import size_of, typed
from dynconfig.validation.values import LONGEST_BYTES

COPIES = 100
MEMORY_OF_RULE = """
from dynconfig.validation.cel import compiled
rule, value = compiled("size(config) > 0"), json.loads(task["text"])
rule.holds({"a": value})
def resident(name):
    with open("/proc/self/status") as status:
        return int(re.findall(name + r":\\s+(\\d+) kB", status.read())[0]) * 1024
before = resident("VmHWM")
rule.holds({str(number): value for number in range(task["copies"])})
result = (resident("VmHWM") - before) / task["copies"]
"""


def filled(unit: str, wrap: str = "[]") -> str:
    """A list or map of the longest text of a parameter. Each # becomes a new number."""
    parts, length = list[str](), len(wrap)
    while True:
        part = unit.replace("#", f"{len(parts):x}")
        length += len(part.encode()) + 1
        if length > LONGEST_BYTES:
            return f"{wrap[0]}{','.join(parts)}{wrap[1]}"
        parts.append(part)


DENSE = {
    "empty maps": filled("{}"),
    "empty lists": filled("[]"),
    "digits": filled("1"),
    "whole numbers": filled('9"#"'.replace('"#"', "999")),
    "numbers": filled("1.5"),
    "null": filled("null"),
    "strings": filled('"#"'),
    "empty strings": filled('""'),
    "strings of 16": filled('"#xxxxxxxxxxxxx"'),
    "strings of 24": filled('"#xxxxxxxxxxxxxxxxxxxxx"'),
    "strings that are not Latin": filled('"#€"'),
    "escaped strings": filled('"#\\u20ac"'),
    "maps of one": filled('{"":1}'),
    "maps of one new key": filled('{"#":1}'),
    "maps of two": filled('{"":1,"a":2}'),
    "maps of six": filled('{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}'),
    "maps of maps": filled('{"":{}}'),
    "maps of lists": filled('{"":[]}'),
    "lists of one": filled("[1]"),
    "one map": filled('"#":1', "{}"),
    "one map of maps": filled('"#":{}', "{}"),
    "one map of lists": filled('"#":[]', "{}"),
    "levels of lists": filled("[" * 60 + "]" * 60),
    "levels of maps": filled('{"":' * 50 + "1" + "}" * 50),
    "one long string": filled('"' + "x" * 8_000 + '"'),
    "one wide string": filled('"' + "x" * 8_000 + '\\ud83d\\ude00"'),
    "brackets in strings": filled('"[][]{}{}"'),
}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE)
def test_python_objects_take_no_more_than_the_bound(text: str) -> None:
    assert len(text.encode()) > LONGEST_BYTES * 0.9
    tracemalloc.start()
    try:
        values = [typed("json", text) for _ in range(8)]
        taken, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Both lists of the test are counted, too.
    assert len(values) == 8
    assert taken / 8 <= 1024 + text_size(text, has_items=True).python_bytes


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE)
def test_values_of_a_rule_take_no_more_than_the_bound(text: str) -> None:
    _peak, taken = peak_mib(MEMORY_OF_RULE, {"text": text, "copies": COPIES})
    assert taken <= text_size(text, has_items=True).cel_bytes


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE)
def test_conversion_takes_no_longer_than_its_work(text: str) -> None:
    def seconds() -> float:
        with cpu_time() as taken:
            typed("json", text)
        return taken.ordinary

    # A unit of work is 10 ns, and twice that on a slow machine.
    assert min(seconds() for _ in range(10)) <= text_size(text, has_items=True).python_work * 20e-9


def parts(value: Any) -> Iterator[tuple[int, int]]:
    """One for each item, and one for each key."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield 1, len(value) if isinstance(value, dict) else 0
    for item in inner:
        yield from parts(item)


leaves = st.none() | st.booleans() | st.integers() | st.text('[]{}:,"\\a€', max_size=8)
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text("[{:,a", max_size=3), inner))


@given(values, st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_no_value_has_more_items_than_are_counted(value: Any, separators: tuple[str, str], ascii_only: bool) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only)
    size, none = text_size(text, has_items=True), text_size("", has_items=True)
    items, keys = map(sum, zip(*parts(value), strict=True))
    assert size.python_work - len(text) >= (none.python_work // 2) * (items + keys)
    assert size.cel_work >= (none.cel_work // 2) * (items + keys)


@given(st.lists(st.text(st.characters(exclude_characters=",\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_items_of_a_string_list_are_counted(items: list[str]) -> None:
    text = ",".join(items)
    assert size_of("StringList", text).python_work - len(text) >= 100 * len(items)
