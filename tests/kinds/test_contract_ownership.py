"""The contract of all kinds about ownership: foreign resources are safe, and nothing owned is left behind."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import Case, apply, writes

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import NotOwned
from dynconfig.model.plan import Delete, Release
from dynconfig.model.resource import Resource

pytestmark = pytest.mark.lab

TAKEN = [name for name, case in CASES.items() if case.create_foreign is not None]
MARKED = [name for name, case in CASES.items() if case.is_marked]


@pytest.mark.parametrize("case", TAKEN, indirect=True)
def test_foreign_resource_is_rejected_and_not_written(harness: AwsHarness, case: Case) -> None:
    assert case.create_foreign is not None
    case.create_foreign(harness)
    declaration = harness.declare(case.base)

    def foreign() -> list[Resource]:
        seen = Engine(lambda _place: case.kinds(harness)).observe(declaration)
        return [resource for resource in seen if resource.owner != declaration.owner.tag]

    before = foreign()
    assert before
    outcome = Engine(lambda _place: case.kinds(harness)).run(declaration)
    assert isinstance(outcome.error, NotOwned)
    # Steps that do not depend on it are applied.
    assert not {resource.title for resource in before} & {step.resource.title for step in outcome.applied}
    assert foreign() == before


@pytest.mark.parametrize("case", TAKEN, indirect=True)
def test_deletion_keeps_foreign_resource_of_the_same_name(harness: AwsHarness, case: Case) -> None:
    assert case.create_foreign is not None
    case.create_foreign(harness)
    before = case.list_names(harness)
    deletion = harness.deletion(case.base)
    assert writes(harness, case, lambda: harness.settle(deletion, case.kinds(harness))) == {}
    assert case.list_names(harness) == before


def test_deletion_without_status_finds_exactly_what_was_created(harness: AwsHarness, case: Case) -> None:
    case.create_similar(harness)
    before = case.list_names(harness)
    apply(harness, case, case.base)
    assert case.list_names(harness) != before
    outcome = harness.settle(harness.deletion(case.base), case.kinds(harness))
    assert all(isinstance(step.change, Delete) for step in outcome.applied)
    assert case.list_names(harness) == before


def test_deletion_finds_resources_that_are_only_in_status(harness: AwsHarness, case: Case) -> None:
    case.create_similar(harness)
    before = case.list_names(harness)
    status = harness.status(apply(harness, case, case.base))
    harness.settle(harness.deletion({}, status), case.kinds(harness))
    assert case.list_names(harness) == before


def test_resources_no_longer_declared_are_deleted(harness: AwsHarness, case: Case) -> None:
    case.create_similar(harness)
    before = case.list_names(harness)
    status = harness.status(apply(harness, case, case.base))
    approved = {"annotations": {names.APPROVE_GENERATION: "2"}}
    apply(harness, case, {}, generation=2, status=status, metadata=approved)
    assert case.list_names(harness) == before


def test_deleting_twice_is_not_an_error(harness: AwsHarness, case: Case) -> None:
    before = case.list_names(harness)
    status = harness.status(apply(harness, case, case.base))
    for report in (status, status, None):
        assert harness.settle(harness.deletion(case.base, report), case.kinds(harness)).is_complete
    assert case.list_names(harness) == before


def test_resource_missing_at_deletion_is_not_an_error(harness: AwsHarness, case: Case) -> None:
    apply(harness, case, case.base)
    kinds = case.kinds(harness)
    observed = Engine(lambda _place: kinds).assess(harness.deletion(case.base), 0.0).plan.owned
    if case.remove_by_hand is not None:
        case.remove_by_hand(harness)
    else:
        harness.settle(harness.deletion(case.base), case.kinds(harness))
    (kind,) = (kind for kind in kinds if kind.value is case.value)
    kind.delete([resource for resource in observed if isinstance(resource, case.value)])


def test_retained_resources_lose_their_owner_tag(harness: AwsHarness, case: Case) -> None:
    apply(harness, case, case.base)
    deletion = harness.deletion({**case.base, "deletionPolicy": "Retain"})
    outcome = harness.settle(deletion, case.kinds(harness))
    assert all(isinstance(step.change, Release) for step in outcome.applied)
    assert any(isinstance(step.resource, case.value) for step in outcome.applied)
    assert case.list_names(harness)
    again = Engine(lambda _place: case.kinds(harness)).assess(harness.deletion(case.base), 0.0).plan
    assert again.owned == ()


@pytest.mark.parametrize("case", MARKED, indirect=True)
def test_only_retained_parameters_are_adopted_and_only_if_requested(harness: AwsHarness, case: Case) -> None:
    apply(harness, case, case.base)
    harness.settle(harness.deletion({**case.base, "deletionPolicy": "Retain"}), case.kinds(harness))
    before = case.list_names(harness)
    about: dict[str, Any] = {"owner": harness.owner(uid="uid-2")}
    with pytest.raises(NotOwned):
        apply(harness, case, case.base, **about)
    adopting = {**case.base, "adoptionPolicy": "IfUnowned"}
    if case.value is not Parameter:
        with pytest.raises(NotOwned, match="only parameters can be adopted"):
            apply(harness, case, adopting, **about)
        assert case.list_names(harness) == before
        return
    assert apply(harness, case, adopting, **about).is_complete
    # The owner mark may be part of what is listed.
    assert len(_sized(case.list_names(harness))) == len(_sized(before))
    assert apply(harness, case, adopting, **about).plan.is_empty


@pytest.mark.parametrize("case", MARKED, indirect=True)
def test_resources_of_a_lost_predecessor_are_adopted_only_if_requested(harness: AwsHarness, case: Case) -> None:
    apply(harness, case, case.base)
    before = case.list_names(harness)
    successor: dict[str, Any] = {"owner": harness.owner(uid="uid-2")}
    refused = Engine(lambda _place: case.kinds(harness)).run(harness.declare(case.base, **successor))
    assert isinstance(refused.error, NotOwned)
    assert "set adoptionPolicy: IfUnowned to adopt it" in str(refused.error)
    adopting = {**case.base, "adoptionPolicy": "IfUnowned"}
    assert apply(harness, case, adopting, **successor).is_complete
    assert len(_sized(case.list_names(harness))) == len(_sized(before))
    assert apply(harness, case, adopting, **successor).plan.is_empty


def _sized(listed: Any) -> list[Any]:
    return list(listed)
