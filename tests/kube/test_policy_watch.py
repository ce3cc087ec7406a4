"""An unknown policy or a withdrawn grant deletes nothing that an object declares."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tests.kube.apiserver import Document, status
from tests.kube.controller_harness import GOING, KEY, ControllerHarness, configured, running_controller

from dynconfig.kube.policy_watch import PolicyWatch
from dynconfig.model.key import Key
from dynconfig.settings import Settings, Tenancy
from dynconfig.tenants import Tenants

HEIR = Key("cart", "heir")
BOTH = "allow:\n- namespaces: [shop, cart]\n  paths: [/app]\n"
NARROWED = "allow:\n- namespaces: [shop]\n  paths: [/app]\n"
BY_LABELS = "allow:\n- namespaceSelector: {matchLabels: {team: a}}\n  paths: [/app]\n"
LABELS = {"shop": {"team": "a"}, "cart": {"team": "a"}}


class Cluster:
    """A controller beside the operator's own watch of a policy file and of the labels of namespaces."""

    def __init__(self, found: ControllerHarness, file: Path, tenants: Tenants) -> None:
        self.running_controller = found
        self.file, self.tenants = file, tenants
        self.labels: dict[str, dict[str, str]] | None = LABELS
        """The API server's response; None if it denies the list."""
        self.watch = PolicyWatch(found.kube, tenants, found.controller.requeue_all)
        found.server.before = self._namespaces

    async def served(self) -> None:
        """Apply the giver, and wait until its parameter is in AWS."""
        self.running_controller.applied(configured({"a": "1"}))
        await self.until(KEY, "InSync")

    async def deleted_beside_a_denied_heir(self) -> None:
        """Apply an object that may not have the path, and delete the giver."""
        self.running_controller.applied(heir({"a": "1"}))
        await self.until(HEIR, "PathNotAllowed")
        await self.deleted()

    async def until(self, key: Key, reason: str) -> None:
        """Wait until an object is Ready, or not, for this reason."""
        await self.running_controller.server.until(lambda: self._reason(key) == reason)

    async def deleted(self) -> None:
        """Delete the giver and wait until it no longer exists."""
        deleted = configured({"a": "1"}, metadata={"deletionTimestamp": GOING})
        self.running_controller.server.objects[KEY] = {
            **deleted,
            "status": self.running_controller.server.objects[KEY]["status"],
        }
        self.running_controller.deliver("MODIFIED", self.running_controller.server.objects[KEY])
        await self.running_controller.server.until(lambda: KEY not in self.running_controller.server.objects)

    def _reason(self, key: Key) -> str:
        conditions = (self.running_controller.server.objects[key].get("status") or {}).get("conditions")
        return str(conditions[0]["reason"]) if conditions else ""

    async def _namespaces(self, request: web.Request) -> web.Response | None:
        if request.path != "/api/v1/namespaces":
            return None
        if self.labels is None:
            return status(403, "namespaces is forbidden")
        items = [{"metadata": {"name": name, "labels": labels}} for name, labels in self.labels.items()]
        return web.Response(text=json.dumps({"metadata": {}, "items": items}), content_type="application/json")


@asynccontextmanager
async def cluster(folder: Path, policy: str | None) -> AsyncIterator[Cluster]:
    """An object in AWS, below a path that this policy grants, or below none if there is no policy."""
    file = folder / "policy.yaml"
    if policy is not None:
        file.write_text(policy)
    tenants = Tenants(Settings(policy_file=str(file)), Tenancy.SHARED, awaits_policy=True)
    async with running_controller(tenant_of=tenants) as found:
        made = Cluster(found, file, tenants)
        await made.watch.check()
        yield made


def heir(values: dict[str, str]) -> Document:
    """An object of another namespace below the same path, which may adopt."""
    metadata = {"namespace": HEIR.namespace, "name": HEIR.name}
    return configured(values, uid="uid-2", metadata=metadata, adoptionPolicy="IfUnowned")


def missing(cluster: Cluster) -> None:
    cluster.file.unlink()


def broken(cluster: Cluster) -> None:
    cluster.file.write_text("allow: everything")


def empty(cluster: Cluster) -> None:
    cluster.file.write_text("")


def narrowed(cluster: Cluster) -> None:
    cluster.file.write_text(NARROWED)


def unlisted(cluster: Cluster) -> None:
    cluster.labels = None


def relabelled(cluster: Cluster) -> None:
    cluster.labels = {**LABELS, "cart": {}}


LOST = [(BOTH, missing), (BY_LABELS, unlisted), (BOTH, broken)]
WITHDRAWN = [(BOTH, empty), (BOTH, narrowed), (BY_LABELS, relabelled)]


@pytest.mark.parametrize(("policy", "lose"), [*LOST[:2], *WITHDRAWN], ids=lambda found: getattr(found, "__name__", ""))
def test_unknown_or_withdrawn_grant_deletes_nothing(
    tmp_path: Path, policy: str, lose: Callable[[Cluster], None]
) -> None:
    async def act() -> None:
        async with cluster(tmp_path, policy) as found:
            await found.served()
            found.running_controller.applied(heir({"a": "1"}))
            await found.until(HEIR, "NotOwned")
            # The watch delivers the status that the operator has written.
            found.running_controller.deliver("MODIFIED", found.running_controller.server.objects[HEIR])
            lose(found)
            await found.watch.check()
            await found.deleted()
            assert "delete /app/a" not in found.running_controller.fake.calls
            assert found.running_controller.fake.store["/app/a"].owner == ""
            found.file.write_text(policy)
            found.labels = LABELS
            await found.watch.check()
            found.running_controller.controller.requeue_all()
            await found.until(HEIR, "InSync")
            assert "uid-2" in found.running_controller.fake.store["/app/a"].owner

    asyncio.run(act())


@pytest.mark.parametrize(("policy", "lose"), LOST, ids=lambda found: getattr(found, "__name__", ""))
def test_parameters_of_a_new_object_are_kept_while_its_grants_are_unknown(
    tmp_path: Path, policy: str, lose: Callable[[Cluster], None]
) -> None:
    async def act() -> None:
        async with cluster(tmp_path, policy) as found:
            await found.served()
            lose(found)
            if lose is broken:
                # While a policy is invalid, the previous one applies: here one that does not allow the path.
                found.file.write_text(NARROWED)
                await found.watch.check()
                broken(found)
            await found.watch.check()
            await found.deleted_beside_a_denied_heir()
            assert "delete /app/a" not in found.running_controller.fake.calls

    asyncio.run(act())


def test_operator_started_without_policy_hands_over(tmp_path: Path) -> None:
    async def act() -> None:
        async with cluster(tmp_path, BOTH) as found:
            await found.served()
            objects, store = found.running_controller.server.objects, found.running_controller.fake.store
        (tmp_path / "policy.yaml").unlink()
        async with cluster(tmp_path, None) as later:
            later.running_controller.server.objects, later.running_controller.fake.store = objects, store
            await later.deleted_beside_a_denied_heir()
            assert "delete /app/a" not in later.running_controller.fake.calls

    asyncio.run(act())


def test_object_without_a_grant_keeps_no_parameter_of_others(tmp_path: Path) -> None:
    async def act() -> None:
        async with cluster(tmp_path, NARROWED) as found:
            await found.served()
            await found.deleted_beside_a_denied_heir()
            assert "delete /app/a" in found.running_controller.fake.calls

    asyncio.run(act())


def test_labels_of_a_namespace_requeue_its_objects_and_only_if_they_change_its_rights(tmp_path: Path) -> None:
    async def act() -> None:
        async with cluster(tmp_path, BY_LABELS) as found:
            await found.served()
            found.running_controller.applied(heir({"b": "1"}))
            await found.until(HEIR, "InSync")
            changed = list[Collection[str] | None]()
            found.watch = PolicyWatch(found.running_controller.kube, found.tenants, changed.append)
            found.labels = {**LABELS, "shop": {"team": "a", "any": "thing"}}
            await found.watch.check()
            assert not changed
            found.labels = {**LABELS, "cart": {}}
            await found.watch.check()
            assert changed == [{"cart"}]
            found.running_controller.controller.requeue_all({"cart"})
            await found.until(HEIR, "PathNotAllowed")
            found.file.write_text(BOTH)
            await found.watch.check()
            assert changed[1:] == [None]

    asyncio.run(act())
