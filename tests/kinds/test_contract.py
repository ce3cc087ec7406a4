"""What every kind promises, whatever it reads and writes: it makes, settles, and sees each field change."""

from dataclasses import fields
from typing import Any

import pytest
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import Case, apply, steps, writes
from tests.kinds.workshop import ASKED, Workshop

from dynconfig.engine.plan import Create, Update
from dynconfig.engine.reconcile import Engine

pytestmark = pytest.mark.lab


def edits() -> list[Any]:
    return [pytest.param(name, field, id=f"{name}-{field}") for name, case in CASES.items() for field in case.edits]


def tampers() -> list[Any]:
    return [pytest.param(name, field, id=f"{name}-{field}") for name, case in CASES.items() for field in case.tampers]


def compared(case: Case) -> set[str]:
    return {item.name for item in fields(case.value) if item.metadata.get("compare", True)} - {"name"}


def test_every_kind_that_is_wired_has_a_case(workshop: Workshop) -> None:
    assert {kind.value for kind in workshop.kinds()} == {case.value for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_every_field_that_is_compared_has_an_edit_and_a_tamper(name: str) -> None:
    case = CASES[name]
    assert set(case.edits) | case.fixed == compared(case)
    assert set(case.tampers) | case.out_of_reach == compared(case)


def test_it_creates_what_is_missing_and_reports_it_as_declared(workshop: Workshop, case: Case) -> None:
    kinds, declaration = case.kinds(workshop), workshop.declare(case.base)
    first = Engine(lambda _place: kinds).run(declaration)
    assert all(isinstance(step.change, Create) for step in first.plan.steps)
    outcome = workshop.settle(declaration, kinds)
    wanted = {resource.name for resource in outcome.plan.declared}
    assert {resource.name for resource in outcome.owned} == wanted
    assert any(isinstance(resource, case.value) for resource in outcome.owned)
    assert case.listed(workshop)


@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "after-restart"])
def test_once_settled_it_writes_nothing(workshop: Workshop, case: Case, is_restarted: bool) -> None:
    kinds, declaration = case.kinds(workshop), workshop.declare(case.base)
    workshop.settle(declaration, kinds)
    again = case.kinds(workshop) if is_restarted else kinds
    assert writes(workshop, case, lambda: workshop.settle(declaration, again)) == {}


@pytest.mark.parametrize(("case", "field"), edits(), indirect=["case"])
def test_an_edit_of_each_field_is_seen_carried_out_and_settles(workshop: Workshop, case: Case, field: str) -> None:
    status = workshop.status(apply(workshop, case, case.base))
    edited, kinds = workshop.declare(case.edits[field], generation=2, status=status), case.kinds(workshop)
    outcome = Engine(lambda _place: kinds).run(edited)
    found = [step for step in outcome.plan.steps if isinstance(step.resource, case.value)]
    assert {type(step.change) for step in found} == {Update}
    assert field in {because.field for step in found for because in step.because}
    workshop.settle(edited, kinds)
    assert writes(workshop, case, lambda: workshop.settle(edited, case.kinds(workshop))) == {}


@pytest.mark.parametrize(("case", "field"), tampers(), indirect=["case"])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "after-restart"])
def test_a_change_of_each_field_in_aws_is_seen_and_undone(
    workshop: Workshop, case: Case, field: str, is_restarted: bool
) -> None:
    kinds = case.kinds(workshop)
    workshop.settle(workshop.declare(case.base), kinds)
    case.tampers[field](workshop)
    workshop.clock.now += 60
    chosen, asked = case.kinds(workshop) if is_restarted else kinds, workshop.declare(case.base, metadata=ASKED)
    if field in case.incurable:
        assert seen(workshop, case, field) == {field}
        return
    outcome = Engine(lambda _place: chosen).run(asked)
    mine = [step for step in outcome.plan.steps if isinstance(step.resource, case.value)]
    assert {because.field for step in mine for because in step.because} == {field}
    workshop.settle(asked, chosen)
    assert not steps(workshop.settle(asked, case.kinds(workshop)), case)


def seen(workshop: Workshop, case: Case, field: str) -> set[str]:
    """The fields that differ where AWS cannot put one back, so that there is no plan."""
    declaration, (kind,) = workshop.declare(case.base), workshop.kinds(case.value)
    engine = Engine(lambda _place: (kind,))
    observed = {resource.name: resource for resource in engine.observe(declaration)}
    names = compared(case)
    return {
        name
        for desired in kind.desired(declaration)
        for name in names
        if getattr(desired, name) != getattr(observed[desired.name], name)
    }
