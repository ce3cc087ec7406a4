"""Objects that an older CRD accepted and the models reject: they are reported and can be deleted."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/dynamicconfigs.dynconfig.dev"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@contextmanager
def former_crd(world: World) -> Iterator[None]:
    """Within the block the CRD accepts any spec."""
    current: dict[str, Any] = world.http.get(CRD).raise_for_status().json()
    former = copy.deepcopy(current)
    for version in former["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"] = ANYTHING
    world.http.put(CRD, json=former).raise_for_status()
    try:
        yield
    finally:
        fresh = world.http.get(CRD).raise_for_status().json()
        world.http.put(CRD, json={**fresh, "spec": current["spec"]}).raise_for_status()


def store(world: World, name: str, spec: Any) -> None:
    """Create an object that the current CRD would reject, with the operator's finalizer."""

    def is_accepted() -> bool:
        return world.create(name, spec).status_code in (201, 409)

    with former_crd(world):
        world.wait("the former CRD is in force", is_accepted)
        patch = {"metadata": {"finalizers": ["dynconfig.dev/aws-resources"]}}
        world.wait("it has the finalizer", lambda: world.edit(name, patch).is_success)


def test_object_of_an_older_crd_is_reported_and_deleted(world: World) -> None:
    world.declare("well", world.spec({"name": "ours", "value": "1"}))
    world.wait_ready("well")
    store(
        world,
        "misfit",
        {"path": world.path, "driftPolicy": "Fix", "suspend": "no", "parameters": [{"name": "a", "value": 7}]},
    )
    world.wait_event("misfit", "InvalidSpec")
    world.delete("misfit")
    world.wait("the object is deleted", lambda: world.is_gone("misfit"))
    world.edit("well", {"spec": {"parameters": [{"name": "ours", "value": "2"}]}})
    world.wait("other objects are reconciled", lambda: world.value("ours") == "2")
