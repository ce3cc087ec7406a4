"""Attack: declare foreign resources with adoptionPolicy IfUnowned, so that the operator hands them over or writes to
them."""

import json
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import prepared
from tests.kinds.cases.role import DENY

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.function.value import Function
from dynconfig.kinds.role import Role
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned, NotPossible
from dynconfig.model.plan import AnyKind
from dynconfig.model.resource import Resource

pytestmark = pytest.mark.lab

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
PEOPLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)
OTHERS = [name for name, case in CASES.items() if name != "parameter" and case.create_foreign is not None]


def run(declaration: Declaration, kinds: tuple[AnyKind, ...]) -> Outcome:
    return Engine(lambda _place: kinds).run(declaration)


def foreign(declaration: Declaration, kinds: tuple[AnyKind, ...]) -> list[Resource]:
    seen = Engine(lambda _place: kinds).observe(declaration)
    return [resource for resource in seen if resource.owner != declaration.owner.tag]


@pytest.mark.parametrize("name", OTHERS)
def test_only_parameters_are_ever_adopted(harness: AwsHarness, name: str) -> None:
    case = prepared(CASES[name], harness)
    assert case.create_foreign is not None
    case.create_foreign(harness)
    declaration = harness.declare({**case.base, "adoptionPolicy": "IfUnowned"})
    before = foreign(declaration, case.kinds(harness))
    assert before
    assert isinstance(run(declaration, case.kinds(harness)).error, NotOwned)
    assert foreign(declaration, case.kinds(harness)) == before


@pytest.fixture
def break_glass(harness: AwsHarness) -> str:
    """A user's role with all permissions, without an owner tag and without a path."""
    iam, name = harness.aws("iam"), f"{harness.name}-admin"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=PEOPLE)
    iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=DENY)
    return name


def role(harness: AwsHarness, name: str) -> dict[str, Any]:
    """All parts of a role that an attack might change."""
    iam = harness.aws("iam")
    found = iam.get_role(RoleName=name)["Role"]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {
        "arn": found["Arn"],
        "trust": found["AssumeRolePolicyDocument"],
        "tags": found.get("Tags", []),
        "policies": {key: iam.get_role_policy(RoleName=name, PolicyName=key)["PolicyDocument"] for key in policies},
    }


@pytest.mark.parametrize("policy", ["Never", "IfUnowned"])
def test_no_function_gets_a_foreign_role(harness: AwsHarness, break_glass: str, policy: str) -> None:
    before = role(harness, break_glass)
    spec = {"function": {"roleName": break_glass}, "adoptionPolicy": policy}
    kinds = harness.kinds(Role, Function)
    error = run(harness.declare(spec), kinds).error
    assert isinstance(error, NotOwned)
    assert f"role {break_glass} already exists and has no owner; only parameters can be adopted" in str(error)
    assert role(harness, break_glass) == before
    assert functions.listed(harness) == set()
    # Nor is it deleted with the object.
    assert run(harness.deletion(spec), kinds).error is None
    assert role(harness, break_glass) == before


@pytest.mark.parametrize("path", ["/service-role/", "/dynconfig-other/"])
def test_role_outside_of_the_path_is_never_written_whatever_its_tags(harness: AwsHarness, path: str) -> None:
    iam, name = harness.aws("iam"), f"{harness.name}-console"
    owner = [{"Key": "dynconfig.dev/owner", "Value": harness.owner().tag}]
    iam.create_role(Path=path, RoleName=name, AssumeRolePolicyDocument=PEOPLE, Tags=owner)
    before, spec = role(harness, name), {"function": {"roleName": name}, "adoptionPolicy": "IfUnowned"}
    assert isinstance(run(harness.declare(spec), harness.kinds(Role)).error, NotOwned)
    run(harness.deletion(spec), harness.kinds(Role))
    assert role(harness, name) == before


def test_role_of_an_earlier_version_is_not_written_at_its_place(harness: AwsHarness) -> None:
    iam, name = harness.aws("iam"), f"{harness.name}-own"
    owner = [{"Key": "dynconfig.dev/owner", "Value": harness.owner().tag}]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=PEOPLE, Tags=owner)
    before = role(harness, name)
    error = run(harness.declare({"function": {"roleName": name}}), harness.kinds(Role)).error
    assert isinstance(error, NotPossible)
    assert "has the path /, but the operator writes only to roles below /dynconfig/" in str(error)
    assert role(harness, name) == before


def test_roles_are_created_below_the_path_of_the_operator(harness: AwsHarness) -> None:
    spec = {"function": {"roleName": f"{harness.name}-own", "triggers": {"schedule": "rate(5 minutes)"}}}
    harness.settle(harness.declare(spec), harness.kinds(Role))
    for name in (f"{harness.name}-own", f"{harness.name}-eu-west-1-schedule"):
        assert role(harness, name)["arn"] == f"arn:aws:iam::123456789012:role/dynconfig/{name}"
