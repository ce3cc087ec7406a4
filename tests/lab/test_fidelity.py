"""Each error of the emulated AWS cites its source; docs/lab-fidelity.md lists what no source proves."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "lab" / "dynconfig_lab" / "aws"
LISTED = ROOT / "docs" / "lab-fidelity.md"
SOURCE = re.compile(r"https://|[Rr]ecorded: |unproved")


@dataclass(frozen=True)
class Rule:
    """A function that may raise an error, its own text, and the texts around it that may cite its source."""

    name: str
    text: str
    around: str

    @property
    def has_source(self) -> bool:
        return SOURCE.search(self.text) is not None or SOURCE.search(self.around) is not None

    @property
    def is_unproved(self) -> bool:
        return "unproved" in self.text or "unproved" in self.around


def rules() -> list[Rule]:
    return [rule for path in sorted(RULES.glob("*.py")) for rule in _rules(path)]


def _rules(path: Path) -> Iterator[Rule]:
    text = path.read_text()
    tree = ast.parse(text)
    for node, around in _functions(tree, ast.get_docstring(tree) or ""):
        rule = Rule(
            f"{path.name}: {node.name}", "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno]), around
        )
        if _refuses(node) or "unproved" in rule.text:
            yield rule


def _functions(node: ast.AST, around: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{around}\n{ast.get_docstring(child) or ''}")
        elif isinstance(child, ast.FunctionDef):
            yield child, around


@cache
def _makers() -> frozenset[str]:
    """What constructs an AWS error: its class, and the functions that return one."""
    functions = (
        node
        for path in RULES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.returns is not None
    )
    return frozenset(
        {"AwsError", *(node.name for node in functions if "AwsError" in ast.unparse(node.returns or node))}
    )


def _refuses(function: ast.FunctionDef) -> bool:
    """Whether it raises an AWS error; NotEmulated is the lab's own."""
    raised = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise)]
    return any(
        isinstance(error, ast.Call)
        and ast.unparse(error.func).rpartition(".")[2] in _makers()
        and "'NotEmulated'" not in ast.unparse(error)
        for error in raised
    )


RULES_FOUND = rules()


def test_rules_are_found() -> None:
    names = {rule.name for rule in RULES_FOUND}
    assert {"ssm_rules.py: _check_key", "functions_rules.py: _check_layer", "functions_state.py: refuse_busy"} <= names
    assert len(names) > 100


@pytest.mark.parametrize("rule", RULES_FOUND, ids=lambda rule: rule.name)
def test_rule_cites_its_source(rule: Rule) -> None:
    assert rule.has_source


def test_rule_without_a_source_is_detected(tmp_path: Path) -> None:
    path = tmp_path / "invented.py"
    path.write_text('def check():\n    raise AwsError("ValidationException", "invented")\n')
    (rule,) = _rules(path)
    assert not rule.has_source


def test_unproved_rules_are_exactly_those_listed_with_their_risk() -> None:
    rows = [line.split("|") for line in LISTED.read_text().splitlines() if line.startswith("| `")]
    assert {row[1].strip().strip("`") for row in rows} == {rule.name for rule in RULES_FOUND if rule.is_unproved}
    assert all(row[2].strip() and row[3].strip() for row in rows)
