"""This release's operator with the state of the previous one: its CRD, and the status it wrote."""

import copy
import signal
from collections.abc import Callable

import pytest
import yaml
from tests.e2e.world import World
from tests.upgrade.cluster import CRD, NAME, PREVIOUS, Document

from dynconfig.api import names
from dynconfig_lab.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

STORED: dict[str, Document] = {
    item["metadata"]["name"]: item for item in yaml.safe_load_all((PREVIOUS / "stored.yaml").read_text())
}


@pytest.fixture
def world(installed: World) -> World:
    """A cluster with the CRD of the previous release and this release's operator."""
    stack = installed.stack
    with_definition(stack, str(PREVIOUS / "crd.yaml"))
    stack.operator.restart("operator")
    return installed


def with_definition(stack: Stack, file: str) -> None:
    """Replace the CRD by that of a file; client-side, since the previous one is accepted in no other way."""
    stack.kubectl("annotate", "--overwrite", "crd", NAME, f"{names.ALLOW_DELETION}=true")
    stack.kubectl("delete", "crd", NAME)
    stack.kubectl("apply", "-f", file)
    stack.kubectl("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=30s")


def test_operator_serves_objects_under_the_previous_crd_and_during_the_upgrade(world: World) -> None:
    world.wait("objects are served", lambda: world.create("app", world.spec({"name": "a", "value": "1"})).is_success)
    world.wait_ready("app")
    world.stack.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    world.edit("app", {"spec": {"parameters": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]}})
    world.wait_ready("app")
    assert (world.value("a"), world.value("b")) == ("2", "1")
    world.put_by_hand("a", "3")
    world.wait("drift is corrected", lambda: world.value("a") == "2")
    world.delete("app")
    world.wait("the object is deleted", lambda: world.is_gone("app"))
    assert world.names() == []


@pytest.mark.parametrize("name", ["checkout"])
def test_operator_continues_from_the_previous_operators_status(installed: World, name: str) -> None:
    world, stored = installed, STORED[name]
    world.secret("checkout-db", replica='{"host": "replica.shop.internal", "port": 5432}')
    before = stored["spec"]["path"]
    world.declare(name, {**stored["spec"], "path": world.path, "rollout": None, "alarms": None})
    world.wait_ready(name)
    names_before, versions = world.names(), [world.version(item) for item in world.names()]
    world.stack.operator.signal("operator", signal.SIGKILL)
    status = yaml.safe_load(yaml.safe_dump(stored["status"]).replace(before, world.path))
    replace_status(world, name, {**status, "observedGeneration": 1, "appliedGeneration": 1})
    world.stack.lab.reset_calls()
    world.stack.operator.restart("operator")
    world.reconcile_now(name)
    world.wait_ready(name)
    assert world.names() == names_before
    assert [world.version(item) for item in world.names()] == versions


def test_plaintext_secrets_of_the_previous_release_await_consent_and_nothing_is_deleted(installed: World) -> None:
    world = installed
    world.secret("db", host="db.internal")
    reference = {"name": "db", "key": "host", "allowPlaintext": True}
    host = {"name": "host", "type": "String", "valueFrom": {"secretKeyRef": reference}}
    world.declare("app", world.spec(host, {"name": "port", "value": "1"}))
    world.wait_ready("app")
    world.stack.operator.signal("operator", signal.SIGKILL)
    with_former_definition(world, lambda: world.annotate("app", "was", "stored-without-it"))
    (stored, _port) = world.get("app")["spec"]["parameters"]
    assert stored["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "host"}
    world.secret("db", host="other.internal")
    world.stack.operator.restart("operator")
    message = world.wait_reason("app", "InvalidSpec")
    assert "spec.parameters[host]" in message
    assert "set valueFrom.secretKeyRef.allowPlaintext: true" in message
    assert (world.value("host"), world.value("port")) == ("db.internal", "1")
    world.edit("app", {"spec": {"parameters": [host, {"name": "port", "value": "1"}]}})
    world.wait_ready("app")
    assert world.value("host") == "other.internal"


def with_former_definition(world: World, act: Callable[[], None]) -> None:
    """Run the action while the API server has a CRD without the field, which is pruned."""
    url = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}"
    fresh = world.http.get(url).raise_for_status().json()
    former = copy.deepcopy(fresh)
    (version,) = former["spec"]["versions"]
    parameter = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["parameters"]["items"]
    del parameter["properties"]["valueFrom"]["properties"]["secretKeyRef"]["properties"]["allowPlaintext"]
    rules = parameter["x-kubernetes-validations"]
    parameter["x-kubernetes-validations"] = [rule for rule in rules if "allowPlaintext" not in rule["rule"]]
    world.http.put(url, json=former).raise_for_status()

    def is_dropped() -> bool:
        return "allowPlaintext" not in str(world.get("app")["spec"])

    world.wait("the former definition is in force", is_dropped)
    act()
    latest = world.http.get(url).raise_for_status().json()
    world.http.put(url, json={**latest, "spec": fresh["spec"]}).raise_for_status()

    def is_known() -> bool:
        probe = {"name": "p", "type": "String", "valueFrom": {"secretKeyRef": {"name": "db", "key": "host"}}}
        document = {**world.get("app"), "metadata": {"name": "probe"}, "spec": world.spec(probe)}
        url = f"/apis/dynconfig.dev/v1alpha1/namespaces/{world.namespace}/dynamicconfigs?dryRun=All"
        return world.http.post(url, json=document).status_code == 422

    world.wait("the definition of this release is in force", is_known)


def replace_status(world: World, name: str, status: Document) -> None:
    found = {**world.get(name), "status": status}
    url = f"/apis/dynconfig.dev/v1alpha1/namespaces/{world.namespace}/dynamicconfigs/{name}/status"
    world.http.put(url, json=found).raise_for_status()
