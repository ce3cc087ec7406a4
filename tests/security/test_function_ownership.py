"""Attack: two objects claim one function, in every order of the modes; the second is refused and changes nothing of it."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.cases import attachment
from tests.kinds.cases.attachment import our_policies, state
from tests.kinds.workshop import Workshop

from dynconfig.api.names import ATTACHED_TAG
from dynconfig.engine.errors import NotOwned, NotPossible, SourceMissing
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.attachment_value import Attachment
from dynconfig.kinds.composite_alarm import CompositeAlarm
from dynconfig.kinds.dashboard import Dashboard
from dynconfig.kinds.function_value import Function
from dynconfig.kinds.log_group import LogGroup
from dynconfig.kinds.parameter_value import Parameter
from dynconfig.kinds.role import Role

pytestmark = pytest.mark.lab

KINDS = (Parameter, Role, LogGroup, Function, Attachment)
MODES = ("Managed", "Attach")


def attached(workshop: Workshop) -> dict[str, Any]:
    return attachment.spec()


def managed(workshop: Workshop, name: str = "attached") -> dict[str, Any]:
    """The same function, made by the operator."""
    return {"function": {"name": name}, "parameters": [{"name": "one", "value": "1"}]}


def spec(workshop: Workshop, mode: str, name: str = "attached") -> dict[str, Any]:
    found = managed(workshop) if mode == "Managed" else attached(workshop)
    return {**found, "function": {**found["function"], "name": name}}


def victim(workshop: Workshop) -> Owner:
    return workshop.owner("victim", "uid-victim")


def settle(workshop: Workshop, declared: Any, **about: Any) -> Outcome:
    return workshop.settle(workshop.declare(declared, **about), workshop.kinds(*KINDS))


def run(workshop: Workshop, declared: Any, **about: Any) -> Outcome:
    kinds = workshop.kinds(*KINDS)
    return Engine(lambda _place: kinds).run(workshop.declare({**declared, "adoptionPolicy": "IfUnowned"}, **about))


def everything(workshop: Workshop, name: str) -> dict[str, Any]:
    """The function, and all of its role."""
    role = functions.of(workshop, name)["Role"].rpartition("/")[2]
    trust = workshop.aws("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    return {**state(workshop, name), "trust": trust, "policy": our_policies(workshop, role)}


@pytest.fixture
def name(workshop: Workshop) -> str:
    return f"{workshop.name}-shared"


def claimed(workshop: Workshop, mode: str, name: str) -> None:
    """The victim has the function, in one of the modes."""
    if mode == "Attach":
        functions.create(workshop, name, Environment={"Variables": {"THEIRS": "1"}})
    settle(workshop, {**spec(workshop, mode, name), "path": f"{workshop.path}-victim"}, owner=victim(workshop))


@pytest.mark.parametrize("theirs", MODES)
@pytest.mark.parametrize("mine", MODES)
def test_a_function_that_another_object_has_is_refused_in_both_modes(
    workshop: Workshop, theirs: str, mine: str, name: str
) -> None:
    claimed(workshop, theirs, name)
    before = everything(workshop, name)
    error = run(workshop, spec(workshop, mine, name)).error
    assert isinstance(error, NotOwned)
    assert f"spec.function.name: {'function' if mine == 'Managed' else 'attachment'} {name}" in str(error)
    assert "is owned by" in str(error)
    assert victim(workshop).title in str(error)
    assert everything(workshop, name) == before
    # Nor does the attacker's deletion take anything away.
    workshop.settle(workshop.goodbye(spec(workshop, mine, name)), workshop.kinds(*KINDS))
    assert everything(workshop, name) == before


def test_a_function_of_people_is_not_managed(workshop: Workshop, name: str) -> None:
    functions.create(workshop, name, Environment={"Variables": {"THEIRS": "1"}})
    before = everything(workshop, name)
    assert isinstance(run(workshop, spec(workshop, "Managed", name)).error, NotOwned)
    assert everything(workshop, name) == before


@pytest.mark.parametrize("theirs", MODES)
@pytest.mark.parametrize("mine", MODES)
def test_nothing_that_is_named_after_anothers_function_is_made_either(
    workshop: Workshop, theirs: str, mine: str, name: str
) -> None:
    claimed(workshop, theirs, name)
    logs, group = workshop.aws("logs"), f"/aws/lambda/{name}"
    if theirs == "Managed":
        logs.delete_log_group(logGroupName=group)
    kinds = workshop.kinds(*KINDS, Alarm, CompositeAlarm, Dashboard)
    declared = workshop.declare({**spec(workshop, mine, name), "alarms": {}, "dashboard": True})
    outcome = Engine(lambda _place: kinds).run(declared)
    assert isinstance(outcome.error, NotOwned)
    # Parameters, which no one else has, are written.
    assert {type(step.resource) for step in outcome.applied} == {Parameter}
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []
    cloudwatch = workshop.aws("cloudwatch")
    assert cloudwatch.describe_alarms(AlarmNamePrefix=name)["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"] == []


def test_an_object_that_attached_does_not_take_the_function_for_its_own_when_it_turns_to_managed(
    workshop: Workshop, name: str
) -> None:
    functions.create(workshop, name, Environment={"Variables": {"THEIRS": "1"}})
    before = state(workshop, name)
    status = workshop.status(settle(workshop, spec(workshop, "Attach", name)))
    kinds, errors = workshop.kinds(*KINDS), list[object]()
    turned = {**spec(workshop, "Managed", name), "adoptionPolicy": "IfUnowned"}
    for _look in range(3):
        functions.of(workshop, name)
        outcome = Engine(lambda _place: kinds).run(workshop.declare(turned, generation=2, status=status))
        status = workshop.status(outcome)
        errors.append(outcome.error)
    assert isinstance(errors[-1], NotOwned)
    assert "only parameters can be adopted" in str(errors[-1])
    # What was added is taken away, and all else is as it was.
    assert functions.variables(workshop, name) == {"THEIRS": "1"}
    assert state(workshop, name)["rest"] == before["rest"]
    assert ATTACHED_TAG not in state(workshop, name)["tags"]


def test_an_object_that_managed_does_not_attach_to_what_it_made(workshop: Workshop, name: str) -> None:
    status = workshop.status(settle(workshop, spec(workshop, "Managed", name)))
    kinds = workshop.kinds(*KINDS)
    declared = workshop.declare(spec(workshop, "Attach", name), generation=2, status=status)
    first = Engine(lambda _place: kinds).run(declared)
    assert isinstance(first.error, NotPossible)
    assert "is managed by a DynamicConfig (mode: Managed)" in str(first.error)
    assert functions.listed(workshop) == set()
    second = Engine(lambda _place: kinds).run(declared)
    assert isinstance(second.error, SourceMissing)


@pytest.mark.parametrize("theirs", MODES)
def test_the_function_is_free_for_the_second_when_the_first_goes(workshop: Workshop, theirs: str, name: str) -> None:
    claimed(workshop, theirs, name)
    assert isinstance(run(workshop, spec(workshop, theirs, name)).error, NotOwned)
    gone = workshop.declare(
        {"path": f"{workshop.path}-victim"},
        owner=victim(workshop),
        generation=2,
        metadata={"annotations": {"dynconfig.dev/approve-generation": "2"}},
        status=workshop.status(
            settle(
                workshop, {**spec(workshop, theirs, name), "path": f"{workshop.path}-victim"}, owner=victim(workshop)
            )
        ),
    )
    workshop.settle(gone, workshop.kinds(*KINDS))
    assert settle(workshop, spec(workshop, theirs, name)).is_complete


def test_marks_of_both_modes_from_an_earlier_version_leave_the_function_to_who_made_it(
    workshop: Workshop, name: str
) -> None:
    """Then an object could attach to what another had made."""
    claimed(workshop, "Managed", name)
    mine, client = workshop.owner().tag, workshop.aws("lambda")
    client.tag_resource(Resource=functions.arn(name), Tags={ATTACHED_TAG: mine})
    error = run(workshop, spec(workshop, "Attach", name)).error
    assert isinstance(error, NotOwned)
    before = functions.variables(workshop, name)
    goodbye = workshop.goodbye(spec(workshop, "Attach", name))
    assert workshop.settle(goodbye, workshop.kinds(*KINDS)).is_complete
    assert functions.variables(workshop, name) == before
    assert ATTACHED_TAG not in state(workshop, name)["tags"]
