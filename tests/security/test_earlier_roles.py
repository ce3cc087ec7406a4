"""Roles that version 0.2.0 made without a path: others take their place, without a moment in which the function has none."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.cases.role import DENY, TRUST
from tests.kinds.wire import requests
from tests.kinds.workshop import Workshop

from dynconfig.engine.outcome import Outcome
from dynconfig.kinds.function_value import Function
from dynconfig.kinds.parameter_value import Parameter
from dynconfig.kinds.role import Role
from dynconfig.kinds.schedule import Schedule

pytestmark = pytest.mark.lab

KINDS = (Parameter, Role, Function, Schedule)
WRITES = ("CreateRole", "DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "TagRole", "UntagRole")


@dataclass
class Before:
    """An object as version 0.2.0 left it."""

    workshop: Workshop
    spec: dict[str, Any]
    roles: tuple[str, str]
    status: dict[str, Any]

    def upgraded(self, **about: Any) -> Outcome:
        declared = self.workshop.declare({**self.spec, **about}, status=self.status)
        return self.workshop.settle(declared, self.workshop.kinds(*KINDS))

    def used(self) -> str:
        """The name of the function's role, which exists."""
        arn = functions.of(self.workshop, self.workshop.name)["Role"]
        name = arn.rpartition("/")[2]
        assert self.workshop.aws("iam").get_role(RoleName=name)["Role"]["Arn"] == arn
        return str(name)

    def names(self) -> set[str]:
        pages = self.workshop.aws("iam").get_paginator("list_roles").paginate()
        found = {role["RoleName"] for page in pages for role in page["Roles"]}
        return {name for name in found if name.startswith(self.workshop.name)}


def earlier_role(workshop: Workshop, name: str, service: str) -> str:
    owner = [{"Key": "dynconfig.dev/owner", "Value": workshop.owner().tag}]
    trust = TRUST.replace("lambda", service)
    iam = workshop.aws("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=owner)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="dynconfig", PolicyDocument=DENY)
    return str(arn)


def until_known(client: Any, write: Callable[[], object]) -> None:
    """Write until the service has heard of the role."""
    refusals = (client.exceptions.ClientError,)

    def is_written() -> bool:
        try:
            write()
        except refusals as error:
            if "assume" in str(error):
                return False
            raise
        return True

    functions.until(is_written)


def stepped_back(workshop: Workshop, role_name: str | None) -> Before:
    """Made by this version, then with the roles of the one before in place of its own."""
    triggers = {"schedule": "rate(5 minutes)"}
    spec: dict[str, Any] = {"function": {"triggers": triggers}, "parameters": [{"name": "one", "value": "1"}]}
    status = workshop.status(workshop.settle(workshop.declare(spec), workshop.kinds(*KINDS)))
    iam, lambda_, scheduler = (workshop.aws(service) for service in ("iam", "lambda", "scheduler"))
    made = [f"{workshop.name}-eu-west-1-function", f"{workshop.name}-eu-west-1-schedule"]
    roles = (role_name or f"{workshop.name}-eu-west-1", f"{workshop.name}-eu-west-1-scheduler")
    arns = [earlier_role(workshop, name, service) for name, service in zip(roles, ("lambda", "scheduler"), strict=True)]
    about = scheduler.get_schedule(Name=workshop.name)
    kept = {key: about[key] for key in ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow")}
    until_known(lambda_, lambda: lambda_.update_function_configuration(FunctionName=workshop.name, Role=arns[0]))
    target = {**about["Target"], "RoleArn": arns[1]}
    until_known(scheduler, lambda: scheduler.update_schedule(**kept, Target=target))
    functions.of(workshop, workshop.name)
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="dynconfig")
        iam.delete_role(RoleName=name)
    listed = [item for item in status["resources"] if item["kind"] != "Role"]
    listed += [{"kind": "Role", "name": name, "arn": arn} for name, arn in zip(roles, arns, strict=True)]
    function = {"triggers": triggers, **({"roleName": role_name} if role_name else {})}
    return Before(workshop, {**spec, "function": function}, roles, {**status, "resources": listed})


@pytest.fixture(params=["default", "named"])
def before(request: pytest.FixtureRequest, workshop: Workshop) -> Before:
    return stepped_back(workshop, f"{workshop.name}-own" if request.param == "named" else None)


def successor(before: Before) -> str:
    name = before.spec["function"].get("roleName")
    return f"{name}-dynconfig" if name else f"{before.workshop.name}-eu-west-1-function"


@pytest.mark.parametrize("drift_policy", ["Correct", "Report"])
def test_the_function_moves_to_a_role_below_the_path_and_the_earlier_one_goes(
    before: Before, drift_policy: str
) -> None:
    with requests(before.workshop, "iam", *WRITES) as made:
        outcome = before.upgraded(driftPolicy=drift_policy)
    assert outcome.drift == ()
    assert before.names() == {successor(before), f"{before.workshop.name}-eu-west-1-schedule"}
    assert before.used() == successor(before)
    # Of the earlier roles nothing was written but their deletion.
    assert {operation for operation, request in made if request["RoleName"] in before.roles} == {"DeleteRole"}


def test_the_earlier_role_stays_until_lambda_has_moved_the_function(before: Before) -> None:
    updates: list[str] = []

    def deleted(name: str) -> None:
        if name in before.roles and name != before.roles[1]:
            about = before.workshop.aws("lambda").get_function(FunctionName=before.workshop.name)["Configuration"]
            updates.append(f"{about['LastUpdateStatus']} {about['Role'].rpartition('/')[2]}")

    client = before.workshop.session.client("iam", "eu-west-1")._client
    client.meta.events.register("before-call.iam.DeleteRole", lambda params, **_: deleted(params["body"]["RoleName"]))
    before.upgraded()
    assert updates == [f"Successful {successor(before)}"]


def test_the_names_stay_after_the_upgrade(before: Before) -> None:
    status = before.workshop.status(before.upgraded())
    again = before.workshop.settle(before.workshop.declare(before.spec, status=status), before.workshop.kinds(*KINDS))
    assert again.plan.is_empty
    before.workshop.settle(before.workshop.goodbye(before.spec, status), before.workshop.kinds(*KINDS))
    assert before.names() == set()


def test_a_deletion_without_a_report_finds_the_earlier_roles(before: Before) -> None:
    before.workshop.settle(before.workshop.goodbye(before.spec), before.workshop.kinds(*KINDS))
    assert before.names() == set()


def test_a_role_that_an_earlier_version_took_over_is_left_to_whose_it_was(before: Before) -> None:
    iam, (name, _scheduler) = before.workshop.aws("iam"), before.roles
    iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=DENY)
    before.upgraded()
    assert before.used() == successor(before)
    assert iam.get_role(RoleName=name)["Role"].get("Tags", []) == []
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["theirs"]


def test_a_role_of_the_same_name_that_came_meanwhile_is_not_deleted(before: Before) -> None:
    iam, (name, _scheduler) = before.workshop.aws("iam"), before.roles
    iam.untag_role(RoleName=name, TagKeys=["dynconfig.dev/owner"])
    before.upgraded()
    assert json.dumps(iam.get_role(RoleName=name)["Role"]["Arn"])
    assert before.used() == successor(before)


def test_drift_that_is_only_reported_keeps_the_role_that_the_function_uses(before: Before) -> None:
    functions.configure(before.workshop, before.workshop.name, MemorySize=512)
    drift = [{"resource": f"Function {before.workshop.name}", "field": "memory", "declared": "256", "observed": "512"}]
    before.status["drift"] = drift
    before.upgraded(driftPolicy="Report")
    assert before.used() == before.roles[0]
    assert functions.of(before.workshop, before.workshop.name)["MemorySize"] == 512
