"""An event concerns exactly the objects that declare or report its names."""

from typing import Any

import pytest
from tests.events.concerned import concerned

from dynconfig.api.allow import AllowRule, Usable
from dynconfig.api.names import FINALIZER, UNSEEN
from dynconfig.api.target import TargetRule
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.signals import EVERYWHERE, Signal
from dynconfig.model import digest_index
from dynconfig.model.declaration import Place, Successor
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.model.target import Target
from dynconfig.model.writes import PUT
from dynconfig.validation.tenancy import NOWHERE, Tenant

HOME = "eu-west-1"
SHOP, CART = Key("shop", "shop"), Key("shop", "cart")


def owner(key: Key) -> Owner:
    """An object of this cluster."""
    return Owner("home", key.namespace, key.name, f"uid-{key.name}")


def document(path: str, *names: str, region: str | None = None) -> dict[str, Any]:
    spec = {"path": path, "parameters": [{"name": name, "value": "1"} for name in names]}
    return {"spec": {**spec, **({"region": region} if region else {})}}


def written(*names: str, region: str = HOME) -> Signal:
    return Signal(region, 0.0, PUT, parameters=names)


def changed(*names: str, region: str = HOME) -> Signal:
    return Signal(region, 0.0, "PutRule", resources=names)


@pytest.fixture
def index() -> ResourceIndex:
    found = ResourceIndex(HOME)
    found.update(SHOP, document("/shop", "a", "db/host"))
    return found


def test_declared_name_finds_its_object(index: ResourceIndex) -> None:
    assert concerned(index, written("/shop/db/host")) == {SHOP: ("/shop/db/host",)}


@pytest.mark.parametrize("name", ["/shop/other", "/shop", "/shop/db", "/other/a", "/shopping/a", "a", "/", ""])
def test_other_names_find_nothing(index: ResourceIndex, name: str) -> None:
    assert concerned(index, written(name)) == {}


def test_same_name_in_another_region_is_another_parameter(index: ResourceIndex) -> None:
    assert concerned(index, written("/shop/a", region="us-east-1")) == {}
    index.update(CART, document("/shop", "a", region="us-east-1"))
    assert concerned(index, written("/shop/a", region="us-east-1")) == {CART: ("/shop/a",)}


def test_nested_paths_and_duplicate_declarations_find_all_objects(index: ResourceIndex) -> None:
    index.update(CART, document("/shop/db", "host"))
    assert set(concerned(index, written("/shop/db/host"))) == {SHOP, CART}


def test_reported_name_finds_its_object_until_it_is_removed(index: ResourceIndex) -> None:
    reported = {"parameters": [{"name": "/shop/old", "version": 1}]}
    index.update(SHOP, {**document("/shop", "a"), "status": reported})
    assert SHOP in concerned(index, written("/shop/old"))
    index.update(SHOP, document("/shop", "a"))
    assert concerned(index, written("/shop/old")) == {}


def test_reported_resources_find_their_object(index: ResourceIndex) -> None:
    listed = [{"kind": "Alarm", "name": "dynconfig-shop-errors"}, {"kind": "Role", "name": "dynconfig-shop"}]
    index.update(SHOP, {**document("/shop", "a"), "status": {"resources": listed}})
    assert concerned(index, changed("dynconfig-shop-errors")) == {SHOP: ("dynconfig-shop-errors",)}
    assert concerned(index, changed("dynconfig-shop", region="us-east-1")) == {}
    assert concerned(index, changed("dynconfig-shop", region=EVERYWHERE)) == {SHOP: ("dynconfig-shop",)}
    assert concerned(index, changed("dynconfig-other")) == {}


def test_id_finds_the_resource_by_the_end_of_its_arn(index: ResourceIndex) -> None:
    listed = [
        {"kind": "HttpApi", "name": "dynconfig-shop", "arn": f"arn:aws:apigateway:{HOME}::/apis/a1b2c3"},
        {"kind": "LogGroup", "name": "/aws/lambda/f", "arn": f"arn:aws:logs:{HOME}:1:log-group:/aws/lambda/f"},
    ]
    index.update(SHOP, {**document("/shop", "a"), "status": {"resources": listed}})
    assert concerned(index, changed("a1b2c3")) == {SHOP: ("dynconfig-shop",)}
    assert concerned(index, changed("f")) == {}
    index.update(SHOP, document("/shop", "a"))
    assert concerned(index, changed("a1b2c3")) == {}


def test_deleted_object_is_removed(index: ResourceIndex) -> None:
    index.update(SHOP, {**document("/shop", "a"), "status": {"resources": [{"kind": "Rule", "name": "r"}]}})
    index.forget(SHOP)
    index.forget(SHOP)
    assert concerned(index, written("/shop/a")) == {}
    assert concerned(index, changed("r")) == {}


def adopter(path: str, *names: str, **about: Any) -> dict[str, Any]:
    """An object that may adopt what it declares."""
    found = document(path, *names, region=about.pop("region", None))
    found["spec"]["adoptionPolicy"] = about.pop("adoption", "IfUnowned")
    status = {"observedGeneration": 1, "region": found["spec"].get("region", HOME)}
    return {**found, "metadata": {"uid": "uid-cart", "finalizers": [FINALIZER], **about}, "status": status}


def test_successor_declares_the_full_name_below_any_path(index: ResourceIndex) -> None:
    index.update(CART, adopter("/shop/db", "host"))
    assert index.successor(owner(SHOP), HOME, "/shop/db/host") == Successor(owner(CART))
    assert index.successor(owner(SHOP), HOME, "/shop/a") is None
    assert index.successor(owner(CART), HOME, "/shop/db/host") is None
    index.forget(CART)
    assert index.successor(owner(SHOP), HOME, "/shop/db/host") is None


@pytest.mark.parametrize(
    "found",
    [
        adopter("/shop", "a", adoption="Never"),
        adopter("/shop", "a", region="us-east-1"),
        adopter("/shop", "a", deletionTimestamp="2027-01-15T08:00:00Z"),
        {**adopter("/shop"), "status": {"parameters": [{"name": "/shop/a"}]}},
    ],
    ids=["may not adopt", "elsewhere", "is being deleted", "only had it"],
)
def test_object_that_cannot_adopt_is_no_successor(index: ResourceIndex, found: dict[str, Any]) -> None:
    index.update(CART, found)
    assert index.successor(owner(SHOP), HOME, "/shop/a") is None


def test_object_without_permission_for_the_path_is_no_successor() -> None:
    allowed = {"shop": ("/shop",), "evil": ("/evil",)}
    found = ResourceIndex(HOME, lambda namespace: Tenant(namespace, paths=allowed[namespace]))
    found.update(SHOP, document("/shop", "a"))
    found.update(Key("evil", "thief"), adopter("/shop", "a"))
    assert found.successor(owner(SHOP), HOME, "/shop/a") is None
    found.update(CART, adopter("/shop", "a"))
    assert found.successor(owner(SHOP), HOME, "/shop/a") == Successor(owner(CART))


LIMITED: dict[str, dict[str, Any]] = {
    "no parameters": {"rules": (AllowRule(namespaces=["evil"], paths=["/shop"], resources=[Usable.FUNCTION]),)},
    "another region": {"rules": (AllowRule(namespaces=["evil"], paths=["/shop"], regions=["us-west-2"]),)},
    "region that no object may name": {"is_trusted": True, "regions": (HOME,)},
}
"""What a namespace may use that may not have parameters below /shop in us-east-1."""
ABROAD, EVIL = "us-east-1", Key("evil", "thief")
OBSERVED = "2027-01-15T08:00:00Z"


def limited(rights: dict[str, Any]) -> ResourceIndex:
    """An index in which the namespace evil has these rights, with an object that reports /shop/a and does not declare it."""

    def tenant_of(namespace: str) -> Tenant:
        return Tenant(namespace, **{"is_trusted": False, **rights}) if namespace == "evil" else Tenant(namespace)

    found = ResourceIndex(HOME, tenant_of)
    reported = {"parameters": [{"name": "/shop/a", "version": 1}], "region": ABROAD}
    found.update(SHOP, {**document("/shop", region=ABROAD), "status": reported})
    return found


@pytest.mark.parametrize("rights", LIMITED.values(), ids=LIMITED)
def test_object_without_the_right_to_parameters_is_no_successor_and_requeues_no_other(rights: dict[str, Any]) -> None:
    index = limited(rights)
    index.update(EVIL, adopter("/shop", "a", region=ABROAD))
    assert index.successor(owner(SHOP), ABROAD, "/shop/a") is None
    assert index.releasing_to(EVIL) == ()
    assert index.naming(ABROAD, "/shop/a") == (SHOP,)
    assert index.named_in(EVIL, written("/shop/a", region=ABROAD)) == ()
    assert not index.may_use(EVIL)
    # While rights are unknown, each of its objects counts.
    index = limited({**rights, "is_known": False})
    index.update(EVIL, adopter("/shop", "a", region=ABROAD))
    assert index.successor(owner(SHOP), ABROAD, "/shop/a") == Successor(
        Owner("home", "evil", "thief", "uid-cart"), may_own=False
    )
    assert index.releasing_to(EVIL) == (SHOP,)


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [
        ({"counts": {"declared": 1, "inSync": 0, "summary": "0/1"}}, True),
        ({"counts": {"declared": 0, "inSync": 0, "summary": "0/0"}}, False),
        (
            {
                "counts": {"declared": 0, "inSync": 0, "summary": "0/0"},
                "parameters": [{"name": "/shop/b", "version": 1}],
            },
            True,
        ),
        ({}, True),
    ],
    ids=["declared some", "had none", "owns some", "unknown"],
)
@pytest.mark.parametrize("rights", LIMITED.values(), ids=LIMITED)
def test_parameter_is_retained_for_an_object_that_had_parameters_before_its_right_was_withdrawn(
    rights: dict[str, Any], status: dict[str, Any], *, is_kept: bool
) -> None:
    index, found = limited(rights), adopter("/shop", "a", region=ABROAD)
    index.update(EVIL, {**found, "status": {**found["status"], "lastObservedTime": OBSERVED, **status}})
    successor = index.successor(owner(SHOP), ABROAD, "/shop/a")
    assert (successor and successor.may_own) == (False if is_kept else None)


def test_object_without_parameters_needs_only_the_right_to_its_path() -> None:
    index = limited(LIMITED["no parameters"])
    index.update(EVIL, adopter("/shop", region=None))
    assert index.may_use(EVIL)
    index.update(EVIL, adopter("/other", region=None))
    assert not index.may_use(EVIL)


def test_colliding_digests_find_only_objects_that_have_the_name_in_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_index, "_first", lambda _digest: 0)
    index, elsewhere = ResourceIndex(HOME), Key("cart", "elsewhere")
    index.update(SHOP, document("/shop", "a"))
    index.update(CART, adopter("/shop", "b"))
    index.update(elsewhere, adopter("/shop", "a", region=ABROAD))
    index.update(EVIL, adopter("/shop/db", "host"))
    assert index.naming(HOME, "/shop/a") == (SHOP,)
    assert index.naming(ABROAD, "/shop/a") == (elsewhere,)
    assert index.naming(HOME, "/shop/unknown") == ()
    assert concerned(index, written("/shop/b")) == {CART: ("/shop/b",)}
    assert index.receiving(SHOP, None) == ()
    assert index.successor(owner(SHOP), HOME, "/shop/a") is None
    index.update(CART, adopter("/shop", "a", "b"))
    assert index.receiving(SHOP, None) == (CART,)
    assert index.naming(HOME, "/shop/a", "/shop/db/host") == (SHOP, EVIL, CART)
    assert index.successor(owner(SHOP), HOME, "/shop/a") == Successor(owner(CART))


def test_suspended_object_is_a_successor(index: ResourceIndex) -> None:
    waiting = adopter("/shop", "a")
    waiting["spec"]["suspend"] = True
    index.update(CART, waiting)
    assert index.successor(owner(SHOP), HOME, "/shop/a") == Successor(owner(CART))


def test_object_releases_undeclared_parameters_or_all_on_deletion(index: ResourceIndex) -> None:
    assert index.gives_up(HOME, str(SHOP), "/shop/b")
    assert not index.gives_up(HOME, str(SHOP), "/shop/a")
    assert not index.gives_up(HOME, str(CART), "/shop/b")
    index.update(SHOP, {**document("/shop", "a"), "metadata": {"deletionTimestamp": "2027-01-15T08:00:00Z"}})
    assert index.gives_up(HOME, str(SHOP), "/shop/a")


def test_suspended_object_releases_nothing(index: ResourceIndex) -> None:
    held = document("/shop")
    index.update(SHOP, {**held, "spec": {**held["spec"], "suspend": True}})
    assert not index.gives_up(HOME, str(SHOP), "/shop/a")


def test_object_releases_what_it_declares_only_in_another_region(index: ResourceIndex) -> None:
    assert index.gives_up("us-east-1", str(SHOP), "/shop/a")


def test_giver_reports_the_full_name_below_any_path(index: ResourceIndex) -> None:
    left = {**document("/shop/db", "port"), "status": {"parameters": [{"name": "/shop/db/host", "version": 1}]}}
    index.update(CART, left)
    assert index.releasing_to(SHOP) == (CART,)
    index.update(CART, document("/shop/db", "port"))
    assert index.releasing_to(SHOP) == ()


APPLYING = [{"type": "Ready", "status": "Unknown", "reason": "Applying"}]
"""Written before the finalizer."""


@pytest.mark.parametrize(
    ("metadata", "status", "expected"),
    [
        ({}, {"observedGeneration": 1, "region": HOME}, {}),
        ({}, {"observedGeneration": 1}, {"has_finalizer": False, "may_own": False}),
        ({}, {"observedGeneration": UNSEEN}, {"has_finalizer": False}),
        ({"finalizers": []}, {"observedGeneration": UNSEEN}, {"has_finalizer": False}),
        ({"finalizers": []}, {"observedGeneration": 1}, {"has_finalizer": False, "may_own": False}),
        (
            {"finalizers": []},
            {"observedGeneration": 1, "region": HOME, "conditions": APPLYING},
            {"has_finalizer": False},
        ),
    ],
    ids=[
        "held",
        "refused, and held by its author",
        "not served yet, and held by its author",
        "not served yet",
        "cannot be held",
        "about to be held",
    ],
)
def test_only_objects_with_finalizer_get_a_parameter(
    index: ResourceIndex, metadata: dict[str, Any], status: dict[str, Any], expected: dict[str, bool]
) -> None:
    index.update(CART, {**adopter("/shop", "a", **metadata), "status": status})
    assert index.successor(owner(SHOP), HOME, "/shop/a") == Successor(owner(CART), **expected)


NEW: dict[str, Any] = {"metadata": {"uid": "uid-cart"}, "status": {"observedGeneration": UNSEEN}}
"""An object that the operator has not accepted, because it is new, or because its author prevents it."""


@pytest.mark.parametrize(
    ("new", "accepted", "is_awaited", "expected"),
    [
        (["aaa/x"], ["team/x"], True, ("team/x", True)),
        (["shop/x"], ["aaa/x", "team/x"], True, ("shop/x", True)),
        (["shop/x"], ["team/x"], False, ("team/x", True)),
        (["shop/a"], ["shop/b", "aaa/x"], True, ("shop/b", True)),
        (["shop/b", "shop/a"], [], True, ("shop/b", True)),
        (["aaa/x"], [], True, ("aaa/x", True)),
        (["aaa/x"], [], False, ("aaa/x", False)),
    ],
)
def test_successor_is_in_the_own_namespace_or_else_accepted_already(
    index: ResourceIndex, new: list[str], accepted: list[str], expected: tuple[str, bool], *, is_awaited: bool
) -> None:
    for title in (*new, *accepted):
        index.update(Key(*title.split("/")), adopter("/shop", "a") | (NEW if title in new else {}))
    found = index.successor(owner(SHOP), HOME, "/shop/a", is_awaited=is_awaited)
    assert found is not None
    assert (found.owner.title, found.may_own) == expected


# --- objects in targets


class Targets:
    """Two targets; the namespace may use /shop in one of them only."""

    default = ""

    def tenant_in(self, namespace: str, target: str) -> Tenant:
        rule = TargetRule(namespaces=[namespace], paths=["/shop"])
        rules = (rule,) if target == "prod" else ()
        return Tenant(namespace, is_trusted=False, paths=NOWHERE, regions=(HOME,), rules=rules, target=target)

    def region_of(self, _target: str, /) -> str:
        return HOME


def in_place(target: str, path: str = "/shop", **more: Any) -> dict[str, Any]:
    found = document(path, "a")
    return {**found, "spec": {**found["spec"], "target": target, "adoptionPolicy": "IfUnowned", **more}}


def test_events_of_the_own_account_do_not_concern_objects_in_targets(index: ResourceIndex) -> None:
    assert index.update(CART, in_place("prod")) is None
    assert concerned(index, written("/shop/a")) == {SHOP: ("/shop/a",)}


def test_objects_of_a_target_are_found_until_they_are_forgotten(index: ResourceIndex) -> None:
    index.update(SHOP, in_place("prod"))
    index.update(CART, in_place("prod"))
    assert index.using("prod") == ((CART, SHOP), 0)
    index.forget(CART)
    index.forget(SHOP)
    assert index.using("prod") == ((), 0)


def test_default_target_is_that_of_objects_without_one() -> None:
    targets = Targets()
    targets.default = "prod"
    index = ResourceIndex(HOME, targets=targets)
    assert index.update(SHOP, document("/shop", "a")) is None
    reported = {"parameters": [{"name": "/cart/a", "version": 1}]}
    assert index.update(CART, {**document("/cart", "a"), "status": reported}) == HOME
    assert index.using("prod").keys == (SHOP,)


@pytest.mark.parametrize("is_terminating", [True, False])
@pytest.mark.parametrize(
    ("target", "finalizers", "status", "expected"),
    [
        ("prod", [FINALIZER], {"observedGeneration": UNSEEN}, (True, True)),
        ("prod", [], {"observedGeneration": UNSEEN}, (False, True)),
        ("test", [FINALIZER], {"observedGeneration": UNSEEN}, (False, False)),
        ("test", [], {"observedGeneration": UNSEEN}, (False, False)),
        ("test", [], {"observedGeneration": 1, "target": "test"}, (True, True)),
    ],
    ids=["status lost", "new", "finalizer of its author", "refused", "rule withdrawn"],
)
def test_target_is_used_by_objects_that_may_have_something_there(
    target: str, finalizers: list[str], status: dict[str, Any], expected: tuple[bool, bool], *, is_terminating: bool
) -> None:
    index = ResourceIndex(HOME, targets=Targets())
    index.update(CART, {**in_place(target), "metadata": {"finalizers": finalizers}, "status": status})
    assert bool(index.using(target, is_terminating=is_terminating).keys) is expected[not is_terminating]
    index.forget(CART)
    assert not index.using(target).keys


def test_parameter_is_handed_over_only_within_a_place() -> None:
    index = ResourceIndex(HOME, lambda namespace: Tenant(namespace, paths=NOWHERE), Targets())
    index.update(CART, in_place("prod"))
    giver = owner(SHOP)
    assert index.successor(giver, HOME, "/shop/a") is None
    assert index.successor(giver, Place(HOME, target("test")).key, "/shop/a") is None
    found = index.successor(giver, Place(HOME, target("prod")).key, "/shop/a")
    # The rules of the target decide, not those of the own account.
    assert found is not None
    assert (found.owner, found.may_own) == (Owner("home", "shop", "cart", ""), True)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ({"target": "prod", "account": "210987654321", "region": HOME}, (True, True)),
        ({"target": "prod", "account": "333333333333", "region": HOME}, None),
        ({"target": "prod", "account": "210987654321", "region": "us-east-1"}, None),
        ({}, (False, False)),
    ],
    ids=["same place", "another account", "another region", "refused, with a finalizer of its author"],
)
def test_parameter_is_handed_over_only_to_objects_that_write_in_the_same_account_and_region(
    recorded: dict[str, str], expected: tuple[bool, bool] | None
) -> None:
    index = ResourceIndex(HOME, targets=Targets())
    status = {"observedGeneration": 1, **recorded}
    index.update(CART, {**in_place("prod"), "metadata": {"finalizers": [FINALIZER]}, "status": status})
    place = Place(HOME, target("prod"))
    found = index.successor(owner(SHOP), place.key, "/shop/a", target=place.target)
    assert (found and (found.may_own, found.has_finalizer)) == expected


def target(name: str) -> Target:
    return Target(name, HOME, "210987654321")
