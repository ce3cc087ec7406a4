"""Nothing in AWS is deleted when the operator, its CRD or both are removed from the cluster."""

import json
import signal
from dataclasses import replace

import pytest
from tests.e2e.test_targets import OTHER, TargetWorld
from tests.e2e.world import World
from tests.security.harm import is_alive, pid
from tests.upgrade.cluster import NAME, ROOT, TARGETS

from dynconfig.api import names
from dynconfig_lab.aws import Faults
from dynconfig_lab.stack import CommandFailed, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

INSTALL = str(ROOT / "manifests" / "install")
CRDS = str(ROOT / "crds")
ALLOW = ("annotate", "--overwrite", "crd", NAME, TARGETS, f"{names.ALLOW_DELETION}=true")


@pytest.fixture
def world(installed: World) -> World:
    """An object in sync with AWS, and the whole installation."""
    found = replace(installed, path=f"/{installed.namespace}/app")
    found.declare("app", found.spec({"name": "a", "value": "1"}, {"name": "b", "value": "2"}))
    found.wait_ready("app")
    return found


def is_refused(stack: Stack, *arguments: str) -> str:
    """The error of kubectl; empty on success."""
    try:
        stack.kubectl(*arguments)
    except CommandFailed as error:
        return str(error)
    return ""


def owners(world: World) -> dict[str, list[str]]:
    """The tags of each parameter."""
    return {
        name: [
            item["Key"]
            for item in world.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/{name}")[
                "TagList"
            ]
        ]
        for name in world.names()
    }


def test_deleting_the_installation_keeps_the_crd_object_and_aws(world: World) -> None:
    message = is_refused(world.stack, "delete", "-k", INSTALL, "--wait=false")
    assert "dynconfig uninstall --keep-aws" in message
    assert f"{names.ALLOW_DELETION}=true" in message
    assert "deletionTimestamp" not in world.stack.document("crd", NAME)["metadata"]
    assert "deletionTimestamp" not in world.get("app")["metadata"]
    assert world.names() == ["a", "b"]
    assert owners(world) == {"a": [names.OWNER_TAG], "b": [names.OWNER_TAG]}


@pytest.mark.parametrize("selected", [(NAME,), (TARGETS,), ("--all",)], ids=["by name", "targets", "all"])
def test_deleting_a_crd_is_denied(world: World, selected: tuple[str, ...]) -> None:
    assert names.ALLOW_DELETION in is_refused(world.stack, "delete", "crd", *selected, "--wait=false")
    assert "deletionTimestamp" not in world.get("app")["metadata"]


def test_crd_deleted_anyway_deletes_nothing_in_aws(world: World) -> None:
    world.stack.kubectl(*ALLOW)
    world.stack.kubectl("delete", "crd", NAME, "--wait=false")
    world.wait("the CRD is deleted", lambda: world.stack.kubectl("get", "crd", "--ignore-not-found", NAME) == "")
    assert world.names() == ["a", "b"]
    assert owners(world) == {"a": [], "b": []}


def test_deleting_the_crd_folder_twice_deletes_nothing_in_aws(world: World) -> None:
    """The first run is denied, but deletes the policy that denies it."""

    def is_deleted() -> bool:
        is_refused(world.stack, "delete", "-k", CRDS, "--wait=false", "--ignore-not-found")
        return world.stack.kubectl("get", "crd", "--ignore-not-found", NAME) == ""

    assert names.ALLOW_DELETION in is_refused(world.stack, "delete", "-k", CRDS, "--wait=false")
    assert "deletionTimestamp" not in world.get("app")["metadata"]
    world.wait("the CRD is deleted", is_deleted)
    assert world.names() == ["a", "b"]
    assert owners(world) == {"a": [], "b": []}


@pytest.mark.parametrize("is_running", [True, False], ids=["operator running", "operator stopped"])
def test_uninstall_releases_everything(world: World, is_running: bool) -> None:
    world.declare("paused", world.spec(suspend=True))
    if not is_running:
        world.stack.operator.signal("operator", signal.SIGKILL)
    output = world.stack.dynconfig("uninstall", "--keep-aws", "--yes")
    assert f"= keep Parameter {world.path}/a" in output
    assert "All objects are released. To remove the operator and the CRD:" in output, output
    assert json.loads(world.stack.kubectl("get", "dcfg", "-A", "-o", "json"))["items"] == []
    assert world.names() == ["a", "b"]
    assert owners(world) == {"a": [], "b": []}
    if not is_running:
        assert world.stack.aws("sqs").list_queues().get("QueueUrls", []) == []
        assert world.stack.aws("events").list_rules()["Rules"] == []


@pytest.mark.parametrize("is_running", [True, False], ids=["operator running", "operator stopped"])
def test_objects_in_targets_and_their_targets_are_released(installed: World, is_running: bool) -> None:
    world, targets = replace(installed, path=f"/{installed.namespace}/far"), TargetWorld(installed)
    name = targets.usable()
    world.declare("far", world.spec({"name": "a", "value": "1"}, target=name))
    world.wait_ready("far")
    target = ("awst", name)
    world.wait("the target is kept", lambda: "finalizers" in world.stack.document(*target)["metadata"])
    if not is_running:
        world.stack.operator.signal("operator", signal.SIGKILL)
    output = world.stack.dynconfig("uninstall", "--keep-aws", "--yes")
    assert f"{world.path} in eu-west-1 (AWSTarget {name}, account {OTHER})" in output
    assert f"= keep Parameter {world.path}/a" in output
    # A running operator releases it itself.
    assert is_running or f"AWSTarget {name}: released" in output
    tags = targets.there("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a")
    assert tags["TagList"] == []
    world.stack.kubectl("delete", *target, "--timeout=60s")


COUNT = 40


def test_parameters_written_during_uninstall_are_released_too(installed: World) -> None:
    world = replace(installed, path=f"/{installed.namespace}/busy")
    world.stack.lab.faults(Faults(latency_ms=200))
    world.declare("busy", world.spec(*({"name": f"p{number}", "value": "1"} for number in range(COUNT))))
    world.wait("the first are written", lambda: len(world.names()) > 1)
    output = world.stack.dynconfig("uninstall", "--keep-aws", "--yes")
    # It finishes the writes that it has started.
    world.stack.operator.signal("operator", signal.SIGTERM)
    world.wait("the operator has ended", lambda: not is_alive(pid(world.stack)))
    world.stack.lab.faults(Faults())
    assert "busy: released" in output, output
    assert json.loads(world.stack.kubectl("get", "dcfg", "-A", "-o", "json"))["items"] == []
    assert 1 < len(world.names()) <= COUNT
    assert {name: tags for name, tags in owners(world).items() if tags} == {}
