"""Objects that a former CRD accepted and the models do not take: they are reported on and deleted."""

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
    """For a moment, a CRD that takes any spec."""
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
    """Have an object that the CRD would refuse today, with the operator's finalizer."""

    def is_accepted() -> bool:
        return world.create(name, spec).status_code in (201, 409)

    with former_crd(world):
        world.wait("the former CRD is in force", is_accepted)
        patch = {"metadata": {"finalizers": ["dynconfig.dev/aws-resources"]}}
        world.wait("it has the finalizer", lambda: world.edit(name, patch).is_success)


def test_what_a_former_crd_accepted_is_reported_on_and_deleted(world: World) -> None:
    world.declare("well", world.spec({"name": "ours", "value": "1"}))
    world.wait_ready("well")
    store(
        world,
        "misfit",
        {"path": world.path, "driftPolicy": "Fix", "suspend": "no", "parameters": [{"name": "a", "value": 7}]},
    )
    world.wait_event("misfit", "InvalidSpec")
    world.delete("misfit")
    world.wait("the misfit is gone", lambda: world.is_gone("misfit"))
    world.edit("well", {"spec": {"parameters": [{"name": "ours", "value": "2"}]}})
    world.wait("others are served", lambda: world.value("ours") == "2")
