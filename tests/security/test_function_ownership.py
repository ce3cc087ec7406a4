"""Attack: two objects claim one function, in every order of the modes; the second is rejected and changes nothing."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases import attachment
from tests.kinds.cases.attachment import our_policies, state

from dynconfig.api.names import ATTACHED_TAG
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.composite_alarm import CompositeAlarm
from dynconfig.kinds.dashboard.dashboards import Dashboard
from dynconfig.kinds.function.value import Function
from dynconfig.kinds.log_group import LogGroup
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.kinds.role import Role
from dynconfig.model.errors import NotOwned, NotPossible, SourceMissing
from dynconfig.model.resource import Owner

pytestmark = pytest.mark.lab

KINDS = (Parameter, Role, LogGroup, Function, Attachment)
MODES = ("Managed", "Attach")


def attached(harness: AwsHarness) -> dict[str, Any]:
    return attachment.spec()


def managed(harness: AwsHarness, name: str = "attached") -> dict[str, Any]:
    """The same function, created by the operator."""
    return {"function": {"name": name}, "parameters": [{"name": "one", "value": "1"}]}


def spec(harness: AwsHarness, mode: str, name: str = "attached") -> dict[str, Any]:
    found = managed(harness) if mode == "Managed" else attached(harness)
    return {**found, "function": {**found["function"], "name": name}}


def victim(harness: AwsHarness) -> Owner:
    return harness.owner("victim", "uid-victim")


def settle(harness: AwsHarness, declared: Any, **about: Any) -> Outcome:
    return harness.settle(harness.declare(declared, **about), harness.kinds(*KINDS))


def run(harness: AwsHarness, declared: Any, **about: Any) -> Outcome:
    kinds = harness.kinds(*KINDS)
    return Engine(lambda _place: kinds).run(harness.declare({**declared, "adoptionPolicy": "IfUnowned"}, **about))


def everything(harness: AwsHarness, name: str) -> dict[str, Any]:
    """The function, and all parts of its role."""
    role = functions.of(harness, name)["Role"].rpartition("/")[2]
    trust = harness.aws("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    return {**state(harness, name), "trust": trust, "policy": our_policies(harness, role)}


@pytest.fixture
def name(harness: AwsHarness) -> str:
    return f"{harness.name}-shared"


def claimed(harness: AwsHarness, mode: str, name: str) -> None:
    """The victim has the function, in one of the modes."""
    if mode == "Attach":
        functions.create(harness, name, Environment={"Variables": {"THEIRS": "1"}})
    settle(harness, {**spec(harness, mode, name), "path": f"{harness.path}-victim"}, owner=victim(harness))


@pytest.mark.parametrize("theirs", MODES)
@pytest.mark.parametrize("mine", MODES)
def test_function_of_another_object_is_rejected_in_both_modes(
    harness: AwsHarness, theirs: str, mine: str, name: str
) -> None:
    claimed(harness, theirs, name)
    before = everything(harness, name)
    error = run(harness, spec(harness, mine, name)).error
    assert isinstance(error, NotOwned)
    assert f"spec.function.name: {'function' if mine == 'Managed' else 'attachment'} {name}" in str(error)
    assert "is owned by" in str(error)
    assert victim(harness).title in str(error)
    assert everything(harness, name) == before
    # Nor does the attacker's deletion remove anything.
    harness.settle(harness.deletion(spec(harness, mine, name)), harness.kinds(*KINDS))
    assert everything(harness, name) == before


def test_function_of_a_user_is_not_managed(harness: AwsHarness, name: str) -> None:
    functions.create(harness, name, Environment={"Variables": {"THEIRS": "1"}})
    before = everything(harness, name)
    assert isinstance(run(harness, spec(harness, "Managed", name)).error, NotOwned)
    assert everything(harness, name) == before


@pytest.mark.parametrize("theirs", MODES)
@pytest.mark.parametrize("mine", MODES)
def test_nothing_named_after_a_foreign_function_is_created(
    harness: AwsHarness, theirs: str, mine: str, name: str
) -> None:
    claimed(harness, theirs, name)
    logs, group = harness.aws("logs"), f"/aws/lambda/{name}"
    if theirs == "Managed":
        logs.delete_log_group(logGroupName=group)
    kinds = harness.kinds(*KINDS, Alarm, CompositeAlarm, Dashboard)
    declared = harness.declare({**spec(harness, mine, name), "alarms": {}, "dashboard": True})
    outcome = Engine(lambda _place: kinds).run(declared)
    assert isinstance(outcome.error, NotOwned)
    # Parameters without another owner are written.
    assert {type(step.resource) for step in outcome.applied} == {Parameter}
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    cloudwatch = harness.aws("cloudwatch")
    assert cloudwatch.describe_alarms(AlarmNamePrefix=name)["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"] == []


def test_attached_function_is_not_owned_after_a_switch_to_managed(harness: AwsHarness, name: str) -> None:
    functions.create(harness, name, Environment={"Variables": {"THEIRS": "1"}})
    before = state(harness, name)
    status = harness.status(settle(harness, spec(harness, "Attach", name)))
    kinds, errors = harness.kinds(*KINDS), list[object]()
    turned = {**spec(harness, "Managed", name), "adoptionPolicy": "IfUnowned"}
    for _reconcile in range(3):
        functions.of(harness, name)
        outcome = Engine(lambda _place: kinds).run(harness.declare(turned, generation=2, status=status))
        status = harness.status(outcome)
        errors.append(outcome.error)
    assert isinstance(errors[-1], NotOwned)
    assert "only parameters can be adopted" in str(errors[-1])
    # What was added is removed, and all else is unchanged.
    assert functions.variables(harness, name) == {"THEIRS": "1"}
    assert state(harness, name)["rest"] == before["rest"]
    assert ATTACHED_TAG not in state(harness, name)["tags"]


def test_managed_function_is_not_attached_after_a_switch_to_attach(harness: AwsHarness, name: str) -> None:
    status = harness.status(settle(harness, spec(harness, "Managed", name)))
    kinds = harness.kinds(*KINDS)
    declared = harness.declare(spec(harness, "Attach", name), generation=2, status=status)
    first = Engine(lambda _place: kinds).run(declared)
    assert isinstance(first.error, NotPossible)
    assert "is managed by a DynamicConfig (mode: Managed)" in str(first.error)
    assert functions.listed(harness) == set()
    second = Engine(lambda _place: kinds).run(declared)
    assert isinstance(second.error, SourceMissing)


@pytest.mark.parametrize("theirs", MODES)
def test_function_is_available_to_the_second_object_after_deletion_of_the_first(
    harness: AwsHarness, theirs: str, name: str
) -> None:
    claimed(harness, theirs, name)
    assert isinstance(run(harness, spec(harness, theirs, name)).error, NotOwned)
    detached = harness.declare(
        {"path": f"{harness.path}-victim"},
        owner=victim(harness),
        generation=2,
        metadata={"annotations": {"dynconfig.dev/approve-generation": "2"}},
        status=harness.status(
            settle(harness, {**spec(harness, theirs, name), "path": f"{harness.path}-victim"}, owner=victim(harness))
        ),
    )
    harness.settle(detached, harness.kinds(*KINDS))
    assert settle(harness, spec(harness, theirs, name)).is_complete


def test_function_with_marks_of_both_modes_belongs_to_its_creator(harness: AwsHarness, name: str) -> None:
    """In an earlier version an object could attach to what another had created."""
    claimed(harness, "Managed", name)
    mine, client = harness.owner().tag, harness.aws("lambda")
    client.tag_resource(Resource=functions.arn(name), Tags={ATTACHED_TAG: mine})
    error = run(harness, spec(harness, "Attach", name)).error
    assert isinstance(error, NotOwned)
    before = functions.variables(harness, name)
    deletion = harness.deletion(spec(harness, "Attach", name))
    assert harness.settle(deletion, harness.kinds(*KINDS)).is_complete
    assert functions.variables(harness, name) == before
    assert ATTACHED_TAG not in state(harness, name)["tags"]
