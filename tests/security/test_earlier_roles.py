"""Roles that version 0.2.0 created without a path are replaced, and the function always has one."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.role import DENY, TRUST
from tests.kinds.wire import requests

from dynconfig.engine.outcome import Outcome
from dynconfig.kinds.function.value import Function
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.kinds.role import Role
from dynconfig.kinds.schedule import Schedule

pytestmark = pytest.mark.lab

KINDS = (Parameter, Role, Function, Schedule)
WRITES = ("CreateRole", "DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "TagRole", "UntagRole")


@dataclass
class Before:
    """An object as version 0.2.0 left it."""

    harness: AwsHarness
    spec: dict[str, Any]
    roles: tuple[str, str]
    status: dict[str, Any]

    def upgraded(self, **about: Any) -> Outcome:
        declared = self.harness.declare({**self.spec, **about}, status=self.status)
        return self.harness.settle(declared, self.harness.kinds(*KINDS))

    def used(self) -> str:
        """The name of the function's existing role."""
        arn = functions.of(self.harness, self.harness.name)["Role"]
        name = arn.rpartition("/")[2]
        assert self.harness.aws("iam").get_role(RoleName=name)["Role"]["Arn"] == arn
        return str(name)

    def names(self) -> set[str]:
        pages = self.harness.aws("iam").get_paginator("list_roles").paginate()
        found = {role["RoleName"] for page in pages for role in page["Roles"]}
        return {name for name in found if self.harness.name in name}


def earlier_role(harness: AwsHarness, name: str, service: str) -> str:
    owner = [{"Key": "dynconfig.dev/owner", "Value": harness.owner().tag}]
    trust = TRUST.replace("lambda", service)
    iam = harness.aws("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=owner)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="dynconfig", PolicyDocument=DENY)
    return str(arn)


def until_known(client: Any, write: Callable[[], object]) -> None:
    """Write until the service can use the role."""
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


def stepped_back(harness: AwsHarness, role_name: str | None) -> Before:
    """Created by this version, then with the roles of the previous version instead."""
    triggers = {"schedule": "rate(5 minutes)"}
    spec: dict[str, Any] = {"function": {"triggers": triggers}, "parameters": [{"name": "one", "value": "1"}]}
    status = harness.status(harness.settle(harness.declare(spec), harness.kinds(*KINDS)))
    iam, lambda_, scheduler = (harness.aws(service) for service in ("iam", "lambda", "scheduler"))
    made = [f"{harness.name}-eu-west-1-function", f"{harness.name}-eu-west-1-schedule"]
    roles = (role_name or f"{harness.name}-eu-west-1", f"{harness.name}-eu-west-1-scheduler")
    arns = [earlier_role(harness, name, service) for name, service in zip(roles, ("lambda", "scheduler"), strict=True)]
    about = scheduler.get_schedule(Name=harness.name)
    kept = {key: about[key] for key in ("Name", "Description", "ScheduleExpression", "FlexibleTimeWindow")}
    until_known(lambda_, lambda: lambda_.update_function_configuration(FunctionName=harness.name, Role=arns[0]))
    target = {**about["Target"], "RoleArn": arns[1]}
    until_known(scheduler, lambda: scheduler.update_schedule(**kept, Target=target))
    functions.of(harness, harness.name)
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="dynconfig")
        iam.delete_role(RoleName=name)
    listed = [item for item in status["resources"] if item["kind"] != "Role"]
    listed += [{"kind": "Role", "name": name, "arn": arn} for name, arn in zip(roles, arns, strict=True)]
    function = {"triggers": triggers, **({"roleName": role_name} if role_name else {})}
    return Before(harness, {**spec, "function": function}, roles, {**status, "resources": listed})


@pytest.fixture(params=["default", "named"])
def before(request: pytest.FixtureRequest, harness: AwsHarness) -> Before:
    return stepped_back(harness, f"{harness.name}-own" if request.param == "named" else None)


def successor(before: Before) -> str:
    name = before.spec["function"].get("roleName")
    return f"dynconfig-_{name}-dynconfig" if name else f"{before.harness.name}-eu-west-1-function"


@pytest.mark.parametrize("drift_policy", ["Correct", "Report"])
def test_function_moves_to_a_role_below_the_path_and_the_earlier_one_is_deleted(
    before: Before, drift_policy: str
) -> None:
    with requests(before.harness, "iam", *WRITES) as made:
        outcome = before.upgraded(driftPolicy=drift_policy)
    assert outcome.drift == ()
    assert before.names() == {successor(before), f"{before.harness.name}-eu-west-1-schedule"}
    assert before.used() == successor(before)
    # The earlier roles were only deleted.
    assert {operation for operation, request in made if request["RoleName"] in before.roles} == {"DeleteRole"}


def test_earlier_role_is_kept_until_lambda_has_moved_the_function(before: Before) -> None:
    updates: list[str] = []

    def deleted(name: str) -> None:
        if name in before.roles and name != before.roles[1]:
            about = before.harness.aws("lambda").get_function(FunctionName=before.harness.name)["Configuration"]
            updates.append(f"{about['LastUpdateStatus']} {about['Role'].rpartition('/')[2]}")

    client = before.harness.session.client("iam", "eu-west-1")._client
    client.meta.events.register("before-call.iam.DeleteRole", lambda params, **_: deleted(params["body"]["RoleName"]))
    before.upgraded()
    assert updates == [f"Successful {successor(before)}"]


def test_successor_named_by_an_earlier_version_is_replaced_once_more(before: Before) -> None:
    name = before.spec["function"].get("roleName")
    former = f"{name}-dynconfig" if name else successor(before)
    status = before.harness.status(before.upgraded())
    found = next(item for item in status["resources"] if item["name"] == successor(before))
    iam = before.harness.aws("iam")
    if name:
        owner = [{"Key": "dynconfig.dev/owner", "Value": before.harness.owner().tag}]
        about = {"Path": "/dynconfig/", "RoleName": former, "Tags": owner}
        found["arn"] = iam.create_role(**about, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        found["name"] = former
    before.status = status
    before.upgraded()
    assert before.used() == successor(before)
    assert former not in before.names() or former == successor(before)


def test_names_are_unchanged_after_the_upgrade(before: Before) -> None:
    status = before.harness.status(before.upgraded())
    again = before.harness.settle(before.harness.declare(before.spec, status=status), before.harness.kinds(*KINDS))
    assert again.plan.is_empty
    before.harness.settle(before.harness.deletion(before.spec, status), before.harness.kinds(*KINDS))
    assert before.names() == set()


def test_deletion_without_a_status_finds_the_earlier_roles(before: Before) -> None:
    before.harness.settle(before.harness.deletion(before.spec), before.harness.kinds(*KINDS))
    assert before.names() == set()


def test_role_adopted_by_an_earlier_version_is_kept_for_its_first_owner(before: Before) -> None:
    iam, (name, _scheduler) = before.harness.aws("iam"), before.roles
    iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=DENY)
    before.upgraded()
    assert before.used() == successor(before)
    assert iam.get_role(RoleName=name)["Role"].get("Tags", []) == []
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["theirs"]


def test_role_of_the_same_name_created_meanwhile_is_not_deleted(before: Before) -> None:
    iam, (name, _scheduler) = before.harness.aws("iam"), before.roles
    iam.untag_role(RoleName=name, TagKeys=["dynconfig.dev/owner"])
    before.upgraded()
    assert json.dumps(iam.get_role(RoleName=name)["Role"]["Arn"])
    assert before.used() == successor(before)


def test_reported_drift_keeps_the_role_that_the_function_uses(before: Before) -> None:
    functions.configure(before.harness, before.harness.name, MemorySize=512)
    drift = [{"resource": f"Function {before.harness.name}", "field": "memory", "declared": "256", "observed": "512"}]
    before.status["drift"] = drift
    before.upgraded(driftPolicy="Report")
    assert before.used() == before.roles[0]
    assert functions.of(before.harness, before.harness.name)["MemorySize"] == 512
