"""The operator of this release with what the one before left: its definition, and the status it wrote."""

import signal

import pytest
import yaml
from tests.e2e.world import World
from tests.upgrade.cluster import CRD, NAME, PREVIOUS, Document

from dynconfig.api import names
from dynconfig_lab.stage import Stage

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STORED: dict[str, Document] = {
    item["metadata"]["name"]: item for item in yaml.safe_load_all((PREVIOUS / "stored.yaml").read_text())
}


@pytest.fixture
def world(installed: World) -> World:
    """A cluster that has the definition of the previous release, and this release's operator."""
    stage = installed.stage
    with_definition(stage, str(PREVIOUS / "crd.yaml"))
    stage.operator.restart("operator")
    return installed


def with_definition(stage: Stage, file: str) -> None:
    """The definition of a file in place of any other; client-side, since the previous one is accepted in no other way."""
    stage.kubectl("annotate", "--overwrite", "crd", NAME, f"{names.ALLOW_DELETION}=true")
    stage.kubectl("delete", "crd", NAME)
    stage.kubectl("apply", "-f", file)
    stage.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=30s")


def test_it_serves_objects_under_the_previous_definition_and_through_the_upgrade(world: World) -> None:
    world.wait("objects are served", lambda: world.create("app", world.spec({"name": "a", "value": "1"})).is_success)
    world.wait_ready("app")
    world.stage.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    world.edit("app", {"spec": {"parameters": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]}})
    world.wait_ready("app")
    assert (world.value("a"), world.value("b")) == ("2", "1")
    world.put_by_hand("a", "3")
    world.wait("drift is corrected", lambda: world.value("a") == "2")
    world.delete("app")
    world.wait("the object is gone", lambda: world.is_gone("app"))
    assert world.names() == []


@pytest.mark.parametrize("name", ["checkout"])
def test_it_goes_on_from_the_status_that_the_previous_operator_wrote(installed: World, name: str) -> None:
    world, stored = installed, STORED[name]
    world.secret("checkout-db", replica='{"host": "replica.shop.internal", "port": 5432}')
    before = stored["spec"]["path"]
    world.declare(name, {**stored["spec"], "path": world.path, "rollout": None, "alarms": None})
    world.wait_ready(name)
    names_before, versions = world.names(), [world.version(item) for item in world.names()]
    world.stage.operator.signal("operator", signal.SIGKILL)
    status = yaml.safe_load(yaml.safe_dump(stored["status"]).replace(before, world.path))
    replace_status(world, name, {**status, "observedGeneration": 1, "appliedGeneration": 1})
    world.stage.lab.reset_calls()
    world.stage.operator.restart("operator")
    world.look_now(name)
    world.wait_ready(name)
    assert world.names() == names_before
    assert [world.version(item) for item in world.names()] == versions


def replace_status(world: World, name: str, status: Document) -> None:
    found = {**world.get(name), "status": status}
    url = f"/apis/dynconfig.dev/v1alpha1/namespaces/{world.namespace}/dynamicconfigs/{name}/status"
    world.http.put(url, json=found).raise_for_status()
