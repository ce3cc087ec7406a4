"""Attack: declare what others have, with adoptionPolicy IfUnowned, so that the operator hands it over or writes to it."""

import json
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.cases.all import CASES
from tests.kinds.cases.case import prepared
from tests.kinds.cases.role import DENY
from tests.kinds.workshop import Workshop

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotOwned, NotPossible
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Resource
from dynconfig.kinds.function_value import Function
from dynconfig.kinds.role import Role

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
OTHERS = [name for name, case in CASES.items() if name != "parameter" and case.stranger is not None]


def run(declaration: Declaration, kinds: tuple[AnyKind, ...]) -> Outcome:
    return Engine(lambda _place: kinds).run(declaration)


def foreign(declaration: Declaration, kinds: tuple[AnyKind, ...]) -> list[Resource]:
    seen = Engine(lambda _place: kinds).observe(declaration)
    return [resource for resource in seen if resource.owner != declaration.owner.tag]


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_but_parameters_is_ever_taken_over(workshop: Workshop, name: str) -> None:
    case = prepared(CASES[name], workshop)
    assert case.stranger is not None
    case.stranger(workshop)
    declaration = workshop.declare({**case.base, "adoptionPolicy": "IfUnowned"})
    before = foreign(declaration, case.kinds(workshop))
    assert before
    assert isinstance(run(declaration, case.kinds(workshop)).error, NotOwned)
    assert foreign(declaration, case.kinds(workshop)) == before


@pytest.fixture
def break_glass(workshop: Workshop) -> str:
    """A role of people that may do everything, without an owner tag and without a path."""
    iam, name = workshop.aws("iam"), f"{workshop.name}-admin"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=PEOPLE)
    iam.put_role_policy(RoleName=name, PolicyName="theirs", PolicyDocument=DENY)
    return name


def role(workshop: Workshop, name: str) -> dict[str, Any]:
    """All of a role that an attack might change."""
    iam = workshop.aws("iam")
    found = iam.get_role(RoleName=name)["Role"]
    policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
    return {
        "arn": found["Arn"],
        "trust": found["AssumeRolePolicyDocument"],
        "tags": found.get("Tags", []),
        "policies": {key: iam.get_role_policy(RoleName=name, PolicyName=key)["PolicyDocument"] for key in policies},
    }


@pytest.mark.parametrize("policy", ["Never", "IfUnowned"])
def test_no_function_gets_a_role_that_others_made(workshop: Workshop, break_glass: str, policy: str) -> None:
    before = role(workshop, break_glass)
    spec = {"function": {"roleName": break_glass}, "adoptionPolicy": policy}
    kinds = workshop.kinds(Role, Function)
    error = run(workshop.declare(spec), kinds).error
    assert isinstance(error, NotOwned)
    assert f"role {break_glass} already exists and has no owner; only parameters can be adopted" in str(error)
    assert role(workshop, break_glass) == before
    assert functions.listed(workshop) == set()
    # Nor does it go with the object.
    assert run(workshop.goodbye(spec), kinds).error is None
    assert role(workshop, break_glass) == before


@pytest.mark.parametrize("path", ["/service-role/", "/dynconfig-other/"])
def test_a_role_outside_of_the_path_is_never_written_whatever_its_tags_say(workshop: Workshop, path: str) -> None:
    iam, name = workshop.aws("iam"), f"{workshop.name}-console"
    owner = [{"Key": "dynconfig.dev/owner", "Value": workshop.owner().tag}]
    iam.create_role(Path=path, RoleName=name, AssumeRolePolicyDocument=PEOPLE, Tags=owner)
    before, spec = role(workshop, name), {"function": {"roleName": name}, "adoptionPolicy": "IfUnowned"}
    assert isinstance(run(workshop.declare(spec), workshop.kinds(Role)).error, NotOwned)
    run(workshop.goodbye(spec), workshop.kinds(Role))
    assert role(workshop, name) == before


def test_a_role_of_an_earlier_version_is_not_written_where_it_is(workshop: Workshop) -> None:
    iam, name = workshop.aws("iam"), f"{workshop.name}-own"
    owner = [{"Key": "dynconfig.dev/owner", "Value": workshop.owner().tag}]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=PEOPLE, Tags=owner)
    before = role(workshop, name)
    error = run(workshop.declare({"function": {"roleName": name}}), workshop.kinds(Role)).error
    assert isinstance(error, NotPossible)
    assert "has the path /, but the operator writes only to roles below /dynconfig/" in str(error)
    assert role(workshop, name) == before


def test_roles_are_made_below_the_path_of_the_operator(workshop: Workshop) -> None:
    spec = {"function": {"roleName": f"{workshop.name}-own", "triggers": {"schedule": "rate(5 minutes)"}}}
    workshop.settle(workshop.declare(spec), workshop.kinds(Role))
    for name in (f"{workshop.name}-own", f"{workshop.name}-eu-west-1-schedule"):
        assert role(workshop, name)["arn"] == f"arn:aws:iam::123456789012:role/dynconfig/{name}"
