"""Denied objects cause no AWS calls, even if their author sets the finalizer and deletes them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind
from tests.kube.apiserver import Document
from tests.kube.controller_harness import GOING, KEY, REGION, ControllerHarness, configured, running_controller
from tests.kube.test_controller_targets import Accounts

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.targets import Targets
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.validation.tenancy import Tenant

INVENTED, OTHER = "aa-aab-1", "us-east-1"
PATH = "/app"


class Places:
    """Records the places in which the engine works."""

    def __init__(self) -> None:
        self.kind = FakeKind()
        self.used: list[Place] = []

    def __call__(self, place: Place) -> tuple[FakeKind, ...]:
        self.used.append(place)
        return (self.kind,)


def restricted(namespace: str) -> Tenant:
    """A namespace that may use one path, in the region of the operator."""
    return Tenant(namespace, is_trusted=False, paths=(PATH,))


@asynccontextmanager
async def running(places: Places, **dependencies: Any) -> AsyncIterator[ControllerHarness]:
    given = {"tenant_of": restricted, "engine": Engine(places), **dependencies}
    async with running_controller(**given) as found:
        yield found


def deleted(number: int = 0, annotations: Mapping[str, str] | None = None, **spec: Any) -> Document:
    """An object whose author set the finalizer and deleted it at once."""
    metadata = {"name": f"o{number}", "deletionTimestamp": GOING, "annotations": dict(annotations or {})}
    return configured({"a": "1"}, uid=f"uid-{number}", metadata=metadata, **spec)


DENIED = {
    "unknown regions": [{"region": f"aa-{chr(97 + n // 26)}{chr(97 + n % 26)}-1"} for n in range(100)],
    "forbidden region": [{"region": OTHER}],
    "forbidden path": [{"path": "/victim"}],
    "no path": [{"path": 5}],
}


@pytest.mark.parametrize("annotations", [{}, {names.ABANDON: "true"}], ids=["deleted", "abandoned"])
@pytest.mark.parametrize("specs", DENIED.values(), ids=DENIED)
def test_denied_object_is_deleted_without_calls(specs: list[dict[str, Any]], annotations: dict[str, str]) -> None:
    async def act() -> None:
        places = Places()
        async with running(places) as found:
            for number, spec in enumerate(specs):
                found.applied(deleted(number, annotations, **spec))
            await found.server.until(lambda: not found.server.objects)
            assert (places.used, found.listened) == ([], [])

    asyncio.run(act())


def test_denied_object_that_waited_is_deleted_without_calls() -> None:
    async def act() -> None:
        places = Places()
        async with running(places) as found:
            found.applied(configured({"a": "1"}, region=OTHER))
            await found.server.until(lambda: found.reason == "NotAllowed")
            stored = found.server.objects[KEY]
            stored["metadata"]["deletionTimestamp"] = GOING
            found.deliver("MODIFIED", stored)
            await found.server.until(lambda: not found.server.objects)
            assert places.used == []

    asyncio.run(act())


@pytest.mark.parametrize(
    ("denied", "allowed"),
    [
        ({"region": INVENTED}, ()),
        ({"region": OTHER}, ()),
        ({"region": OTHER}, (REGION,)),
        ({"path": "/victim", "resyncInterval": "never"}, ()),
    ],
    ids=["unknown region", "region without a rule", "region that no object may name", "path, and an invalid field"],
)
def test_denied_object_that_adopts_is_not_accepted_and_deleted_without_calls(
    denied: dict[str, Any], allowed: tuple[str, ...]
) -> None:
    async def act() -> None:
        places = Places()
        rights: dict[str, Any] = {"allowed_regions": allowed, "tenant_of": partial(Tenant, regions=allowed)}
        async with running(places, **(rights if allowed else {})) as found:
            found.applied(configured({"a": "1"}, finalizers=[], adoptionPolicy="IfUnowned", **denied))
            await found.server.until(lambda: found.reason in ("NotAllowed", "InvalidSpec"))
            stored = found.server.objects[KEY]
            assert stored["metadata"]["finalizers"] == []
            assert "region" not in found.status
            # Its author may set the finalizer.
            stored["metadata"] |= {"finalizers": [names.FINALIZER], "deletionTimestamp": GOING}
            found.deliver("MODIFIED", stored)
            await found.server.until(lambda: not found.server.objects)
            assert (places.used, found.listened) == ([], [])

    asyncio.run(act())


def test_target_that_grants_nothing_is_not_used() -> None:
    async def act() -> None:
        places, accounts = Places(), Accounts()
        targets = Targets()
        targets.is_listed = True
        rules = [{"namespaces": ["others"], "paths": [PATH]}]
        spec = {"region": REGION, "account": "210987654321", "allow": rules}
        targets.put({"metadata": {"name": "prod", "uid": "t", "generation": 1}, "spec": spec})
        chosen = VerifiedTargets(targets, accounts, lambda _namespace: {}, lambda: 0.0)
        async with running(places, targets=chosen) as found:
            found.applied(deleted(target="prod"))
            await found.server.until(lambda: not found.server.objects)
            assert places.used == []

    asyncio.run(act())


@pytest.mark.parametrize(
    "status",
    [
        {"lastObservedTime": GOING},
        {"region": OTHER},
        {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "Applying"}]},
        {"parameters": [{"name": "/app/a", "version": 1}]},
    ],
    ids=lambda status: next(iter(status)),
)
def test_object_that_was_started_is_deleted_in_its_region_although_it_lost_its_rights(status: dict[str, Any]) -> None:
    async def act() -> None:
        places = Places()
        async with running(places) as found:
            found.applied(deleted(region=OTHER, status=status))
            await found.server.until(lambda: not found.server.objects)
            assert {place.region for place in places.used} == {OTHER}

    asyncio.run(act())


def test_object_without_status_is_searched_where_its_namespace_may_write() -> None:
    async def act() -> None:
        places = Places()
        places.kind.by_hand("/app/a", owner="cluster/shop/o0/uid-0")
        async with running(places) as found:
            found.applied(deleted())
            await found.server.until(lambda: not found.server.objects)
            assert places.kind.store == {}

    asyncio.run(act())


def test_region_that_does_not_exist_is_reported_and_the_object_can_be_abandoned() -> None:
    async def act() -> None:
        places = Places()
        async with running(places) as found:
            key = Key(KEY.namespace, "o0")
            found.applied(deleted(region=INVENTED, status={"region": INVENTED}))
            await found.server.until(lambda: "InvalidSpec" in str(found.server.objects[key].get("status")))
            assert f"nothing was deleted: {INVENTED} is not an AWS region" in str(found.server.objects[key]["status"])
            stored = found.server.objects[key]
            stored["metadata"]["annotations"] = {names.ABANDON: "true"}
            found.deliver("MODIFIED", stored)
            await found.server.until(lambda: not found.server.objects)
            assert places.used == []

    asyncio.run(act())


def test_shard_that_returns_brings_no_listener_for_denied_objects() -> None:
    async def act() -> None:
        async with running(Places()) as found:
            found.applied(configured({"a": "1"}, region=OTHER))
            await found.server.until(lambda: found.reason == "NotAllowed")
            objects = found.controller.objects
            objects.ending(0)
            await objects.ended(0)
            await objects.lost(0)
            objects.acquired(Fence(0, lambda: 0.0, 0.0, float("inf")), is_whole=True)
            assert found.listened == []

    asyncio.run(act())
