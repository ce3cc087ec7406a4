"""A running controller: the real client on a small API server, and an engine with a fake kind instead of AWS."""

import asyncio
import copy
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.engine.fake_kind import FakeKind, document
from tests.kube.apiserver import ApiServer, Document, serving

from dynconfig.aws.quota import Quota
from dynconfig.kube.client import Kube
from dynconfig.kube.controller import Controller
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.work_queue import WorkQueue
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.validation.tenancy import Tenant

KEY = Key("shop", "myapp")
GOING = "2027-01-15T08:00:00Z"
REGION = "eu-west-1"


@dataclass
class ControllerHarness:
    """A running controller with its dependencies."""

    server: ApiServer
    fake: FakeKind
    controller: Controller
    listened: list[str]
    kube: Kube
    left: list[str]

    def deliver(self, event: str | None, found: Document) -> None:
        """Deliver a watch event of an object."""
        self.controller.objects.object_changed(copy.deepcopy(found), event)

    def applied(self, found: Document) -> None:
        """Apply a new object as a user."""
        self.server.put(found)
        self.deliver("ADDED", found)

    @property
    def status(self) -> dict[str, Any]:
        """The status of the only object; empty if there is none."""
        return dict(self.server.objects.get(KEY, {}).get("status") or {})

    @property
    def reason(self) -> str:
        """The reason of the condition Ready."""
        conditions = self.status.get("conditions")
        return str(conditions[0]["reason"]) if conditions else ""


def configured(
    values: dict[str, str], *, uid: str = "uid-1", metadata: Document | None = None, **about: Any
) -> Document:
    """An object as the API server stores it."""
    found = document(values, **about)
    own = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "resourceVersion": "1"}
    return {**found, "metadata": {**found["metadata"], **own, **(metadata or {})}}


def dependencies_of(kube: Kube, **given: Any) -> Dependencies:
    """Return the dependencies of a controller; `given` overrides the defaults."""
    usual: dict[str, Any] = {
        "kube": kube,
        "recorder": Recorder(kube, time.time),
        "metrics": Metrics(lambda: 0.0, dict, dict),
        "quota": Quota(time.monotonic, time.sleep),
        "cluster": "cluster",
        "region": REGION,
        "tenant_of": Tenant,
        "is_own_layer": lambda _arn: False,
        "is_region": lambda region: region in ("eu-west-1", "us-east-1"),
        "allowed_regions": (),
        "now": time.time,
        "clock": time.monotonic,
        "turn_seconds": 15.0,
        "move_seconds": 0.0,
        "deletion_check_seconds": 0.0,
        "start_listener": lambda _place, _fence: None,
        "release_listener": lambda _place, _fence: None,
    }
    return Dependencies(**{**usual, **given})


def serve_all(controller: Controller, shards: int = 1) -> None:
    """Let the controller serve all shards for ever."""
    for shard in range(shards):
        controller.objects.acquired(Fence(shard, time.monotonic, 0.0, float("inf")), is_whole=False)


@asynccontextmanager
async def running_controller(**dependencies: Any) -> AsyncIterator[ControllerHarness]:
    """Run a controller until the context ends."""
    server, fake, listened, left = ApiServer(), FakeKind(), list[str](), list[str]()
    async with serving(server.answer) as kube:
        callbacks = {
            "start_listener": lambda place, _fence: listened.append(place.title),
            "release_listener": lambda place, _fence: left.append(place.title),
        }
        given = dependencies_of(kube, **{"engine": fake.engine(), **callbacks, **dependencies})
        controller = Controller(given, WorkQueue(), 2)
        serve_all(controller, given.shards)
        kube.is_fenced = True
        task = asyncio.create_task(controller.run())
        try:
            yield ControllerHarness(server, fake, controller, listened, kube, left)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
