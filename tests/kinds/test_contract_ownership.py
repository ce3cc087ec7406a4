"""What every kind promises about owners: strangers' resources are safe, and nothing of ours stays behind."""

from typing import Any

import pytest
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import Case, apply, writes
from tests.kinds.workshop import Workshop

from dynconfig.api import names
from dynconfig.engine.errors import NotOwned
from dynconfig.engine.plan import Delete, Release
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Resource
from dynconfig.kinds.parameter_value import Parameter

pytestmark = pytest.mark.lab

TAKEN = [name for name, case in CASES.items() if case.stranger is not None]
MARKED = [name for name, case in CASES.items() if case.is_marked]


@pytest.mark.parametrize("case", TAKEN, indirect=True)
def test_a_strangers_resource_is_refused_and_not_written(workshop: Workshop, case: Case) -> None:
    assert case.stranger is not None
    case.stranger(workshop)
    declaration = workshop.declare(case.base)

    def foreign() -> list[Resource]:
        seen = Engine(lambda _place: case.kinds(workshop)).observe(declaration)
        return [resource for resource in seen if resource.owner != declaration.owner.tag]

    before = foreign()
    assert before
    outcome = Engine(lambda _place: case.kinds(workshop)).run(declaration)
    assert isinstance(outcome.error, NotOwned)
    # What does not depend on it is carried out.
    assert not {resource.title for resource in before} & {step.resource.title for step in outcome.applied}
    assert foreign() == before


@pytest.mark.parametrize("case", TAKEN, indirect=True)
def test_a_deletion_leaves_a_strangers_resource_of_the_same_name(workshop: Workshop, case: Case) -> None:
    assert case.stranger is not None
    case.stranger(workshop)
    before = case.listed(workshop)
    goodbye = workshop.goodbye(case.base)
    assert writes(workshop, case, lambda: workshop.settle(goodbye, case.kinds(workshop))) == {}
    assert case.listed(workshop) == before


def test_without_a_report_a_deletion_finds_all_that_was_made_and_nothing_else(workshop: Workshop, case: Case) -> None:
    case.neighbour(workshop)
    before = case.listed(workshop)
    apply(workshop, case, case.base)
    assert case.listed(workshop) != before
    outcome = workshop.settle(workshop.goodbye(case.base), case.kinds(workshop))
    assert all(isinstance(step.change, Delete) for step in outcome.applied)
    assert case.listed(workshop) == before


def test_a_deletion_finds_what_is_only_in_the_report(workshop: Workshop, case: Case) -> None:
    case.neighbour(workshop)
    before = case.listed(workshop)
    status = workshop.status(apply(workshop, case, case.base))
    workshop.settle(workshop.goodbye({}, status), case.kinds(workshop))
    assert case.listed(workshop) == before


def test_what_is_no_longer_declared_goes_while_the_object_stays(workshop: Workshop, case: Case) -> None:
    case.neighbour(workshop)
    before = case.listed(workshop)
    status = workshop.status(apply(workshop, case, case.base))
    approved = {"annotations": {names.APPROVE_GENERATION: "2"}}
    apply(workshop, case, {}, generation=2, status=status, metadata=approved)
    assert case.listed(workshop) == before


def test_deleting_twice_is_no_error(workshop: Workshop, case: Case) -> None:
    before = case.listed(workshop)
    status = workshop.status(apply(workshop, case, case.base))
    for report in (status, status, None):
        assert workshop.settle(workshop.goodbye(case.base, report), case.kinds(workshop)).is_complete
    assert case.listed(workshop) == before


def test_what_went_between_the_look_and_the_deletion_is_no_error(workshop: Workshop, case: Case) -> None:
    apply(workshop, case, case.base)
    kinds = case.kinds(workshop)
    observed = Engine(lambda _place: kinds).assess(workshop.goodbye(case.base), 0.0).plan.owned
    if case.vanish is not None:
        case.vanish(workshop)
    else:
        workshop.settle(workshop.goodbye(case.base), case.kinds(workshop))
    (kind,) = (kind for kind in kinds if kind.value is case.value)
    kind.delete([resource for resource in observed if isinstance(resource, case.value)])


def test_retained_resources_stay_and_lose_their_mark(workshop: Workshop, case: Case) -> None:
    apply(workshop, case, case.base)
    goodbye = workshop.goodbye({**case.base, "deletionPolicy": "Retain"})
    outcome = workshop.settle(goodbye, case.kinds(workshop))
    assert all(isinstance(step.change, Release) for step in outcome.applied)
    assert any(isinstance(step.resource, case.value) for step in outcome.applied)
    assert case.listed(workshop)
    again = Engine(lambda _place: case.kinds(workshop)).assess(workshop.goodbye(case.base), 0.0).plan
    assert again.owned == ()


@pytest.mark.parametrize("case", MARKED, indirect=True)
def test_of_what_was_retained_only_parameters_are_taken_over_and_only_when_asked(
    workshop: Workshop, case: Case
) -> None:
    apply(workshop, case, case.base)
    workshop.settle(workshop.goodbye({**case.base, "deletionPolicy": "Retain"}), case.kinds(workshop))
    before = case.listed(workshop)
    about: dict[str, Any] = {"owner": workshop.owner(uid="uid-2")}
    with pytest.raises(NotOwned):
        apply(workshop, case, case.base, **about)
    adopting = {**case.base, "adoptionPolicy": "IfUnowned"}
    if case.value is not Parameter:
        with pytest.raises(NotOwned, match="only parameters can be adopted"):
            apply(workshop, case, adopting, **about)
        assert case.listed(workshop) == before
        return
    assert apply(workshop, case, adopting, **about).is_complete
    # A mark may be part of what is listed.
    assert len(_sized(case.listed(workshop))) == len(_sized(before))
    assert apply(workshop, case, adopting, **about).plan.is_empty


@pytest.mark.parametrize("case", MARKED, indirect=True)
def test_what_a_lost_object_of_the_same_name_left_is_taken_over_only_when_asked(workshop: Workshop, case: Case) -> None:
    apply(workshop, case, case.base)
    before = case.listed(workshop)
    successor: dict[str, Any] = {"owner": workshop.owner(uid="uid-2")}
    refused = Engine(lambda _place: case.kinds(workshop)).run(workshop.declare(case.base, **successor))
    assert isinstance(refused.error, NotOwned)
    assert "set adoptionPolicy: IfUnowned to adopt it" in str(refused.error)
    adopting = {**case.base, "adoptionPolicy": "IfUnowned"}
    assert apply(workshop, case, adopting, **successor).is_complete
    assert len(_sized(case.listed(workshop))) == len(_sized(before))
    assert apply(workshop, case, adopting, **successor).plan.is_empty


def _sized(listed: Any) -> list[Any]:
    return list(listed)
