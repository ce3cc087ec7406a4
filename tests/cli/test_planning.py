"""`dynconfig plan` prints what the operator would do: both use the same engine function."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, document, nothing
from tests.engine.test_assessment import SCENES, reported_drift, rollback, steps_of
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import CHANGE

from dynconfig.cli import describe
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.files import Manifests
from dynconfig.cli.kubectl_apply import LAST_APPLIED
from dynconfig.cli.planning import ClusterState, PlanFailure, Planned, Planner
from dynconfig.model.errors import InvalidSpec
from dynconfig.settings import Settings

NO_TARGETS = Accounts(Settings(), ClusterTargets())


def held(rollout: RolloutHarness) -> dict[str, Any]:
    """The object in the cluster."""
    live = document(rollout.values, generation=rollout.generation, status=rollout.status, rollout={"bakeTime": "10m"})
    live["spec"] |= rollout.about
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    return live


def foretold(rollout: RolloutHarness, now: float, file: dict[str, Any], live: dict[str, Any]) -> Planned:
    """The command's input for an object in a file."""
    planner = Planner(Settings(is_emulated=True), rollout.engine, "eu-west-1", NO_TARGETS, lambda: now)
    found = planner.planned(file, Manifests((), (), {}), ClusterState(OWNER.cluster, live, nothing))
    assert isinstance(found, Planned)
    return found


def planned(rollout: RolloutHarness, now: float) -> Planned:
    """The command's input for the object in the cluster."""
    live = held(rollout)
    return foretold(rollout, now, live, live)


@pytest.mark.parametrize("harness", SCENES)
def test_plan_equals_what_the_operator_then_does(harness: Callable[[], tuple[RolloutHarness, float]]) -> None:
    rollout, now = harness()
    rollout.versioned.now = now
    found = planned(rollout, now)
    rolled_back = found.declaration.rolled_back
    lines = list(describe.lines(found.plan, rolled_back=rolled_back))
    outcome = rollout.reconcile(now)
    assert steps_of(found.assessment) == steps_of(outcome)
    assert [text for sign, text in lines if sign == "."] == [
        *(f"not corrected (driftPolicy: Report): {step.resource.title}" for step in outcome.plan.reported),
        *(_waiting(step.resource.title, rolled_back=rolled_back) for step in outcome.plan.waiting),
    ]


def _waiting(title: str, *, rolled_back: bool) -> str:
    return f"keep {title}: the rollback does not delete it" if rolled_back else f"delete {title} after the bake time"


def test_json_output_contains_what_is_deferred_and_why() -> None:
    scenes = {harness.__name__: describe.document(planned(*harness()).assessment) for harness in SCENES}
    assert [item["resource"] for item in scenes["reported_drift"]["reported"]] == ["Thing /app/a"]
    assert scenes["suspension"]["changes"] == []
    assert len(scenes["suspension"]["suspended"]) == 2
    assert [item["resource"] for item in scenes["deferred_deletion"]["waiting"]] == ["Thing /app/b"]
    assert scenes["firing_alarm"]["blocked"]["reason"] == "AlarmFiring"
    assert scenes["mass_deletion"]["blocked"]["reason"] == "UnsafePlan"
    assert [item["change"] for item in scenes["rollback"]["changes"]] == ["update", "update"]


def test_fields_omitted_in_the_file_are_planned_as_in_the_cluster() -> None:
    """driftPolicy was set by hand after the file, which omits it, was applied."""
    rollout = reported_drift()[0]
    live = held(rollout)
    file = {"metadata": {"namespace": OWNER.namespace, "name": OWNER.name}, "spec": {**live["spec"]}}
    del file["spec"]["driftPolicy"]
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(file)}
    found = foretold(rollout, CHANGE, file, live)
    assert found.assessment.declaration.generation == rollout.generation
    assert describe.document(found.assessment) == describe.document(planned(rollout, CHANGE).assessment)
    named = foretold(rollout, CHANGE, {**file, "spec": {**file["spec"], "driftPolicy": "Correct"}}, live)
    assert named.assessment.declaration.generation == rollout.generation + 1
    assert named.plan.reported == ()


def test_stable_revision_is_reported_as_current_after_a_rollback() -> None:
    rollout, now = rollback()
    rollout.settle(now)
    found = planned(rollout, now + 10)
    assert found.plan.steps == ()
    assert describe.summary(found.assessment).startswith("No changes: AWS has the stable revision")


@pytest.mark.parametrize(
    ("edit", "field"), [({"path": "/other"}, "spec.path"), ({"region": "eu-west-2"}, "spec.region")]
)
def test_edit_that_the_api_server_rejects_is_not_planned(edit: dict[str, Any], field: str) -> None:
    live = document({"a": "1"})
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    edited = {**live, "spec": {**live["spec"], **edit}}
    planner = Planner(Settings(is_emulated=True), RolloutHarness().engine, "eu-west-1", NO_TARGETS)
    found = planner.planned(edited, Manifests((), (), {}), ClusterState(OWNER.cluster, live, nothing))
    assert isinstance(found, PlanFailure)
    assert isinstance(found.error, InvalidSpec)
    assert str(found.error).startswith(f"{field}: {field.removeprefix('spec.')} is immutable")


def test_region_omitted_in_the_file_is_not_an_edit() -> None:
    live = document({"a": "1"}, region="eu-west-1")
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    file = {"metadata": {**live["metadata"]}, "spec": {**live["spec"]}}
    del file["spec"]["region"]
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(file)}
    assert foretold(RolloutHarness(), CHANGE, file, live).declaration.place.region == "eu-west-1"


def test_deletion_of_an_object_with_invalid_spec_is_planned_as_by_the_operator() -> None:
    rollout = RolloutHarness(values={"a": "1"})
    rollout.settle()
    live = held(rollout)
    live["spec"] |= {"driftPolicy": "Perhaps", "parameters": [*live["spec"]["parameters"], {"name": "b", "value": 7}]}
    planner = Planner(Settings(is_emulated=True), rollout.engine, "eu-west-1", NO_TARGETS, lambda: CHANGE)
    known = ClusterState(OWNER.cluster, live, nothing)
    found = planner.deleted(live, Manifests((), (), {}), known)
    assert isinstance(found, Planned)
    assert [step.resource.name for step in found.plan.steps] == ["errors", "/app/a"]
    # A file without an object in the cluster is validated, since nothing else reports its errors.
    unknown = planner.deleted(live, Manifests((), (), {}), ClusterState(OWNER.cluster, None, nothing))
    assert isinstance(unknown, PlanFailure)
