"""`dynconfig plan` prints what the operator would do: both ask the engine the same question."""

from collections.abc import Callable

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_assess import SCENES, told
from tests.engine.toy import OWNER, document, nothing

from dynconfig.engine import describe
from dynconfig.files import Manifests
from dynconfig.planning import Known, Planned, Planner
from dynconfig.settings import Settings


def planned(stage: Stage, now: float) -> Planned:
    """What the command is given about the object as the cluster has it."""
    live = document(stage.values, generation=stage.generation, status=stage.status, rollout={"bakeTime": "10m"})
    live["spec"] |= stage.about
    live["metadata"] |= {"namespace": OWNER.namespace, "name": OWNER.name, "uid": OWNER.uid}
    planner = Planner(Settings(is_emulated=True), stage.engine, "eu-west-1", lambda: now)
    found = planner.planned(live, Manifests((), (), {}), Known(OWNER.cluster, live, nothing))
    assert isinstance(found, Planned)
    return found


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
