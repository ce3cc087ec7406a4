"""A label of ours never makes SSM refuse anyone's write, and never outlives its reason."""

from typing import Any

import pytest
from tests.kinds.wire import denied
from tests.kinds.workshop import REGION, Workshop

from dynconfig.api import names
from dynconfig.aws.tagged import TaggedParameters
from dynconfig.engine import notes, report
from dynconfig.engine.labels import STABLE
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Abandonment, Engine
from dynconfig.kinds.parameter_labels import ParameterLabels
from dynconfig.kinds.parameter_value import Parameter
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

SPEC: dict[str, Any] = {"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]}
ROLLOUT = {"rollout": {"bakeTime": "5s"}}


def labels(workshop: Workshop) -> ParameterLabels:
    """As after a restart."""
    tagged = TaggedParameters(workshop.session.client("resourcegroupstaggingapi", REGION), workshop.clock)
    return ParameterLabels(workshop.session.client("ssm", REGION), tagged)


def engine(workshop: Workshop) -> Engine:
    """An engine with parameters and labels."""
    kind, found = workshop.parameters(), labels(workshop)
    return Engine(lambda _place: (kind,), lambda _place: found)


def labelled(workshop: Workshop) -> Outcome:
    """Parameters with labels of ours and one of somebody else's."""
    outcome = workshop.apply(workshop.declare(SPEC))
    for item in outcome.owned:
        assert isinstance(item, Parameter)
        labels(workshop).mark(item, STABLE)
        labels(workshop).mark(item, "rejected-2-uid-1")
    workshop.aws().label_parameter_version(Name=f"{workshop.path}/a", ParameterVersion=1, Labels=["theirs"])
    return outcome


def found(workshop: Workshop, name: str) -> list[str]:
    """All labels of a parameter."""
    pages = workshop.aws().get_paginator("get_parameter_history").paginate(Name=f"{workshop.path}/{name}")
    return sorted(label for page in pages for item in page["Parameters"] for label in item.get("Labels", []))


@pytest.mark.parametrize("about", [{"driftPolicy": "Report"}, {"suspend": True}], ids=["Report", "suspend"])
def test_others_may_write_more_versions_than_ssm_keeps(workshop: Workshop, about: dict[str, Any]) -> None:
    outcome = labelled(workshop)
    workshop.aws().unlabel_parameter_version(Name=f"{workshop.path}/a", ParameterVersion=1, Labels=["theirs"])
    status, running = report.status(outcome, {}, 1.8e9, None), engine(workshop)
    told: list[str] = []
    for number in range(2, 115):
        workshop.put_by_hand("a", f"build-{number}")
        declared = workshop.declare({**SPEC, **ROLLOUT, **about}, status=status)
        outcome = running.run(declared, now=1.8e9)
        told += [note.message for note in notes.of(outcome, status, 1.8e9) if note.reason == "LabelRemoved"]
        status = report.status(outcome, status, 1.8e9, None)
    assert workshop.versions()["a"] == 114
    (message,) = told
    assert f"Parameter {workshop.path}/a: removed label rejected-2-uid-1 of version 1, label stable of" in message
    assert STABLE in found(workshop, "b")


def test_a_release_removes_our_labels_and_no_others(workshop: Workshop) -> None:
    status = report.status(labelled(workshop), {}, 1.8e9, None)
    workshop.apply(workshop.goodbye({**SPEC, "deletionPolicy": "Retain"}, status))
    assert (found(workshop, "a"), found(workshop, "b")) == (["theirs"], [])
    assert "dynconfig.dev/owner" not in workshop.tags("a")


def test_the_end_of_a_rollout_removes_our_labels(workshop: Workshop) -> None:
    status = {**report.status(labelled(workshop), {}, 1.8e9, None), "stableGeneration": 1}
    outcome = engine(workshop).run(workshop.declare(SPEC, status=status, generation=2), now=1.8e9)
    assert outcome.is_complete
    assert (found(workshop, "a"), found(workshop, "b")) == (["theirs"], [])


def test_an_abandoned_object_leaves_no_label_of_ours(workshop: Workshop) -> None:
    labelled(workshop)
    assert engine(workshop).abandon(workshop.goodbye(SPEC)) == Abandonment()
    assert (found(workshop, "a"), found(workshop, "b")) == (["theirs"], [])
    assert (workshop.tags("a"), workshop.tags("b")) == ({}, {})
    assert workshop.versions() == {"a": 1, "b": 1}


def test_an_abandonment_goes_on_in_the_next_turn_where_there_was_no_time(workshop: Workshop) -> None:
    labelled(workshop)
    running = engine(workshop)
    assert not running.abandon(workshop.goodbye(SPEC), keep_going=lambda: False).is_over
    assert running.abandon(workshop.goodbye(SPEC), keep_going=lambda: False) == Abandonment()
    assert (workshop.tags("a"), workshop.tags("b")) == ({}, {})


def test_a_suspended_object_that_is_abandoned_leaves_no_mark_of_ours(workshop: Workshop) -> None:
    labelled(workshop)
    engine(workshop).abandon(workshop.goodbye({**SPEC, "suspend": True}))
    assert (workshop.tags("a"), workshop.tags("b")) == ({}, {})


def test_labels_of_another_owner_stay_when_an_object_is_abandoned(workshop: Workshop) -> None:
    labelled(workshop)
    owner = [{"Key": "dynconfig.dev/owner", "Value": "cluster/other/app/uid-9"}]
    workshop.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{workshop.path}/b", Tags=owner)
    engine(workshop).abandon(workshop.goodbye(SPEC))
    assert found(workshop, "b") == ["rejected-2-uid-1", STABLE]


def test_an_abandonment_goes_on_where_labels_cannot_be_removed_and_says_so(workshop: Workshop) -> None:
    labelled(workshop)
    denied = Injected("AccessDeniedException", "not authorized")
    workshop.lab.faults(Faults(errors={"ssm.UnlabelParameterVersion": denied}))
    declaration = workshop.goodbye(SPEC)
    abandonment = engine(workshop).abandon(declaration)
    assert abandonment.is_over
    note = notes.abandoned(declaration, abandonment.left)
    assert "Not all marks of the operator were removed" in note.message
    assert f"{workshop.path}/a" in note.message
    assert "UnlabelParameterVersion was answered with AccessDeniedException" in note.message


def test_a_label_that_may_not_be_moved_on_one_parameter_is_moved_on_all_others(workshop: Workshop) -> None:
    spec, running = {**SPEC, **ROLLOUT}, engine(workshop)
    with denied(workshop, "LabelParameterVersion", f"{workshop.path}/a"):
        running.run(workshop.declare(spec), now=1.8e9)
        outcome = running.run(workshop.declare(spec), now=4.0e9)
    assert outcome.stopped is None
    assert [item.title for item in outcome.refused] == [f"Parameter {workshop.path}/a"]
    assert (found(workshop, "a"), found(workshop, "b")) == ([], [STABLE])
    assert running.run(workshop.declare(spec), now=4.0e9).is_complete
    assert found(workshop, "a") == [STABLE]


def test_a_parameter_is_released_without_its_label_though_its_history_may_not_be_read(workshop: Workshop) -> None:
    labelled(workshop)
    declared = {**SPEC, "deletionPolicy": "Retain"}
    with denied(workshop, "GetParameterHistory", f"{workshop.path}/a", f"{workshop.path}/b"):
        workshop.apply(workshop.goodbye(declared))
    assert names.OWNER_TAG not in {*workshop.tags("a"), *workshop.tags("b")}
    assert STABLE not in {*found(workshop, "a"), *found(workshop, "b")}
