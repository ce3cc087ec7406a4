"""The contract of all kinds: create, settle, and detect a change of each field."""

from dataclasses import fields, replace
from typing import Any

import pytest
from tests.kinds.aws_harness import REQUESTED, AwsHarness
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import Case, apply, steps, writes

from dynconfig.engine.reconcile import Engine
from dynconfig.model.plan import Create, Update

pytestmark = pytest.mark.lab


def edits() -> list[Any]:
    return [pytest.param(name, field, id=f"{name}-{field}") for name, case in CASES.items() for field in case.edits]


def tampers() -> list[Any]:
    return [pytest.param(name, field, id=f"{name}-{field}") for name, case in CASES.items() for field in case.tampers]


def compared(case: Case) -> set[str]:
    return {item.name for item in fields(case.value) if item.metadata.get("compare", True)} - {"name"}


def test_every_kind_that_is_wired_has_a_case(harness: AwsHarness) -> None:
    assert {kind.value for kind in harness.kinds()} == {case.value for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_every_field_that_is_compared_has_an_edit_and_a_tamper(name: str) -> None:
    case = CASES[name]
    assert set(case.edits) | case.not_editable == compared(case)
    assert set(case.tampers) | case.not_tamperable == compared(case)


def test_missing_resources_are_created_and_reported(harness: AwsHarness, case: Case) -> None:
    kinds, declaration = case.kinds(harness), harness.declare(case.base)
    first = Engine(lambda _place: kinds).run(declaration)
    assert all(isinstance(step.change, Create) for step in first.plan.steps)
    outcome = harness.settle(declaration, kinds)
    wanted = {resource.name for resource in outcome.plan.declared}
    assert {resource.name for resource in outcome.owned} == wanted
    assert any(isinstance(resource, case.value) for resource in outcome.owned)
    assert case.list_names(harness)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "after-restart"])
def test_nothing_is_written_once_in_sync(harness: AwsHarness, case: Case, is_restarted: bool) -> None:
    kinds, declaration = case.kinds(harness), harness.declare(case.base)
    harness.settle(declaration, kinds)
    again = case.kinds(harness) if is_restarted else kinds
    assert writes(harness, case, lambda: harness.settle(declaration, again)) == {}


@pytest.mark.parametrize(("case", "field"), edits(), indirect=["case"])
def test_edit_of_each_field_is_applied(harness: AwsHarness, case: Case, field: str) -> None:
    status = harness.status(apply(harness, case, case.base))
    edited, kinds = harness.declare(case.edits[field], generation=2, status=status), case.kinds(harness)
    outcome = Engine(lambda _place: kinds).run(edited)
    found = [step for step in outcome.plan.steps if isinstance(step.resource, case.value)]
    assert {type(step.change) for step in found} == {Update}
    assert field in {because.field for step in found for because in step.because}
    harness.settle(edited, kinds)
    assert writes(harness, case, lambda: harness.settle(edited, case.kinds(harness))) == {}


@pytest.mark.parametrize(("case", "field"), tampers(), indirect=["case"])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "after-restart"])
def test_external_change_of_each_field_is_corrected(
    harness: AwsHarness, case: Case, field: str, is_restarted: bool
) -> None:
    kinds = case.kinds(harness)
    harness.settle(harness.declare(case.base), kinds)
    case.tampers[field](harness)
    harness.clock.now += 60
    chosen, requested = case.kinds(harness) if is_restarted else kinds, harness.declare(case.base, metadata=REQUESTED)
    if field in case.not_restorable:
        assert seen(harness, case, field) == {field}
        return
    outcome = Engine(lambda _place: chosen).run(requested)
    mine = [step for step in outcome.plan.steps if isinstance(step.resource, case.value)]
    assert {because.field for step in mine for because in step.because} == {field}
    harness.settle(requested, chosen)
    assert not steps(harness.settle(requested, case.kinds(harness)), case)


@pytest.mark.parametrize(("case", "field"), tampers(), indirect=["case"])
@pytest.mark.parametrize("observes_all", [False, True], ids=["narrowed", "whole"])
def test_external_change_of_each_field_that_an_event_reported_is_detected_despite_caches(
    harness: AwsHarness, case: Case, field: str, observes_all: bool
) -> None:
    if field in case.not_restorable:
        pytest.skip("there is no plan")
    kinds = case.kinds(harness)
    outcome = harness.settle(harness.declare(case.base), kinds)
    declaration = harness.declare(case.base, status=harness.status(outcome))
    harness.clock.now += 700
    # Reads the tag index.
    outcome = harness.settle(declaration, kinds)
    harness.clock.now += 60
    case.tampers[field](harness)
    names = {item.name: "" for item in outcome.owned if isinstance(item, case.value)}
    reported = replace(declaration, changed=names, observes_all=observes_all)
    assert reported.is_partial is not observes_all
    found = Engine(lambda _place: kinds).run(reported)
    mine = [step for step in found.plan.steps if isinstance(step.resource, case.value)]
    assert {because.field for step in mine for because in step.because} == {field}


def seen(harness: AwsHarness, case: Case, field: str) -> set[str]:
    """The fields that differ if AWS cannot restore one, so that there is no plan."""
    declaration, (kind,) = harness.declare(case.base), harness.kinds(case.value)
    engine = Engine(lambda _place: (kind,))
    observed = {resource.name: resource for resource in engine.observe(declaration)}
    names = compared(case)
    return {
        name
        for desired in kind.desired(declaration)
        for name in names
        if getattr(desired, name) != getattr(observed[desired.name], name)
    }
