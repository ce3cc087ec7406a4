"""Expensive checks are not repeated while nothing that they depend on has changed."""

from collections.abc import Mapping
from time import thread_time
from typing import Any

import pytest
from tests.engine.fake_kind import document

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.resource import Owner
from dynconfig.validation import checking, kept_results
from dynconfig.validation import declare as declaring
from dynconfig.validation.checking import Findings
from dynconfig.validation.declare import declare
from dynconfig.validation.kept_results import EXPENSIVE_SECONDS, KEPT_SECONDS, MAX_CHARACTERS, Checked, KeptResults
from dynconfig.validation.tenancy import Tenant

OWNER = Owner("cluster", "shop", "app", "uid")


class Checks:
    """A check that takes some CPU time."""

    def __init__(self, seconds: float = 0.0, found: tuple[str, ...] = ()) -> None:
        self.seconds = seconds
        self.found = found
        self.count = 0

    def __call__(self) -> tuple[str, ...]:
        self.count += 1
        end = thread_time() + self.seconds
        while thread_time() < end:
            pass
        return self.found


def test_result_of_an_expensive_check_is_kept_for_a_time() -> None:
    now = [0.0]
    kept, check = KeptResults(lambda: now[0]), Checks(2 * EXPENSIVE_SECONDS, ("fault",))
    for _ in range(3):
        assert kept.faults(Checked(1, 2, "all"), check) == ("fault",)
    assert check.count == 1
    now[0] = KEPT_SECONDS
    kept.faults(Checked(1, 2, "all"), check)
    assert check.count == 2


@pytest.mark.parametrize("other", [Checked(0, 2, "all"), Checked(1, 0, "all"), Checked(1, 2, "plain")])
def test_other_checks_are_not_answered_by_it(other: Checked) -> None:
    kept, check = KeptResults(), Checks(2 * EXPENSIVE_SECONDS)
    kept.faults(Checked(1, 2, "all"), check)
    kept.faults(other, check)
    assert check.count == 2


def test_ordinary_check_is_repeated() -> None:
    kept, check = KeptResults(), Checks()
    kept.faults(Checked(1, 2, "all"), check)
    kept.faults(Checked(1, 2, "all"), check)
    assert check.count == 2


def test_memory_of_results_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_results, "EXPENSIVE_SECONDS", 0.0)
    kept, check = KeptResults(), Checks(found=("x" * 100_000,))
    for number in range(50):
        kept.faults(Checked(number, 0, "all"), check)
    assert sum(map(len, (text for result in kept._results.values() for text in result.faults))) <= MAX_CHARACTERS
    kept.faults(Checked(49, 0, "all"), check)
    assert check.count == 50


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[DynamicConfigSpec]:
    """The specs whose values were checked. Each check counts as expensive."""
    done: list[DynamicConfigSpec] = []

    def findings_of(spec: DynamicConfigSpec, known: Mapping[str, str | None]) -> Findings:
        done.append(spec)
        return checking.findings_of(spec, known)

    monkeypatch.setattr(kept_results, "EXPENSIVE_SECONDS", 0.0)
    monkeypatch.setattr(declaring, "findings_of", findings_of)
    return done


def of_integers(*others: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "json", "jsonSchema": {"items": {"type": "integer"}}}
    source = {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}
    return document({}, parameters=[{"name": "a", **source, "tier": "Advanced", "schema": schema}, *others])


def test_declaration_of_an_unchanged_object_is_not_checked_again(checks: list[DynamicConfigSpec]) -> None:
    text, same = "[1]", of_integers()

    def declared(document: dict[str, Any], text: str) -> None:
        declare(document, owner=OWNER, default_region="eu-west-1", read=lambda _source: text, tenant=Tenant("shop"))

    declared(same, text)
    first = len(checks)
    declared(same, text)
    assert (first, len(checks)) == (1, 1)
    with pytest.raises(InvalidSpec, match="does not match jsonSchema"):
        declared(same, text.replace("1]", "true]"))
    wrong = {"name": "b", "value": "x", "schema": {"type": "integer"}}
    with pytest.raises(InvalidSpec, match="parameter b: the value is not of type integer"):
        declared(of_integers(wrong), text)
    assert len(checks) == 3
    declared(same, text)
    assert len(checks) == 3
