"""Other objects in files and cluster that affect a plan."""

from typing import Any

from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.neighbours import Neighbours
from dynconfig.model.declaration import Place, Successor
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.settings import Settings
from dynconfig.validation.tenancy import Tenant

HOME = Place("eu-west-1")
MONO, HEIR = Key("shop", "mono"), Key("shop", "heir")
OWNER = Owner("home", MONO.namespace, MONO.name, "uid-1")


def named(key: Key, *names: str, **spec: Any) -> dict[str, Any]:
    """An object with these parameters."""
    parameters = [{"name": name} for name in names]
    metadata = {"namespace": key.namespace, "name": key.name}
    return {"metadata": metadata, "spec": {"path": "/shop", "parameters": parameters, **spec}}


def neighbours(files: list[dict[str, Any]], rest: list[dict[str, Any]], *deleted: Key) -> Neighbours:
    accounts = Accounts(Settings(), ClusterTargets())
    return Neighbours(files, lambda: rest, HOME.region, Tenant, accounts, gone=deleted)


def test_successor_may_be_in_the_cluster_only() -> None:
    found = neighbours([named(MONO)], [named(HEIR, "a", adoptionPolicy="IfUnowned")])
    assert found.successor_of(OWNER, HOME)("/shop/a") == Successor(
        Owner("home", "shop", "heir", ""), has_finalizer=False
    )


def test_file_takes_precedence_over_the_cluster() -> None:
    in_cluster = named(HEIR, "a", adoptionPolicy="IfUnowned")
    found = neighbours([named(MONO), named(HEIR)], [in_cluster])
    assert found.successor_of(OWNER, HOME)("/shop/a") is None


def test_deleted_object_adopts_nothing() -> None:
    heir = named(HEIR, "a", adoptionPolicy="IfUnowned")
    assert neighbours([named(MONO), heir], [], MONO, HEIR).successor_of(OWNER, HOME)("/shop/a") is None


def test_object_releases_what_its_file_does_not_declare() -> None:
    found = neighbours([named(MONO, "b")], [named(HEIR, "c")])
    assert found.gives_up("shop/mono", "/shop/a")
    assert not found.gives_up("shop/mono", "/shop/b")
    # No file declares this one.
    assert not found.gives_up("shop/heir", "/shop/a")


def test_malformed_object_declares_nothing() -> None:
    found = neighbours([{**named(MONO), "spec": {"path": "/shop", "parameters": [{}, "x", None]}}], [])
    assert found.gives_up("shop/mono", "/shop/a")
