"""`dynconfig plan` prints what the operator would do: both ask the engine the same question."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_assess import SCENES, reported_drift, rollback, told
from tests.engine.test_rollback import CHANGE
from tests.engine.toy import OWNER, document, nothing

from dynconfig.engine import describe
from dynconfig.engine.applying import LAST_APPLIED
from dynconfig.engine.errors import InvalidSpec
from dynconfig.files import Manifests
from dynconfig.planning import Known, Planned, Planner, Unplanned
from dynconfig.settings import Settings


def held(stage: Stage) -> dict[str, Any]:
    """The object as the cluster has it."""
    live = document(stage.values, generation=stage.generation, status=stage.status, rollout={"bakeTime": "10m"})
    live["spec"] |= stage.about
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    return live


def foretold(stage: Stage, now: float, file: dict[str, Any], live: dict[str, Any]) -> Planned:
    """What the command is given about an object in a file."""
    planner = Planner(Settings(is_emulated=True), stage.engine, "eu-west-1", lambda: now)
    found = planner.planned(file, Manifests((), (), {}), Known(OWNER.cluster, live, nothing))
    assert isinstance(found, Planned)
    return found


def planned(stage: Stage, now: float) -> Planned:
    """What the command is given about the object as the cluster has it."""
    live = held(stage)
    return foretold(stage, now, live, live)


@pytest.mark.parametrize("scene", SCENES)
def test_a_plan_is_what_the_operator_then_does(scene: Callable[[], tuple[Stage, float]]) -> None:
    stage, now = scene()
    stage.shelf.now = now
    found = planned(stage, now)
    lines = list(describe.lines(found.plan))
    outcome = stage.look(now)
    assert told(found.assessment) == told(outcome)
    assert [text for sign, text in lines if sign == "."] == [
        *(f"not corrected (driftPolicy: Report): {step.resource.title}" for step in outcome.plan.held),
        *(f"delete {step.resource.title} after the bake time" for step in outcome.plan.waiting),
    ]


def test_programs_learn_what_is_not_carried_out_and_why() -> None:
    scenes = {scene.__name__: describe.document(planned(*scene()).assessment) for scene in SCENES}
    assert [item["resource"] for item in scenes["reported_drift"]["reported"]] == ["Thing /app/a"]
    assert scenes["suspension"]["changes"] == []
    assert len(scenes["suspension"]["suspended"]) == 2
    assert [item["resource"] for item in scenes["deferred_deletion"]["waiting"]] == ["Thing /app/b"]
    assert scenes["firing_alarm"]["blocked"]["reason"] == "AlarmFiring"
    assert scenes["mass_deletion"]["blocked"]["reason"] == "UnsafePlan"
    assert [item["change"] for item in scenes["rollback"]["changes"]] == ["update", "update"]


def test_what_a_file_does_not_name_is_planned_as_the_cluster_has_it() -> None:
    """Somebody set driftPolicy by hand; the file was applied before that, and says nothing of it."""
    stage = reported_drift()[0]
    live = held(stage)
    file = {"metadata": {"namespace": OWNER.namespace, "name": OWNER.name}, "spec": {**live["spec"]}}
    del file["spec"]["driftPolicy"]
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(file)}
    found = foretold(stage, CHANGE, file, live)
    assert found.assessment.declaration.generation == stage.generation
    assert describe.document(found.assessment) == describe.document(planned(stage, CHANGE).assessment)
    named = foretold(stage, CHANGE, {**file, "spec": {**file["spec"], "driftPolicy": "Correct"}}, live)
    assert named.assessment.declaration.generation == stage.generation + 1
    assert named.plan.held == ()


def test_after_a_rollback_the_stable_revision_is_said_to_be_in_aws() -> None:
    stage, now = rollback()
    stage.settle(now)
    found = planned(stage, now + 10)
    assert found.plan.steps == ()
    assert describe.summary(found.assessment).startswith("Nothing to do: AWS has the stable revision")


@pytest.mark.parametrize(
    ("edit", "field"), [({"path": "/other"}, "spec.path"), ({"region": "eu-west-2"}, "spec.region")]
)
def test_an_edit_that_the_api_server_refuses_is_not_planned(edit: dict[str, Any], field: str) -> None:
    live = document({"a": "1"})
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    edited = {**live, "spec": {**live["spec"], **edit}}
    planner = Planner(Settings(is_emulated=True), Stage().engine, "eu-west-1")
    found = planner.planned(edited, Manifests((), (), {}), Known(OWNER.cluster, live, nothing))
    assert isinstance(found, Unplanned)
    assert isinstance(found.error, InvalidSpec)
    assert str(found.error).startswith(f"{field}: {field.removeprefix('spec.')} is immutable")


def test_a_region_that_the_file_never_named_is_no_edit() -> None:
    live = document({"a": "1"}, region="eu-west-1")
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    file = {"metadata": {**live["metadata"]}, "spec": {**live["spec"]}}
    del file["spec"]["region"]
    live["metadata"]["annotations"] = {LAST_APPLIED: json.dumps(file)}
    assert foretold(Stage(), CHANGE, file, live).declaration.place.region == "eu-west-1"


def test_the_deletion_of_an_object_whose_spec_is_not_valid_is_planned_as_the_operator_makes_it() -> None:
    stage = Stage(values={"a": "1"})
    stage.settle()
    live = held(stage)
    live["spec"] |= {"driftPolicy": "Perhaps", "parameters": [*live["spec"]["parameters"], {"name": "b", "value": 7}]}
    planner = Planner(Settings(is_emulated=True), stage.engine, "eu-west-1", lambda: CHANGE)
    known = Known(OWNER.cluster, live, nothing)
    found = planner.deleted(live, Manifests((), (), {}), known)
    assert isinstance(found, Planned)
    assert [step.resource.name for step in found.plan.steps] == ["errors", "/app/a"]
    # A file that no cluster has is checked, since nothing else says what is in it.
    unknown = planner.deleted(live, Manifests((), (), {}), Known(OWNER.cluster, None, nothing))
    assert isinstance(unknown, Unplanned)
