"""A namespace that may not have parameters at a path and region neither receives, holds nor keeps those of others there."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kube.apiserver import Document
from tests.kube.controller_harness import GOING, KEY, REGION, ControllerHarness, configured, running_controller
from tests.kube.test_controller_targets import Accounts
from tests.kube.test_move import applied, edited, reason

from dynconfig.api.names import FINALIZER
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.targets import Targets
from dynconfig.model.key import Key
from dynconfig.settings import Settings, Tenancy
from dynconfig.tenants import Tenants

THIEF = Key("watch", "thief")
OTHER = "us-east-1"
SHOP: dict[str, Any] = {"namespaces": ["shop"], "paths": ["/app"], "regions": [OTHER]}
"""What the owner of the parameter may use."""
DENIED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "resources": ({"paths": ["/app"], "resources": ["function"]}, {}),
    "region": ({"paths": ["/app"]}, {"region": OTHER}),
    "path": ({"paths": ["/watch"]}, {}),
    "resources, and an invalid field": (
        {"paths": ["/app"], "resources": ["function"]},
        {"resyncInterval": "never"},
    ),
    "region, and an invalid field": ({"paths": ["/app"]}, {"region": OTHER, "resyncInterval": "never"}),
}
"""Rules of another namespace that do not allow it the parameter, and the fields of its object beside it."""
REFUSED = ("NotAllowed", "PathNotAllowed", "InvalidSpec")


def tenants(folder: Path, rule: dict[str, Any]) -> Tenants:
    """The policy with a rule of the other namespace."""
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump({"allow": [SHOP, {"namespaces": ["watch"], **rule}]}))
    return Tenants(Settings(policy_file=str(file)), Tenancy.SHARED)


def thief(values: dict[str, str], **about: Any) -> Document:
    """An object of the other namespace that may adopt, as its author applies it."""
    metadata = {"namespace": THIEF.namespace, "name": THIEF.name}
    return configured(
        values, uid="uid-2", metadata=metadata, **{"finalizers": [], "adoptionPolicy": "IfUnowned", **about}
    )


async def delete(found: ControllerHarness, key: Key) -> None:
    """Delete an object as a user, and wait until it no longer exists."""
    stored = found.server.objects[key]
    stored["metadata"] |= {"deletionTimestamp": GOING, "generation": stored["metadata"]["generation"] + 1}
    found.deliver("MODIFIED", stored)
    if not stored["metadata"]["finalizers"]:
        del found.server.objects[key]
        found.deliver("DELETED", stored)
    await found.server.until(lambda: key not in found.server.objects)


async def until_known(found: ControllerHarness, key: Key, *reasons: str) -> None:
    """Wait until an object has one of these reasons, and the watch has delivered its status."""
    await found.server.until(lambda: reason(found, key) in reasons)
    found.deliver("MODIFIED", found.server.objects[key])


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
@pytest.mark.parametrize(("rule", "fields"), DENIED.values(), ids=DENIED)
def test_object_without_the_right_neither_receives_nor_keeps_a_parameter(
    tmp_path: Path, rule: dict[str, Any], fields: dict[str, Any], policy: str
) -> None:
    async def act() -> None:
        async with running_controller(tenant_of=tenants(tmp_path, rule)) as found:
            where = {"region": fields.get("region", REGION)}
            found.applied(configured({"a": "1"}, deletionPolicy=policy, **where))
            await until_known(found, KEY, "InSync")
            found.applied(thief({"a": "1"}, **fields))
            await until_known(found, THIEF, *REFUSED)
            stored = found.server.objects[THIEF]
            assert (stored["metadata"]["finalizers"], "region" in stored["status"]) == ([], False)
            # Its author, too, can set the finalizer.
            stored["metadata"]["finalizers"] = [FINALIZER]
            found.deliver("MODIFIED", stored)
            await delete(found, KEY)
            await delete(found, THIEF)
            assert "hand over /app/a" not in found.fake.calls
            kept = {name: thing.owner for name, thing in found.fake.store.items()}
            assert kept == ({} if policy == "Delete" else {"/app/a": ""})

    asyncio.run(act())


@pytest.mark.parametrize(("rule", "fields"), DENIED.values(), ids=DENIED)
def test_object_without_the_right_that_was_accepted_earlier_receives_nothing(
    tmp_path: Path, rule: dict[str, Any], fields: dict[str, Any]
) -> None:
    """As by a version that accepted it."""

    async def act() -> None:
        async with running_controller(tenant_of=tenants(tmp_path, rule)) as found:
            where = {"region": fields.get("region", REGION)}
            found.applied(configured({"a": "1"}, **where))
            await until_known(found, KEY, "InSync")
            found.applied(
                thief({"a": "1"}, finalizers=[FINALIZER], status={**where, "observedGeneration": 1}, **fields)
            )
            await until_known(found, THIEF, *REFUSED)
            # What it owns already, it may delete.
            found.fake.by_hand("/app/own", owner="cluster/watch/thief/uid-2")
            await delete(found, KEY)
            assert set(found.fake.store) == {"/app/own"}
            await delete(found, THIEF)
            assert found.fake.store == {}
            assert "hand over /app/a" not in found.fake.calls

    asyncio.run(act())


def test_right_to_other_resources_keeps_no_parameter_of_others(tmp_path: Path) -> None:
    """AWS was observed for the object: its namespace may use the path, but never had parameters."""

    async def act() -> None:
        rule = {"paths": ["/app"], "resources": ["function"]}
        async with running_controller(tenant_of=tenants(tmp_path, rule)) as found:
            found.applied(configured({"a": "1"}))
            found.applied(thief({}))
            await until_known(found, KEY, "InSync")
            await until_known(found, THIEF, "InSync")
            edited(found, THIEF, thief({"a": "1"}, generation=2, finalizers=[FINALIZER]))
            await until_known(found, THIEF, "NotAllowed")
            await delete(found, KEY)
            assert found.fake.store == {}
            assert "delete /app/a" in found.fake.calls

    asyncio.run(act())


def test_withdrawn_right_to_parameters_deletes_nothing_that_was_declared_with_it(tmp_path: Path) -> None:
    async def act() -> None:
        granted = tenants(tmp_path, {"paths": ["/app"]})
        async with running_controller(tenant_of=granted) as found:
            found.applied(configured({"a": "1"}))
            await until_known(found, KEY, "InSync")
            found.applied(thief({"a": "1"}))
            await until_known(found, THIEF, "NotOwned")
            tenants(tmp_path, {"paths": ["/app"], "resources": ["function"]})
            granted.reload()
            found.controller.requeue_all()
            await until_known(found, THIEF, "NotAllowed")
            await delete(found, KEY)
            assert "hand over /app/a" not in found.fake.calls
            assert found.fake.store["/app/a"].owner == ""

    asyncio.run(act())


@pytest.mark.parametrize(("rule", "fields"), DENIED.values(), ids=DENIED)
def test_edit_of_an_object_without_the_right_requeues_no_other(
    tmp_path: Path, rule: dict[str, Any], fields: dict[str, Any]
) -> None:
    async def act() -> None:
        async with running_controller(tenant_of=tenants(tmp_path, rule)) as found:
            where = {"region": fields.get("region", REGION)}
            found.applied(configured(dict.fromkeys("abcd", "1"), **where))
            await until_known(found, KEY, "InSync")
            # It waits for an approval.
            edited(found, KEY, configured({"a": "1"}, generation=2, **where))
            await until_known(found, KEY, "UnsafePlan")
            requeued = list[Key]()
            found.controller.moves._requeue = requeued.append
            found.applied(thief({"b": "1"}, **fields))
            await until_known(found, THIEF, *REFUSED)
            assert requeued == []
            found.applied(configured({"c": "1"}, uid="uid-3", metadata={"name": "heir"}, **where))
            assert requeued == [KEY]

    asyncio.run(act())


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({"paths": ["/app"], "resources": ["alarms", "dashboard"]}, {}),
        ({"paths": ["/app"]}, {"region": OTHER}),
        ({"paths": ["/watch"]}, {}),
    ],
    ids=["resources", "region that is not that of the target", "path"],
)
def test_right_in_a_target_decides_there(rule: dict[str, Any], fields: dict[str, Any]) -> None:
    async def act() -> None:
        targets = Targets()
        targets.is_listed = True
        rules = [{"namespaces": ["shop"], "paths": ["/app"]}, {"namespaces": ["watch"], **rule}]
        spec = {"region": REGION, "account": "210987654321", "allow": rules}
        targets.put({"metadata": {"name": "prod", "uid": "t", "generation": 1}, "spec": spec})
        chosen = VerifiedTargets(targets, Accounts(), lambda _namespace: {}, lambda: 0.0)
        async with running_controller(targets=chosen) as found:
            found.applied(configured({"a": "1"}, target="prod"))
            await until_known(found, KEY, "InSync")
            found.applied(thief({"a": "1"}, target="prod", **fields))
            await until_known(found, THIEF, *REFUSED)
            assert found.server.objects[THIEF]["metadata"]["finalizers"] == []
            await delete(found, KEY)
            assert found.fake.store == {}
            assert "delete /app/a" in found.fake.calls

    asyncio.run(act())


def test_object_with_the_right_receives_the_parameter_although_its_function_is_not_allowed(tmp_path: Path) -> None:
    """Of what is refused, only the right to parameters decides about a hand-over."""

    async def act() -> None:
        async with running_controller(tenant_of=tenants(tmp_path, {"paths": ["/app"]})) as found:
            found.applied(configured({"a": "1"}))
            await until_known(found, KEY, "InSync")
            found.applied(thief({"a": "1"}, function={"name": "of-others"}))
            await until_known(found, THIEF, "NotAllowed")
            await delete(found, KEY)
            assert found.fake.store["/app/a"].owner == "cluster/watch/thief/uid-2"
            edited(found, THIEF, thief({"a": "1"}, generation=2, finalizers=[FINALIZER]))
            await found.server.until(lambda: applied(found, THIEF) == 2)

    asyncio.run(act())
