"""Resources that the operator does not own are never modified or deleted."""

import threading

import pytest
from tests.e2e.world import World

from dynconfig.api import names

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_foreign_parameter_is_reported_and_not_changed(world: World) -> None:
    world.ssm.put_parameter(Name=f"{world.path}/a", Value="theirs", Type="String")
    world.declare("refused", world.spec({"name": "a", "value": "ours"}, {"name": "b", "value": "ours"}))
    message = world.wait_reason("refused", "NotOwned")
    assert (
        f"parameter Parameter {world.path}/a already exists" in message or f"{world.path}/a already exists" in message
    )
    assert "adoptionPolicy: IfUnowned" in message
    assert (world.names(), world.value("a")) == (["a", "b"], "theirs")
    world.delete("refused")
    world.wait("the object is deleted", lambda: world.is_gone("refused"))
    assert (world.names(), world.value("a")) == (["a"], "theirs")


def test_unowned_parameter_is_adopted_on_request(world: World) -> None:
    world.ssm.put_parameter(Name=f"{world.path}/a", Value="old", Type="String", Description="old")
    world.declare("adopts", world.spec({"name": "a", "value": "new"}, adoptionPolicy="IfUnowned"))
    world.wait_ready("adopts")
    assert (world.value("a"), world.version("a")) == ("new", 2)
    assert "DriftFound" not in dict(world.events("adopts"))


def test_first_of_two_objects_keeps_a_parameter(world: World) -> None:
    world.declare("first", world.spec({"name": "shared", "value": "1"}))
    world.wait_ready("first")
    world.declare("second", world.spec({"name": "shared", "value": "2"}, adoptionPolicy="IfUnowned"))
    message = world.wait_reason("second", "NotOwned")
    assert f"is owned by {world.namespace}/first; rename it; or remove it from {world.namespace}/first" in message
    world.reconcile_now("first")
    assert (world.value("shared"), world.version("shared")) == ("1", 1)
    world.delete("second")
    world.wait("the second is deleted", lambda: world.is_gone("second"))
    assert world.value("shared") == "1"


class Reader:
    """Reads one parameter repeatedly, as a service does, and records errors and versions."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = f"{world.path}/{name}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.missing = 0
        self.reads = 0
        self.versions: set[int] = set()

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        ssm = self._world.ssm
        while not self._stop.is_set():
            try:
                self.versions.add(ssm.get_parameter(Name=self._name)["Parameter"]["Version"])
            except ssm.exceptions.ParameterNotFound:
                self.missing += 1
            self.reads += 1


def owner_of(world: World, name: str) -> str:
    answer = world.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/{name}")
    return next((str(item["Value"]) for item in answer["TagList"] if item["Key"] == names.OWNER_TAG), "")


BATCH, URL = {"name": "orders/batch", "value": "10"}, {"name": "billing/url", "value": "https://billing.internal"}
MOVED, RETRIES = {"name": "url", "value": "https://billing.internal"}, {"name": "retries", "value": "3"}


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
@pytest.mark.parametrize("order", [("billing", "mono"), ("mono", "billing")], ids=["new first", "old first"])
def test_parameter_is_never_absent_when_it_moves_to_another_object(
    world: World, order: tuple[str, str], policy: str
) -> None:
    about = {"adoptionPolicy": "IfUnowned", "deletionPolicy": policy}
    world.declare("mono", world.spec(BATCH, URL, **about))
    billing = {**world.spec(RETRIES, **about), "path": f"{world.path}/billing"}
    world.declare("billing", billing)
    world.wait_ready("mono")
    world.wait_ready("billing")
    edits = {"mono": [BATCH], "billing": [RETRIES, MOVED]}
    with Reader(world, "billing/url") as reader:
        for name in order:
            world.edit(name, {"spec": {"parameters": edits[name]}})
        world.wait_ready("billing")
        world.wait_ready("mono")
        assert f"/{world.namespace}/billing/" in owner_of(world, "billing/url")
    assert (reader.missing, reader.versions) == (0, {1})
    assert reader.reads > 10


def test_renamed_object_keeps_its_parameters(world: World) -> None:
    spec = world.spec(BATCH, URL, adoptionPolicy="IfUnowned")
    world.declare("old", spec)
    world.wait_ready("old")
    with Reader(world, "billing/url") as reader:
        world.declare("new", spec)
        message = world.wait_reason("new", "NotOwned")
        assert f"remove it from {world.namespace}/old, so that it is handed over" in message
        world.delete("old")
        world.wait("the old one is deleted", lambda: world.is_gone("old"))
        world.wait_ready("new", 10)
    assert (reader.missing, reader.versions) == (0, {1})
    assert f"{world.path}/billing/url to {world.namespace}/new" in world.wait_event("old", "HandedOver")
    assert f"/{world.namespace}/new/" in owner_of(world, "orders/batch")


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_object_moves_to_another_namespace_without_a_gap(world: World, policy: str) -> None:
    other = World(world.stack, world.http, f"{world.namespace}-moved", world.path)
    world.http.post("/api/v1/namespaces", json={"metadata": {"name": other.namespace}}).raise_for_status()
    spec = world.spec(BATCH, URL, adoptionPolicy="IfUnowned", deletionPolicy=policy)
    world.declare("cfg", spec)
    world.wait_ready("cfg")
    with Reader(world, "billing/url") as reader:
        other.declare("cfg", spec)
        other.wait_reason("cfg", "NotOwned")
        world.delete("cfg")
        world.wait("the object is deleted", lambda: world.is_gone("cfg"))
        # It is reconciled by an event and does not wait for its resync.
        other.wait_ready("cfg", 10)
    assert (reader.missing, reader.versions) == (0, {1})
    assert f"/{other.namespace}/cfg/" in owner_of(world, "billing/url")
