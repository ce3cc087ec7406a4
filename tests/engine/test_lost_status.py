"""A lost status stays known as lost until everything was tried: until then, what differs was changed by others."""

from dataclasses import replace
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, Thing, declared
from tests.engine.test_kept_drift import NOW, THEIRS, PartlyReadKind, Story

from dynconfig.engine.outcome import Outcome
from dynconfig.model.errors import AccessDenied, DynConfigError, Refused, Throttled, Unexpected
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.secret import Secret
from dynconfig.status import report

MANY = {f"p{number:03}": "declared" for number in range(150)}
VALUES = {**MANY, "z": "new"}
LOST: list[dict[str, Any] | None] = [
    None,
    {},
    {"observedGeneration": -1},
    {"observedGeneration": 1, "statusLost": True},
]


def lost(status: dict[str, Any] | None) -> Story:
    """An object whose parameters others changed, and whose status was lost; one parameter is not written yet."""
    found = (Thing(name=f"/app/{name}", owner=OWNER.tag, value=THEIRS, version=7) for name in MANY)
    return Story(VALUES, fake=PartlyReadKind(store={thing.name: thing for thing in found}), status=status)


def count_theirs(story: Story) -> int:
    return sum(value == THEIRS for value in story.fake.values.values())


def is_lost(story: Story) -> bool:
    return bool((story.status or {}).get("statusLost"))


@pytest.mark.parametrize("status", LOST)
def test_complete_reconcile_replaces_a_lost_status(status: dict[str, Any] | None) -> None:
    story = lost(status)
    story.reconcile()
    assert (count_theirs(story), story.fake.values["/app/z"]) == (len(MANY), "new")
    assert (story.reason, is_lost(story)) == ("DriftReported", False)
    story.edit({**VALUES, "z": "newer"})
    assert (count_theirs(story), story.fake.values["/app/z"]) == (len(MANY), "newer")


@pytest.mark.parametrize("error", [Throttled("later", delay=5), Refused("no")])
@pytest.mark.parametrize("status", LOST)
def test_retry_after_an_incomplete_reconcile_overwrites_nothing(
    status: dict[str, Any] | None, error: DynConfigError
) -> None:
    story = lost(status)
    story.fake.failures["/app/z"] = error
    for _ in range(2):
        story.reconcile()
        assert (is_lost(story), (story.status or {})["observedGeneration"]) == (True, 1)
    story.fake.failures.clear()
    story.reconcile()
    assert (count_theirs(story), story.fake.values["/app/z"], is_lost(story)) == (len(MANY), "new", False)


def test_secret_is_not_overwritten_by_the_retry() -> None:
    story = Story({"a": "declared", "z": "new"})
    story.fake.store["/app/a"] = Thing(name="/app/a", owner=OWNER.tag, value=Secret(THEIRS), version=7)
    story.fake.failures["/app/z"] = Throttled("later", delay=5)
    for _ in range(2):
        declaration = declared(story.values, driftPolicy="Report", status=story.status)
        first, *others = declaration.parameters
        declaration = replace(declaration, parameters=(replace(first, value=Secret("declared")), *others))
        outcome = story.fake.engine().run(declaration, now=NOW)
        story.status = report.status(outcome, PreviousStatus.of(story.status), NOW, None)
        story.fake.failures.clear()
    assert story.fake.values == {"/app/a": Secret(THEIRS), "/app/z": "new"}


@pytest.mark.parametrize("is_refused", [True, False])
def test_parameter_that_could_not_be_read_while_status_was_lost_is_not_overwritten(*, is_refused: bool) -> None:
    story = lost(None)
    story.fake.unread["/app/p000"] = AccessDenied("no")
    story.reconcile()
    assert is_lost(story)
    if is_refused:
        # Meanwhile edits of what was read are applied.
        story.edit({**VALUES, "p001": "edited"})
        assert story.fake.values["/app/p001"] == "edited"
    story.fake.unread.clear()
    story.reconcile()
    assert (story.fake.values["/app/p000"], count_theirs(story)) == (THEIRS, len(MANY) - is_refused)
    assert (is_lost(story), story.reason) == (False, "DriftReported")


@pytest.mark.parametrize("tried_nothing", [True, False], ids=["not read", "unexpected failure"])
@pytest.mark.parametrize("status", LOST)
def test_failure_without_an_observation_keeps_the_loss_known(
    status: dict[str, Any] | None, *, tried_nothing: bool
) -> None:
    story = lost(status)
    declaration = declared(VALUES, driftPolicy="Report", status=status)
    outcome = Outcome(declaration, stopped=Unexpected("bug"), tried_nothing=tried_nothing)
    story.status = report.status(outcome, PreviousStatus.of(status), NOW, None)
    assert is_lost(story)
    story.reconcile()
    assert (count_theirs(story), story.fake.values["/app/z"], is_lost(story)) == (len(MANY), "new", False)


@pytest.mark.parametrize("status", LOST)
def test_suspended_object_keeps_the_loss_known_until_it_was_written(status: dict[str, Any] | None) -> None:
    story = lost(status)
    story.reconcile(suspend=True)
    assert (is_lost(story), story.fake.writes) == (True, [])
    story.edit(VALUES)
    assert (count_theirs(story), story.fake.values["/app/z"], is_lost(story)) == (len(MANY), "new", False)


def test_new_object_has_no_lost_status() -> None:
    story = Story(VALUES)
    story.fake.failures["/app/z"] = Refused("no")
    story.reconcile(finalizers=[])
    assert not is_lost(story)
