"""What one namespace stores in the index costs the objects of others nothing."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.events.test_resource_index import CART, HOME, SHOP, document, owner

from dynconfig.events.resource_index import ResourceIndex
from dynconfig.kube.moves import BlockedObjects
from dynconfig.model.errors import NotOwned
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.validation.tenancy import NOWHERE, Tenant

FEW, MANY = 100, 3000
PATHS = {"shop": ("/shop",), "evil": ("/evil",)}


def operations(act: Callable[[], object]) -> int:
    """Return the number of calls of functions, and of values that generators yield."""
    counted = 0

    def count(_frame: object, event: str, _about: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return counted


def with_others(count: int, path: str, **more: Any) -> ResourceIndex:
    """An index with two objects of one namespace, and many of another one."""
    index = ResourceIndex(HOME, lambda namespace: Tenant(namespace, is_trusted=False, paths=PATHS[namespace]))
    for key in (SHOP, CART):
        index.update(key, document("/shop", "a"))
    for number in range(count):
        found = document(path, "a")
        found["spec"].update(more.get("spec", {}))
        index.update(Key("evil", f"o{number}"), {**found, "status": more.get("status", {})})
    return index


def lookups(index: ResourceIndex) -> None:
    index.naming(HOME, "/shop/a")
    index.successor(owner(SHOP), HOME, "/shop/a")
    index.releasing_to(SHOP)
    index.receiving(SHOP, None)


RELEASED = {"lastObservedTime": "2027-01-15T08:00:00Z", "parameters": [{"name": "/evil/old", "version": 1}]}


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "active"])
@pytest.mark.parametrize(("path", "status"), [("/shop", {}), ("/evil", RELEASED)], ids=["denied", "releasing"])
def test_objects_of_others_cost_nothing(path: str, status: dict[str, Any], *, suspend: bool) -> None:
    indexes = [with_others(count, path, status=status, spec={"suspend": suspend}) for count in (FEW, MANY)]
    few, many = (operations(partial(lookups, index)) for index in indexes)
    assert many == few


def test_denied_objects_concern_no_event() -> None:
    assert set(with_others(FEW, "/shop").naming(HOME, "/shop/a")) == {SHOP, CART}


def test_waiting_objects_of_others_cost_a_release_nothing() -> None:
    counts = []
    for count in (FEW, MANY):
        blocked = BlockedObjects(ObjectState[Key]())
        blocked.record(SHOP, HOME, NotOwned("taken", titles=["Parameter /shop/a"]))
        for number in range(count):
            blocked.record(Key("evil", f"o{number}"), HOME, NotOwned("taken", titles=[f"Parameter /evil/{number}"]))
        counts.append(operations(partial(blocked.waiting_for, HOME, ["Parameter /shop/a"])))
        assert blocked.waiting_for(HOME, ["Parameter /shop/a"]) == {SHOP}
    assert counts[0] == counts[1]


def test_object_that_waits_for_many_resources_is_found_until_the_last_is_released() -> None:
    blocked, left = BlockedObjects(ObjectState[Key]()), [f"Parameter /shop/{number}" for number in range(500)]
    while left:
        blocked.record(SHOP, HOME, NotOwned("taken", titles=left))
        found = [title for title in left if blocked.waiting_for(HOME, [title])]
        assert found
        left = [title for title in left if title not in found]


class Targets:
    """A target with rules that allow one namespace nothing, or one path; counts what is asked."""

    default = "prod"

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        return Tenant(namespace, is_trusted=False, paths=self.paths, target=target)


def with_denied(count: int, path: Callable[[int], str], paths: tuple[str, ...]) -> ResourceIndex:
    """An index with objects in the default target that wrote nothing and may not, decided once."""
    index = ResourceIndex(HOME, targets=Targets(paths))
    for number in range(count):
        index.update(Key("evil", f"o{number}"), {**document(path(number), "a"), "status": {}})
    assert index.using("prod") == ((), 0)
    return index


@pytest.mark.parametrize("is_one_enough", [True, False])
@pytest.mark.parametrize("paths", [NOWHERE, ("/evil",)], ids=["no rule", "another path"])
@pytest.mark.parametrize("path", [lambda _number: "/shop", lambda number: f"/shop/{number}"], ids=["one", "many"])
def test_denied_objects_of_a_target_cost_its_checks_nothing(
    path: Callable[[int], str], paths: tuple[str, ...], *, is_one_enough: bool
) -> None:
    counts = []
    for count in (FEW, MANY):
        index = with_denied(count, path, paths)
        # One that is created in addition costs as much as itself.
        index.update(Key("evil", "another"), document("/shop", "a"))
        counts.append(operations(partial(index.using, "prod", is_one_enough=is_one_enough)))
    assert counts[0] == counts[1]


def test_one_user_of_many_is_found_without_the_others() -> None:
    counts = []
    for count in (FEW, MANY):
        index = ResourceIndex(HOME, targets=Targets(("/shop",)))
        for number in range(count):
            index.update(Key("shop", f"o{number}"), document("/shop", "a"))
        assert index.using("prod").more == count - 5
        counts.append(operations(partial(index.using, "prod", is_one_enough=True)))
        assert index.using("prod", is_one_enough=True).keys
    assert counts[0] == counts[1]


def test_objects_of_a_target_are_decided_again_once_the_rights_of_their_namespace_change() -> None:
    targets = Targets(NOWHERE)
    index = ResourceIndex(HOME, targets=targets)
    index.update(SHOP, document("/shop", "a"))
    index.update(CART, document("/cart", "a"))
    for paths, users in (
        (NOWHERE, ()),
        (("/shop",), (SHOP,)),
        (("/cart", "/shop"), (CART, SHOP)),
        (("/cart",), (CART,)),
    ):
        targets.paths = paths
        assert index.using("prod").keys == users
        assert index.using("prod", is_one_enough=True).keys in [(key,) for key in users] + [()] * (not users)
    index.forget(CART)
    assert index.using("prod") == ((), 0)
