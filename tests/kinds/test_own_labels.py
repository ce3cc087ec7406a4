"""Own labels never block anyone's writes, and are removed when no longer needed."""

from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness
from tests.kinds.wire import denied

from dynconfig.api import names
from dynconfig.aws.tag_index import ParameterTagIndex
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Abandonment, Engine
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.labels import STABLE
from dynconfig.status import kube_events, report
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

SPEC: dict[str, Any] = {"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]}
ROLLOUT = {"rollout": {"bakeTime": "5s"}}


def labels(harness: AwsHarness) -> ParameterLabels:
    """As after a restart."""
    tagged = ParameterTagIndex(harness.session.client("resourcegroupstaggingapi", REGION), harness.clock)
    return ParameterLabels(harness.session.client("ssm", REGION), tagged)


def engine(harness: AwsHarness) -> Engine:
    """An engine with parameters and labels."""
    kind, found = harness.parameters(), labels(harness)
    return Engine(lambda _place: (kind,), lambda _place: found)


def labelled(harness: AwsHarness) -> Outcome:
    """Parameters with own labels and a foreign one."""
    outcome = harness.apply(harness.declare(SPEC))
    for item in outcome.owned:
        assert isinstance(item, Parameter)
        labels(harness).set_label(item, STABLE)
        labels(harness).set_label(item, "rejected-2-uid-1")
    harness.aws().label_parameter_version(Name=f"{harness.path}/a", ParameterVersion=1, Labels=["theirs"])
    return outcome


def found(harness: AwsHarness, name: str) -> list[str]:
    """All labels of a parameter."""
    pages = harness.aws().get_paginator("get_parameter_history").paginate(Name=f"{harness.path}/{name}")
    return sorted(label for page in pages for item in page["Parameters"] for label in item.get("Labels", []))


@pytest.mark.parametrize("about", [{"driftPolicy": "Report"}, {"suspend": True}], ids=["Report", "suspend"])
def test_stable_label_does_not_block_writes_of_others(harness: AwsHarness, about: dict[str, Any]) -> None:
    outcome = labelled(harness)
    harness.aws().unlabel_parameter_version(Name=f"{harness.path}/a", ParameterVersion=1, Labels=["theirs"])
    status, running = report.status(outcome, PreviousStatus(), 1.8e9, None), engine(harness)
    messages: list[str] = []
    for number in range(2, 115):
        harness.put_by_hand("a", f"build-{number}")
        declared = harness.declare({**SPEC, **ROLLOUT, **about}, status=status)
        outcome = running.run(declared, now=1.8e9)
        messages += [
            note.message
            for note in kube_events.events_of(outcome, PreviousStatus.of(status), 1.8e9)
            if note.reason == "LabelRemoved"
        ]
        status = report.status(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert harness.versions()["a"] == 114
    (message,) = messages
    assert f"Parameter {harness.path}/a: removed label rejected-2-uid-1 of version 1, label stable of" in message
    assert STABLE in found(harness, "b")


def test_release_removes_only_own_labels(harness: AwsHarness) -> None:
    status = report.status(labelled(harness), PreviousStatus(), 1.8e9, None)
    harness.apply(harness.deletion({**SPEC, "deletionPolicy": "Retain"}, status))
    assert (found(harness, "a"), found(harness, "b")) == (["theirs"], [])
    assert "dynconfig.dev/owner" not in harness.tags("a")


def test_removing_rollout_removes_own_labels(harness: AwsHarness) -> None:
    status = {**report.status(labelled(harness), PreviousStatus(), 1.8e9, None), "stableGeneration": 1}
    outcome = engine(harness).run(harness.declare(SPEC, status=status, generation=2), now=1.8e9)
    assert outcome.is_complete
    assert (found(harness, "a"), found(harness, "b")) == (["theirs"], [])


def test_abandon_removes_own_labels(harness: AwsHarness) -> None:
    labelled(harness)
    assert engine(harness).abandon(harness.deletion(SPEC)) == Abandonment()
    assert (found(harness, "a"), found(harness, "b")) == (["theirs"], [])
    assert (harness.tags("a"), harness.tags("b")) == ({}, {})
    assert harness.versions() == {"a": 1, "b": 1}


def test_abandon_continues_in_the_next_reconcile(harness: AwsHarness) -> None:
    labelled(harness)
    running = engine(harness)
    assert not running.abandon(harness.deletion(SPEC), keep_going=lambda: False).is_over
    assert running.abandon(harness.deletion(SPEC), keep_going=lambda: False) == Abandonment()
    assert (harness.tags("a"), harness.tags("b")) == ({}, {})


def test_abandon_of_a_suspended_object_removes_all_marks(harness: AwsHarness) -> None:
    labelled(harness)
    engine(harness).abandon(harness.deletion({**SPEC, "suspend": True}))
    assert (harness.tags("a"), harness.tags("b")) == ({}, {})


def test_abandon_keeps_labels_of_another_owner(harness: AwsHarness) -> None:
    labelled(harness)
    owner = [{"Key": "dynconfig.dev/owner", "Value": "cluster/other/app/uid-9"}]
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/b", Tags=owner)
    engine(harness).abandon(harness.deletion(SPEC))
    assert found(harness, "b") == ["rejected-2-uid-1", STABLE]


def test_abandon_continues_and_reports_labels_that_cannot_be_removed(harness: AwsHarness) -> None:
    labelled(harness)
    denied = Injected("AccessDeniedException", "not authorized")
    harness.lab.faults(Faults(errors={"ssm.UnlabelParameterVersion": denied}))
    declaration = harness.deletion(SPEC)
    abandonment = engine(harness).abandon(declaration)
    assert abandonment.is_over
    note = kube_events.abandoned(declaration, abandonment.left)
    assert "Not all marks of the operator were removed" in note.message
    assert f"{harness.path}/a" in note.message
    assert "UnlabelParameterVersion failed with AccessDeniedException" in note.message


def test_denied_label_move_affects_only_that_parameter(harness: AwsHarness) -> None:
    spec, running = {**SPEC, **ROLLOUT}, engine(harness)
    with denied(harness, "LabelParameterVersion", f"{harness.path}/a"):
        running.run(harness.declare(spec), now=1.8e9)
        outcome = running.run(harness.declare(spec), now=4.0e9)
    assert outcome.stopped is None
    assert [item.title for item in outcome.refused] == [f"Parameter {harness.path}/a"]
    assert (found(harness, "a"), found(harness, "b")) == ([], [STABLE])
    assert running.run(harness.declare(spec), now=4.0e9).is_complete
    assert found(harness, "a") == [STABLE]


def test_release_removes_the_label_without_access_to_the_history(harness: AwsHarness) -> None:
    labelled(harness)
    declared = {**SPEC, "deletionPolicy": "Retain"}
    with denied(harness, "GetParameterHistory", f"{harness.path}/a", f"{harness.path}/b"):
        harness.apply(harness.deletion(declared))
    assert names.OWNER_TAG not in {*harness.tags("a"), *harness.tags("b")}
    assert STABLE not in {*found(harness, "a"), *found(harness, "b")}
