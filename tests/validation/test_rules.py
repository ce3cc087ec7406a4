"""CEL rules over several values: typed, limited, and reported without values."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cpu import cpu_time
from tests.security.memory import peak_mib

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.validation.rules import RuleResult, evaluate, parameters_of
from dynconfig.validation.typed import MAX_LEVELS

VALUES: dict[str, tuple[str, str]] = {
    "db/pool": ("integer", "5"),
    "db/max": ("integer", "10"),
    "ratio": ("number", "0.5"),
    "on": ("boolean", "true"),
    "timeout": ("duration", "1m30s"),
    "retry": ("duration", "2m"),
    "servers": ("json", '{"list": [{"host": "a", "port": 1}, {"host": "b", "port": 2}], "none": null}'),
    "hosts": ("StringList", "a.internal,b.internal"),
    "greeting": ("string", "héllo"),
    "home": ("url", "https://x.example"),
}


def parameter(name: str, form: str, value: str) -> dict[str, Any]:
    shape = {"type": "StringList"} if form == "StringList" else {"schema": {"type": form}}
    return {"name": name, "value": value, "tier": "Advanced", **shape}


def spec(rules: list[Any], values: dict[str, tuple[str, str]] = VALUES) -> DynamicConfigSpec:
    listed = [parameter(name, form, value) for name, (form, value) in values.items()]
    said = [rule if isinstance(rule, dict) else {"rule": rule} for rule in rules]
    return DynamicConfigSpec.model_validate({"path": "/app", "parameters": listed, "rules": said})


def checked(*rules: Any, values: dict[str, tuple[str, str]] = VALUES) -> tuple[RuleResult, ...]:
    known = {name: value for name, (_, value) in values.items()}
    return evaluate(spec([*rules], values), known, ())


def fault(rule: str, **values: tuple[str, str]) -> str | None:
    found = checked(rule, values={**VALUES, **values})
    return found[0].fault if found else None


@pytest.mark.parametrize(
    "rule",
    [
        "config['db/pool'] <= config['db/max']",
        "config['db/pool'] * 2 == config['db/max']",
        "config.ratio < 1.0 && config.ratio * 2.0 == 1.0",
        "config['db/pool'] > config.ratio",
        "config.on ? config['db/pool'] > 0 : true",
        "config.timeout < config.retry",
        "config.timeout == duration('90s') && config.timeout.getSeconds() == 90",
        "config.servers.list.all(s, s.port > 0 && s.host != '')",
        "config.servers.list.exists(s, s.host == 'b') && config.servers.none == null",
        "has(config.servers.list) && !has(config.servers.other)",
        "'a.internal' in config.hosts && size(config.hosts) == 2",
        "config.hosts.all(h, h.endsWith('.internal'))",
        "config.hosts.map(h, h.size()) == [10, 10]",
        "size(config.greeting) == 5",
        "config.home.matches('^https://')",
        "type(config['db/pool']) == int && type(config.ratio) == double && type(config.on) == bool",
        "!has(config.absent) || config.absent == 'x'",
        "!('not/there' in config) || config['not/there'] > 1",
        "config.all(name, name != 'password')",
        "[0, 1].exists(n, 1 / n == 1)",
    ],
)
def test_rules_that_hold(rule: str) -> None:
    assert checked(rule) == ()


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("config['db/pool'] > config['db/max']", "failed: config['db/pool'] > config['db/max']"),
        ("config['db/pol'] > 1", "references parameter db/pol, which is not declared"),
        ("config.pool > 1", "references parameter pool, which is not declared"),
        ("config['db/pool'] <", "does not compile: Syntax error: mismatched input '<EOF>' (line 1, column 20)"),
        ("config['db/pool'] < limit", "does not compile: undeclared reference to 'limit' (line 1, column 21)"),
        ("config['db/pool'].matches('a', 'b')", "does not compile: undeclared reference to 'matches'"),
        ("'a' + 1 == 'a1'", "does not compile: found no matching overload for '_+_' applied to '(string, int)'"),
        ("true \0", "does not compile: it has a NUL character"),
        ("(" * 100 + "true" + ")" * 100, "does not compile"),
        ("1 + 1", "is of type int, but a rule must be of type bool"),
        ("config['db/pool']", "is of type int, but a rule must be of type bool"),
        ("config.greeting > 1", "has incompatible types: _>_(string, int64)"),
        ("config.greeting && true", "cannot be evaluated with these values"),
        ("config['db/pool'] / 0 == 1", "divides by zero"),
        ("config['db/pool'] + 9223372036854775807 > 0", "has a numeric overflow"),
        ("config.servers.other == 1", "reads a key that does not exist"),
        ("config.servers.list[2].port == 1", "reads an item that does not exist"),
        ("int(config.greeting) == 1", "has an invalid type conversion"),
        ("config.greeting.matches('(')", "has a pattern that is not a valid regular expression"),
        ("[1].all(config, config > 0)", "declares a variable config"),
    ],
)
def test_failed_rules_are_reported_without_values(rule: str, expected: str) -> None:
    (found,) = checked(rule)
    assert expected in found.fault
    assert "llo" not in found.fault


def test_rule_is_reported_with_its_message() -> None:
    (found,) = checked("true", {"rule": "config['db/pool'] > 7", "message": "the pool is too small"})
    assert found == RuleResult(1, fault="failed: the pool is too small")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (("integer", "9223372036854775808"), "parameter big has an integer of more than 64 bits"),
        (("json", '{"a": [9223372036854775808]}'), "parameter big has an integer of more than 64 bits"),
        (("json", r'{"a": "x\u0000y"}'), "parameter big has a NUL"),
        (("json", r'{"\ud800": 1}'), "an unpaired surrogate"),
        (("json", "[" * (MAX_LEVELS + 1) + "]" * (MAX_LEVELS + 1)), "which rules do not support"),
        (("duration", "87660001h"), "parameter big is a duration of more than 10,000 years"),
        (("string", "x\0y"), "parameter big has a NUL character"),
    ],
)
def test_unsupported_value_is_reported_if_a_rule_reads_it(value: tuple[str, str], expected: str) -> None:
    assert expected in (fault("config.big == config.big", big=value) or "")
    assert fault("config.on", big=value) is None


@pytest.mark.parametrize(
    ("text", "same"),
    [("1.5s", "1500ms"), ("1h0.5m", "3630s"), ("5µs", "5us"), ("0.000000001s", "1ns"), ("30s1h", "3630s")],
)
def test_durations_are_compared_by_their_length(text: str, same: str) -> None:
    assert fault(f"config.x == duration('{same}')", x=("duration", text)) is None


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integers_are_compared_exactly(left: int, right: int) -> None:
    values = {"a": ("integer", str(left)), "b": ("integer", str(right))}
    assert (checked("config.a <= config.b", values=values) == ()) == (left <= right)


characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


@given(st.text(characters, min_size=1, max_size=20).filter(lambda text: "{{" not in text))
def test_strings_are_passed_unchanged(text: str) -> None:
    values = {"a": ("string", text), "j": ("json", json.dumps({"a": text}))}
    assert checked(f"config.a == config.j.a && size(config.a) == {len(text)}", values=values) == ()


def doubling(times: int) -> str:
    return "[config.s]" + ".map(a, a + a)" * times + "[0] == 'x'"


def nested(times: int) -> str:
    many = {name: " + ".join(name * times) for name in "abcd"}
    return f"[config.s].all(a, [{many['a']}].all(b, [{many['b']}].all(c, [{many['c']}].all(d, {many['d']} != ''))))"


LONG = {"s": ("string", "x" * 8000), "l": ("StringList", ",".join("y" * 4000))}


@pytest.mark.parametrize(
    ("rule", "is_too_much"),
    [
        ("config.l.all(a, a in config.l)", False),
        ("config.l.all(a, " + " && ".join(["a in config.l"] * 8) + ")", True),
        ("config.l.map(a, config.s + config.s).size() > 0", True),
        ("config.l.filter(a, a == 'x').size() == 0", True),
        ("[[[config.s, config.s]]].map(x, [x, x, x]).size() == 1", False),
        ("config.l.filter(a, a != 'x').all(a, a == 'y')", True),
        ("config.l.all(a, config.s.contains('xy'))", True),
        ("config.s.contains(config.s) && config.s.matches('^x+$')", False),
    ],
)
def test_expensive_rule_is_not_evaluated(rule: str, is_too_much: bool) -> None:
    found = checked(rule, values=LONG)
    assert ("too expensive" in "".join(verdict.fault for verdict in found)) == is_too_much
    assert "computed value" not in "".join(verdict.fault for verdict in found)


@pytest.mark.parametrize(
    "rule",
    [
        doubling(2),
        nested(2),
        "[config.s + config.s].all(a, a != '')",
        "[config.s].all(a, [a, a].all(b, [b, b].all(c, c != '')))",
        "config.l.map(a, [a, a]).all(b, b[0] == 'y')",
        "config.l.map(a, [a, a])[0].all(b, b == 'y')",
        "{'a': config.l.map(a, a)}.a.all(b, b == 'y')",
        "(true ? config.l : config.l).all(a, a == 'y')",
        "[config.l.map(a, a)].all(b, b == [])",
    ],
)
def test_macro_is_only_applied_to_values(rule: str) -> None:
    """What a macro has built could otherwise be doubled by the next one."""
    (found,) = checked(rule, values=LONG)
    assert "to a computed value; apply it to a value or a list of values" in found.fault


LOOPS = ("config.l.all(a, {})", "config.m.all(a, config.m.all(b, {}))")
COSTLY = (
    "config.s == config.s",
    "config.s.contains(config.t)",
    "a in config.l",
    "config.l == config.l",
    "config.s + config.s != ''",
    "config.s.matches('^(x|y)+$')",
    "a.matches('[a-z]{1,60}$')",
    "int(size(config.s)) > 1 && string(1.5) != a",
)


@pytest.mark.parametrize("step", COSTLY)
@pytest.mark.parametrize("loop", LOOPS)
def test_accepted_rule_takes_less_than_a_second(loop: str, step: str) -> None:
    """As many steps as the bound of the work admits."""
    values = {
        "s": ("string", "x" * 8000),
        "t": ("string", "x" * 4000 + "y"),
        "l": ("StringList", ",".join("y" * 4000)),
        "m": ("StringList", ",".join("y" * 90)),
    }
    for size in (1, 2, 4, 8, 16, 32):
        for length in (50, 400, 8000):
            shorter = {name: (form, value[:length].rstrip(",")) for name, (form, value) in values.items()}
            rule = loop.format(" && ".join([f"({step} || true)"] * size))
            if len(rule) <= 1024:
                with cpu_time() as taken:
                    checked(rule, values=shorter)
                assert taken.ordinary < 1


def json_of(unit: str, size: int) -> tuple[str, str]:
    """A list of about this many characters."""
    return ("json", f"[{','.join([unit] * max(1, size // (len(unit) + 1)))}]")


COMPARISONS: dict[str, tuple[str, str, str]] = {
    "lists": ("[2] in config.j", "[1]", "[1]"),
    "lists of lists": ("[[[2]]] in config.j", "[[[1]]]", "[[[1]]]"),
    "deep lists": ("config.d[0] in config.j", "[" * 60 + "1" + "]" * 60, "[" * 60 + "2" + "]" * 60),
    "maps": ("config.d[0] in config.j", '{"a":1,"b":1}', '{"a":1,"b":2}'),
    "numbers": ("1.5 in config.j", "1", "1"),
    "equal lists": ("config.j != config.j", "[1]", "[1]"),
    "equal maps": ("config.j != config.j", '{"a":{}}', "1"),
    "the whole config": ("config != config", "[[1]]", "[1]"),
}


@pytest.mark.parametrize("comparison", COMPARISONS.values(), ids=COMPARISONS)
def test_accepted_comparison_takes_less_than_half_a_second(comparison: tuple[str, str, str]) -> None:
    """The evaluator holds the interpreter: everything else waits for it."""
    rule, many, one = comparison
    for size in (8_000, 4_000, 2_000, 1_000, 500):
        values = {"j": json_of(many, size), "d": json_of(one, len(one))}
        for times in range(4_000, 0, -400):
            values["k"] = ("json", json.dumps([1] * times, separators=(",", ":")))
            with cpu_time() as taken:
                found = checked(f"config.k.all(a, !({rule}))", values=values)
            assert taken.ordinary < 0.5
            if not found:
                break
    assert not found


MEMORY = """
import json
from tests.validation.test_rules import checked
checked("config.l.exists(a, a == 'z')", values={"l": ("StringList", "y")})
import re
def resident(name):
    with open("/proc/self/status") as status:
        return int(re.findall(name + r":\\s+(\\d+) kB", status.read())[0]) / 1024
before, refused = resident("VmHWM"), []
for rule in task["rules"]:
    for found in checked(rule, values=task["values"]):
        if "too expensive" in found.fault or "iteration limit" in found.fault:
            refused.append(rule)
result = [resident("VmHWM") - before, refused]
"""
ONES = "[" + ",".join(["1"] * 20) + "]"
BUILDERS = (
    "size(config.j.map(a, a)) > 1",
    "size(config.j.map(a, config.j)) > 1",
    "size(config.j.map(a, a)) + size(config.j.map(a, a)) > 1",
    "size(config.j.filter(a, a == 1)) > 1",
    "size([1, 2].map(x, config.j.map(a, a))) > 1",
    "config.j.all(a, size(config.j + config.j) > 1)",
    "config.j.all(a, config.j == config.j)",
    "config.j.exists_one(a, a == 2) || true",
    "config.j.exists(a, a == 2) || true",
    "config.j.map(a, config.j + config.j) != []",
    "size(config.d.map(a, config.d)) > 1",
    "config.n.all(k, size(k.map(l, k)) > 1)",
    "size([config.j, config.j].map(k, k.map(l, l))) > 1",
    "config.all(k, k == 'x' || size(config.j.filter(a, a == 1)) > 1)",
    "config.j.all(a, size(config.s + config.s) > 1)",
    "config.l.all(a, size(a + a + a + a) > 1)",
    "config.n.all(a, a.all(b, size(a + a) > 1))",
    f"{ONES}.all(a, size({ONES}.map(b, {ONES}.map(c, [a, b, c, a, b, c]))) > 1)",
    f"size({ONES}.map(a, {ONES}.map(b, {{'a': a, 'b': b, 'c': a}}))) > 1",
)


def sized(size: int) -> dict[str, tuple[str, str]]:
    return {
        "j": ("json", json.dumps([1] * size, separators=(",", ":"))),
        "d": ("json", json.dumps({f"{number:x}": 1 for number in range(size // 4)}, separators=(",", ":"))),
        "n": ("json", json.dumps([[1] * 60] * (size // 60), separators=(",", ":"))),
        "s": ("string", "x" * 2 * size),
        "l": ("StringList", ",".join(["y"] * size)),
        "servers": ("json", json.dumps([{"host": "a", "port": 1, "on": True, "x": 1}] * min(size // 3, 160))),
        "lists": ("json", json.dumps([[1] * 50] * min(size // 9, 50))),
        "m": ("StringList", ",".join(["y"] * min(90, size // 20))),
        "t": ("string", "x" * size + "y"),
    }


@pytest.mark.parametrize("rule", [*BUILDERS, *(loop.format(f"({step} || true)") for loop in LOOPS for step in COSTLY)])
def test_accepted_rule_takes_little_memory(rule: str) -> None:
    """The largest size that is accepted, and the largest value: the process of the check does not grow."""
    accepted = (size for size in range(4_000, 0, -100) if "expensive" not in str(checked(rule, values=sized(size))))
    for size in (4_000, next(accepted)):
        grown, _refused = peak_mib(MEMORY, {"rules": [rule], "values": sized(size)})[1]
        assert grown <= 20


@pytest.mark.parametrize(
    "rule",
    [
        "size(config.j.map(a, a + 1)) == 500",
        "size(config.j.filter(a, a == 1)) > 1",
        "size(config.l.map(a, a + ':80')) == 500",
        "config.n.all(k, size(k.filter(l, l == 1)) > 1)",
        "config.j.all(a, size(['x', 'y', 'z'].filter(b, b == 'x')) == 1)",
        "config.j.all(a, a in [1, 2, 3])",
        "size(config.servers.filter(s, s.on)) > 1 && size(config.servers.map(s, s.host)) > 1",
        "config.lists.all(k, size(k.filter(l, l == 1)) > 1)",
    ],
)
def test_lists_of_ordinary_size_may_be_mapped_and_filtered(rule: str) -> None:
    assert checked(rule, values=sized(500)) == ()


def test_rule_that_takes_too_much_memory_says_what_to_do() -> None:
    (found,) = checked("size(config.j.map(a, a)) > 1", values=sized(4_000))
    assert found.fault.startswith("is too expensive with these values: it would take up to 2")
    assert "use all or exists instead of map and filter" in found.fault


def test_nested_loops_exceed_the_iteration_limit() -> None:
    values = {"l": ("StringList", ",".join("y" * 200))}
    (found,) = checked("config.l.all(a, config.l.all(b, config.l.all(c, a == c)))", values=values)
    assert "exceeds the iteration limit" in found.fault


def test_total_cost_of_rules_is_limited() -> None:
    values = {"l": ("StringList", ",".join("y" * 4000))}
    found = checked(*["config.l.all(a, a in config.l)"] * 3, values=values)
    assert [verdict.index for verdict in found] == [1, 2]


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ("config.a == config['b/c']", {"a", "b/c"}),
        ("config . a == 1 // config.b\n && config [ 'b/c' ] == '//'", {"a", "b/c"}),
        (r"""config["b\x2fc"] == 1 && config[r'a'] == 'config.b'""", {"a", "b/c"}),
        ("config['''a'''] == ''''config.b'''", {"a"}),
        ("config.`b/c` == 1", {"b/c"}),
        ("x.config.b", None),
        ("{'config': {'b': 1}}.config.b == config.a", {"a"}),
        ("has(config.a)", {"a"}),
        ("has(config.a.x) && 'b/c' in config", {"a", "b/c"}),
        ("config['b/' + 'c'] == 1", {"a", "b", "b/c"}),
        ("config == {}", {"a", "b", "b/c"}),
        ("size(config) == 1", {"a", "b", "b/c"}),
        ("config.size() == 1", {"a", "b", "b/c"}),
        ("config[true ? 'a' : 'b'] == 1", {"a", "b", "b/c"}),
        ("'a' in config['b']", {"b"}),
        (".config.a == 1", None),
        ("[1].all(config, config > 0)", None),
    ],
)
def test_parameters_that_a_rule_reads(rule: str, read: set[str] | None) -> None:
    (found,) = parameters_of(spec([rule], dict.fromkeys(("a", "b", "b/c"), ("string", "1"))))
    assert found == (read or set())
    if read is None:
        assert checked(rule, values={"a": ("string", "1")})[0].fault


def test_only_rules_with_missing_values_are_unchecked() -> None:
    rules = ["config.a > config.b", "config.a > 1", "config.all(name, name != 'x')", "has(config.b)", "config.a >"]
    found = evaluate(spec(rules, {"a": ("integer", "5"), "b": ("integer", "7")}), {"a": "5", "b": None}, ())
    assert [(verdict.index, bool(verdict.fault)) for verdict in found] == [
        (0, False),
        (2, False),
        (3, False),
        (4, True),
    ]
    assert found[0].unchecked == "it needs parameter b, whose value is missing"


def test_rule_over_an_invalid_value_is_unchecked() -> None:
    values = {"a": ("integer", "five")}
    found = evaluate(spec(["config.a > 1"], values), {"a": "five"}, {"a"})
    assert found == (RuleResult(0, unchecked="it needs parameter a, whose value is invalid"),)


@pytest.mark.parametrize(
    ("more", "imported"),
    [({}, "set()"), ({"rules": [{"rule": "config.a == '1'"}]}, "{'dynconfig.validation.cel'}")],
    ids=["without rules", "with a rule"],
)
def test_evaluation_of_rules_is_only_imported_for_objects_with_rules(more: dict[str, Any], imported: str) -> None:
    document = {"spec": {"path": "/app", "parameters": [{"name": "a", "value": "1"}], **more}}
    code = (
        "import sys; from dynconfig.validation.declare import faults; "
        f"assert faults({document!r}, lambda source: None) == (); "
        "print({'dynconfig.validation.cel', 'jsonschema'} & {*sys.modules})"
    )
    answer = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == imported
