"""No namespace may declare a name that is, or begins like, a default name of an object in another namespace."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dynconfig.api.allow import Policy
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import NotAllowed
from dynconfig.model.naming import LONGEST, PREFIX, Names, prefix_of, role_beside
from dynconfig.model.resource import Owner
from dynconfig.validation import tenancy
from dynconfig.validation.declare import checked_spec

LONGEST_WITHOUT_COLLISION = 42
"""Characters of a namespace whose names keep the separator and the first character of the object when they are shortened."""

ANY_NAME = Policy.model_validate({"allow": [{"names": ["*"], "namespaces": ["*"]}]})
ANY_PATH = Policy.model_validate({"allow": [{"paths": ["/shop"], "namespaces": ["*"]}]})
VICTIM = ("shop-production-eu-west-1-frontend-services-x", "app")


def labels(signs: str = "") -> st.SearchStrategy[str]:
    """Names of up to 63 characters, every other one too long to fit."""
    edge = st.sampled_from("ab1")
    middle = st.text(f"ab1-{signs}", max_size=61) | st.text(f"ab1-{signs}", min_size=30, max_size=61)
    return edge | st.tuples(edge, middle, edge).map("".join)


LABEL = labels()
OBJECT = st.tuples(LABEL, labels("."))
REGION = st.sampled_from(("eu-west-1", "us-gov-east-1", "ap-southeast-2"))


def names_of(parts: tuple[str, str], region: str, function: str | None = None, role: str | None = None) -> Names:
    return Names.of(Owner("cluster", *parts, "uid"), region, function, role)


def listed(names: Names) -> dict[str, str]:
    """All names with the kind that they are unique in; roles without case."""
    roles = (names.role, names.scheduler_role, *names.other_roles)
    return {
        **{f"role/{name.lower()}": name for name in roles},
        f"function/{names.function}": names.function,
        f"log group/{names.log_group}": names.log_group,
        f"rule/{names.rule}": names.rule,
        f"schedule/{names.schedule}": names.schedule,
        f"API/{names.http_api}": names.http_api,
        f"alarm/{names.alarms}": names.alarms,
        f"dashboard/{names.dashboard}": names.dashboard,
        f"topic/{names.topic}": names.topic,
    }


def derived(names: Names) -> dict[str, str]:
    """All names that follow from that of a function; AWS names the log group after the function itself."""
    found = listed(replace(names, former=None, other_roles=()))
    return {key: name for key, name in found.items() if not key.startswith(("function/", "log group/"))}


def is_own(name: str, namespace: str, field: str = "name", policy: Policy = Policy()) -> bool:  # noqa: B008 frozen
    spec = DynamicConfigSpec.model_validate({"path": "/a", "function": {field: name}})
    found = tenancy.tenant(policy, namespace, {})
    decided = tenancy.decisions(spec, found, "eu-west-1", lambda _arn: False)
    return next(each.is_allowed for each in decided if each.use.field == f"spec.function.{field}")


def may_declare(name: str, namespace: str) -> bool:
    return re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) is not None and is_own(name, namespace)


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[str, str], tuple[str, str], str, str, str]:
    """Two objects in different namespaces, their regions, and a name that the first one may try to declare.

    Every other time the second namespace begins like the first one, which is where names may meet.
    """
    mine, theirs, here, there = draw(OBJECT), draw(OBJECT), draw(REGION), draw(REGION)
    if draw(st.booleans()):
        theirs = (f"{mine[0]}-{theirs[0]}"[:63].rstrip("-"), theirs[1])
    prefix = prefix_of(mine[0])
    defaults = [name.removeprefix("/aws/lambda/").rstrip("/") for name in listed(names_of(theirs, there)).values()]
    free = st.from_regex(r"[abAB1-]{1,54}(-[0-9a-f]{8})?", fullmatch=True).map(lambda end: (prefix + end)[:LONGEST])
    near = st.sampled_from(defaults).flatmap(
        lambda name: st.sampled_from(
            [name, *(prefix + end for end in (name[len(prefix) :], name[len(prefix) :].upper()))]
        )
    )
    return mine, theirs, here, there, draw(near | free)


@given(cases())
@example((("shop", "squat"), VICTIM, "eu-west-1", "eu-west-1", names_of(VICTIM, "eu-west-1").role))
def test_no_declared_name_is_a_default_name_of_another_namespace(
    case: tuple[tuple[str, str], tuple[str, str], str, str, str],
) -> None:
    mine, theirs, here, there, name = case
    assume(mine[0] != theirs[0] and may_declare(name, mine[0]))
    victim = names_of(theirs, there)
    for function, role in ((name, None), (None, name)):
        names = names_of(mine, here, function, role)
        assert not listed(names).keys() & listed(victim).keys()
        assert not names.alarms.startswith(victim.alarms)


@st.composite
def granted(draw: st.DrawFn) -> tuple[tuple[str, str], tuple[str, str], str, str, str]:
    """As `cases`, with any name that a policy may grant: free, or as near as possible to the names of the other object."""
    mine, theirs, here, there = draw(OBJECT), draw(OBJECT), draw(REGION), draw(REGION)
    near = [name.removeprefix("/aws/lambda/").rstrip("/") for name in listed(names_of(theirs, there)).values()]
    cut = [name.removeprefix(PREFIX) for name in near]
    endings = ("-parameters", "-alarms", f"-{there}", f"-{there}-function", f"-{there}-schedule")
    cut += [name.removesuffix(ending) for name in (*near, *cut) for ending in endings]
    name = draw(st.sampled_from(near + cut) | st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True))
    changed = draw(st.sampled_from((name, name.upper(), name.capitalize(), f"_{name}")))[:LONGEST]
    return mine, theirs, here, there, changed


@given(granted())
@example((("evil", "squat"), ("shop", "eu-orders"), "eu-west-1", "eu-west-1", "shop-eu-orders"))
@example((("evil", "squat"), ("shop", "eu"), "eu-west-1", "eu-west-1", "dynconfig-shop-eu"))
@example((("evil", "squat"), ("shop", "eu"), "eu-west-1", "eu-west-1", "Dynconfig-shop-eu"))
@example((("evil", "squat"), ("team-a", "eu"), "eu-west-1", "eu-west-1", "team-a_eu"))
def test_no_name_derived_from_a_granted_name_is_in_another_namespace(
    case: tuple[tuple[str, str], tuple[str, str], str, str, str],
) -> None:
    mine, theirs, here, there, name = case
    assume(mine[0] != theirs[0])
    assert is_own(name, mine[0], policy=ANY_NAME)
    attacker, victim = names_of(mine, here, name), names_of(theirs, there)
    assert not derived(attacker).keys() & listed(victim).keys()
    default_prefixes = [prefix_of(mine[0]), f"{PREFIX}_"]
    for found in (*derived(attacker).values(), role_beside(name)):
        assert not found.lower().startswith(PREFIX) or found.startswith(tuple(default_prefixes))
    # A name below the own prefix stays there, even if it is shortened.
    if not attacker.alarms.startswith(f"{PREFIX}_"):
        assert may_declare(name, mine[0]) or name == names_of(mine, here).function
    # What is derived from two declared names differs.
    other = names_of(theirs, there, name[:-1] or "x")
    if other.function != attacker.function:
        assert not derived(attacker).keys() & derived(other).keys()


@given(OBJECT, OBJECT, REGION, REGION)
@example(("shop", "production-eu-west-1-frontend-services-x-app"), VICTIM, "eu-west-1", "eu-west-1")
def test_default_names_of_two_objects_differ(
    one: tuple[str, str], other: tuple[str, str], here: str, there: str
) -> None:
    assume(one != other)
    assert not listed(names_of(one, here)).keys() & listed(names_of(other, there)).keys()


@given(st.data(), LABEL, REGION)
def test_shortened_names_of_namespaces_up_to_42_characters_differ_without_their_digest(
    data: st.DataObject, namespace: str, region: str
) -> None:
    """Assume that no one finds another object whose name has the same digest."""
    theirs = (f"{namespace}-{data.draw(LABEL)}"[:LONGEST_WITHOUT_COLLISION].rstrip("-"), data.draw(OBJECT)[1])
    mine = (namespace[:LONGEST_WITHOUT_COLLISION].rstrip("-"), data.draw(OBJECT)[1])
    assume(mine[0] != theirs[0])
    # The name of the own object repeats the other namespace, as an attacker would choose it.
    mine = (
        mine[0],
        data.draw(st.sampled_from((mine[1], f"{theirs[0][len(mine[0]) + 1 :]}.{mine[1]}".lstrip("-.")[:63]))),
    )
    without_digest = [
        {re.sub(r"[0-9a-f]{8}(/?)$", r"\1", key) for key in listed(names_of(parts, region))} for parts in (mine, theirs)
    ]
    assert not without_digest[0] & without_digest[1]


@pytest.mark.parametrize("change", [str, str.upper], ids=["same", "uppercase"])
def test_shortened_role_of_a_longer_namespace_is_not_a_name_of_this_one(change: Any) -> None:
    role = names_of(VICTIM, "eu-west-1").role
    assert role == "dynconfig-shop-production-eu-west-1-frontend-services-x-923cdec6"
    assert not is_own("dynconfig-shop-" + change(role.removeprefix("dynconfig-shop-")), "shop", "roleName")
    # A revision at the end of a name that is not shortened is no such name.
    assert is_own("dynconfig-shop-app-923cdec6", "shop", "roleName")


def test_reason_is_stated() -> None:
    role = names_of(VICTIM, "eu-west-1").role
    spec = DynamicConfigSpec.model_validate({"path": "/shop", "function": {"roleName": role}})
    with pytest.raises(NotAllowed, match="may be a shortened name of another namespace"):
        tenancy.check(spec, tenancy.tenant(ANY_PATH, "shop", {}), "eu-west-1", lambda _arn: False)


@pytest.mark.parametrize("field", ["name", "roleName"])
def test_shortened_default_name_of_the_object_itself_may_be_declared(field: str) -> None:
    """Such as a role whose name was written into the manifest."""
    parts = ("shop", "production-of-the-frontend-in-europe-and-america-and-in-asia")
    names = names_of(parts, "eu-west-1")
    name = names.role if field == "roleName" else names.function
    document = {
        "metadata": {"namespace": parts[0], "name": parts[1]},
        "spec": {"path": "/shop", "function": {field: name}},
    }
    found = tenancy.tenant(ANY_PATH, "shop", {})
    checked_spec(document, default_region="eu-west-1", tenant=found)
    other = {**document, "metadata": {"namespace": "shop", "name": "other"}}
    with pytest.raises(NotAllowed):
        checked_spec(other, default_region="eu-west-1", tenant=found)
