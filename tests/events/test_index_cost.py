"""What is stored in the index costs nothing but those who look up the same names."""

from collections.abc import Callable
from functools import partial
from itertools import product
from string import ascii_lowercase
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, Thing, declared
from tests.events.test_resource_index import CART, HOME, SHOP, adopter, document, owner
from tests.operations import calls_of

from dynconfig.api.target import TargetRule
from dynconfig.engine.outcome import Outcome
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter
from dynconfig.events.signals import Signal
from dynconfig.kube.moves import BlockedObjects, Moves
from dynconfig.model.declaration import in_target
from dynconfig.model.errors import NotOwned
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import Create, Delete, Release, Step
from dynconfig.model.writes import DELETE, PUT
from dynconfig.validation.tenancy import NOWHERE, Tenant

FEW, MANY = 100, 3000
PATHS = {"shop": ("/shop",), "evil": ("/evil",)}


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


class OneTarget:
    """A target in the region of the operator, whose rules allow all namespaces the same path."""

    default = ""

    def __init__(self, *, is_known: bool) -> None:
        self.is_known = is_known

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        rules = (TargetRule(namespaces=[namespace], paths=["/shop"]),)
        about = {"is_trusted": False, "is_known": self.is_known, "target": target}
        return Tenant(namespace, paths=NOWHERE, regions=(HOME,), rules=rules, **about)  # type: ignore[arg-type]

    def region_of(self, _target: str, /) -> str:
        return HOME


def in_regions(count: int, target: str, *, is_known: bool) -> ResourceIndex:
    """An index with two objects in a place, and many others at their path, each of which names another region."""
    about = {"target": target} if target else {}
    paths = partial(Tenant, is_trusted=False, paths=("/shop",), is_known=is_known)
    index = ResourceIndex(HOME, paths, OneTarget(is_known=is_known))
    index.update(CART, {"spec": {**document("/shop", "a")["spec"], **about}})
    index.update(SHOP, {"spec": {**document("/shop", "a", region=HOME)["spec"], **about}})
    for number, letters in zip(range(count), product(ascii_lowercase, repeat=3), strict=False):
        found = adopter("/shop", "a", region=f"eu-{''.join(letters)}-1")
        index.update(Key("evil", f"o{number}"), {"spec": {**found["spec"], **about}})
    return index


@pytest.mark.parametrize("is_known", [True, False], ids=["known rights", "unknown rights"])
@pytest.mark.parametrize("target", ["prod", ""], ids=["target", "own account"])
def test_objects_with_other_regions_cost_nothing(target: str, *, is_known: bool) -> None:
    counts, place = [], in_target(target) if target else HOME
    for count in (FEW, MANY):
        index = in_regions(count, target, is_known=is_known)
        work = (
            partial(index.refs, place, "/shop/a"),
            partial(index.naming, place, "/shop/a", "/shop/unknown"),
            partial(index.successor, owner(SHOP), place, "/shop/a"),
            partial(index.receiving, SHOP, None),
        )
        assert set(index.naming(place, "/shop/a")) == {SHOP, CART}
        assert index.refs(place, "/shop/a").visited <= 2
        counts.append([calls_of(each) for each in work])
    assert counts[0] == counts[1]


RELEASED = {"lastObservedTime": "2027-01-15T08:00:00Z", "parameters": [{"name": "/evil/old", "version": 1}]}


@pytest.mark.parametrize("suspend", [True, False], ids=["suspended", "active"])
@pytest.mark.parametrize(("path", "status"), [("/shop", {}), ("/evil", RELEASED)], ids=["denied", "releasing"])
def test_objects_of_others_cost_nothing(path: str, status: dict[str, Any], *, suspend: bool) -> None:
    indexes = [with_others(count, path, status=status, spec={"suspend": suspend}) for count in (FEW, MANY)]
    few, many = (calls_of(partial(lookups, index)) for index in indexes)
    assert many == few


def test_names_that_no_object_has_are_looked_up_without_rights() -> None:
    asked = list[str]()

    def tenant_of(namespace: str) -> Tenant:
        asked.append(namespace)
        return Tenant(namespace, is_trusted=False, paths=("/shop",))

    index = ResourceIndex(HOME, tenant_of)
    index.update(SHOP, document("/shop", "a"))
    assert index.naming(HOME, *(f"/shop/unknown{number}" for number in range(50))) == ()
    assert asked == []
    assert index.naming(HOME, "/shop/a") == (SHOP,)
    assert asked == [SHOP.namespace]


def test_denied_objects_concern_no_event() -> None:
    assert set(with_others(FEW, "/shop").naming(HOME, "/shop/a")) == {SHOP, CART}


def test_waiting_objects_of_others_cost_a_release_nothing() -> None:
    counts = []
    for count in (FEW, MANY):
        blocked = BlockedObjects(ObjectState[Key]())
        blocked.record(SHOP, HOME, NotOwned("taken", titles=["Parameter /shop/a"]))
        for number in range(count):
            blocked.record(Key("evil", f"o{number}"), HOME, NotOwned("taken", titles=[f"Parameter /evil/{number}"]))
        counts.append(calls_of(partial(set, blocked.waiting_for(HOME, ["Parameter /shop/a"]))))
        assert set(blocked.waiting_for(HOME, ["Parameter /shop/a"])) == {SHOP}
    assert counts[0] == counts[1]


def test_object_that_waits_for_many_resources_is_found_until_the_last_is_released() -> None:
    blocked, left = BlockedObjects(ObjectState[Key]()), [f"Parameter /shop/{number}" for number in range(500)]
    while left:
        blocked.record(SHOP, HOME, NotOwned("taken", titles=left))
        found = [title for title in left if set(blocked.waiting_for(HOME, [title]))]
        assert found
        left = [title for title in left if title not in found]


class Targets:
    """A target with rules that allow one namespace nothing, or one path; counts what is asked."""

    default = "prod"

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        return Tenant(namespace, is_trusted=False, paths=self.paths, target=target)

    def region_of(self, _target: str, /) -> str:
        return HOME


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
        counts.append(calls_of(partial(index.using, "prod", is_one_enough=is_one_enough)))
    assert counts[0] == counts[1]


def test_one_user_of_many_is_found_without_the_others() -> None:
    counts = []
    for count in (FEW, MANY):
        index = ResourceIndex(HOME, targets=Targets(("/shop",)))
        for number in range(count):
            index.update(Key("shop", f"o{number}"), document("/shop", "a"))
        assert index.using("prod").more == count - 5
        counts.append(calls_of(partial(index.using, "prod", is_one_enough=True)))
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


NAMES = [f"n{number}" for number in range(50)]


def in_one_namespace(count: int, names: Callable[[int], list[str]]) -> ResourceIndex:
    """An index with an object that has many names, and others of its namespace at the same path."""
    index = ResourceIndex(HOME, lambda namespace: Tenant(namespace, is_trusted=False, paths=PATHS[namespace]))
    index.update(CART, document("/shop", *NAMES))
    for number in range(count):
        index.update(Key("shop", f"o{number}"), adopter("/shop", *names(number)))
    return index


def reconciled(index: ResourceIndex) -> set[Key]:
    """Return what is requeued once all names of an object were created, deleted and released."""
    requeued, kind = set[Key](), FakeKind()
    moves = Moves(index, requeued.add, float, float, 1.0, reconciled=ObjectState(), existing=ObjectState())
    things = [Thing(name=f"/shop/{name}") for name in NAMES]
    steps = tuple(Step(kind, change(thing)) for thing in things for change in (Create, Delete, Release))
    outcome = Outcome(declared({}), applied=steps)
    moves.handle_outcome(CART, outcome)
    return requeued


def routed(index: ResourceIndex) -> None:
    """Route the events of names that no object has, list another object, and route those of own calls."""
    router = EventRouter(index, lambda _key: None, float, ObjectState())
    router.route([Signal(HOME, 0.0, DELETE, parameters=(f"/shop/unknown{number}",)) for number in range(50)])
    router.replay_unmatched(CART)
    router.record_own_writes(CART, ["r"])
    router.route([Signal(HOME, 0.0, "DeleteParameters", parameters=(f"/shop/{name}",), request="r") for name in NAMES])


OWN_WORK: dict[str, Callable[[ResourceIndex], object]] = {
    "reconciled": reconciled,
    "routed": routed,
    "dropped": lambda index: index.receiving(CART, document("/shop")),
    "deleted": lambda index: index.receiving(CART, None),
    "planned": lambda index: [index.successor(owner(CART), HOME, f"/shop/{name}") for name in NAMES],
    "updated": lambda index: index.update(CART, document("/shop", *NAMES[1:])),
}


@pytest.mark.parametrize("work", OWN_WORK.values(), ids=list(OWN_WORK))
def test_other_names_of_the_same_namespace_and_path_cost_an_object_nothing(
    work: Callable[[ResourceIndex], object],
) -> None:
    indexes = [in_one_namespace(count, lambda number: [f"own{number}"]) for count in (FEW, MANY)]
    few, many = (calls_of(partial(work, index)) for index in indexes)
    # The arrays of the index may be divided meanwhile.
    assert many <= 1.1 * few


@pytest.mark.parametrize("work", ["dropped", "deleted", "planned"])
def test_object_gives_up_its_names_at_the_same_cost_however_many_others_declare_them(work: str) -> None:
    indexes = [in_one_namespace(count, lambda _number: NAMES[:5]) for count in (FEW, MANY)]
    few, many = (calls_of(partial(OWN_WORK[work], index)) for index in indexes)
    assert many <= 1.1 * few


def test_objects_that_declare_what_an_object_created_or_handed_over_are_requeued() -> None:
    index = in_one_namespace(FEW, lambda number: [NAMES[0]] if number == 7 else ["own"])
    assert reconciled(index) == {Key("shop", "o7")}


def test_own_write_of_a_parameter_concerns_no_object() -> None:
    requeued = list[Key]()
    router = EventRouter(in_one_namespace(1, lambda _number: NAMES), requeued.append, float, ObjectState())
    router.record_own_writes(CART, ["r"])
    router.route([Signal(HOME, 0.0, PUT, parameters=("/shop/n0",), request="r")])
    assert not requeued
    router.route([Signal(HOME, 0.0, PUT, parameters=("/shop/n0",), request="of another")])
    assert set(requeued) == {CART, Key("shop", "o0")}
