"""Deletion removes owned resources, never blocks forever, and requires approval for most of them."""

import json

import pytest
from tests.e2e.world import World

from dynconfig.api import names
from dynconfig_lab.aws import Faults

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_deletion_removes_only_owned_resources(world: World) -> None:
    world.declare("deleted", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("deleted")
    world.ssm.put_parameter(Name=f"{world.path}/neighbour", Value="1", Type="String")
    world.delete("deleted")
    world.wait("the object is deleted", lambda: world.is_gone("deleted"))
    assert world.names() == ["neighbour"]
    world.wait_event("deleted", "Deleted")


def test_retain_keeps_all_parameters_without_an_owner(world: World) -> None:
    world.declare("kept", world.spec({"name": "a", "value": "1"}, deletionPolicy="Retain", tags={"team": "shop"}))
    world.wait_ready("kept")
    world.delete("kept")
    world.wait("the object is deleted", lambda: world.is_gone("kept"))
    assert world.value("a") == "1"
    answer = world.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a")
    assert [item["Key"] for item in answer["TagList"]] == ["team"]
    world.declare("heir", world.spec({"name": "a", "value": "2"}, adoptionPolicy="IfUnowned"))
    world.wait_ready("heir")


def test_deleting_most_parameters_requires_approval(world: World) -> None:
    parameters = [{"name": f"p{index}", "value": "1"} for index in range(14)]
    world.declare("emptied", world.spec(*parameters))
    world.wait_ready("emptied")
    world.edit("emptied", {"spec": {"parameters": parameters[:2]}})
    message = world.wait_reason("emptied", "UnsafePlan")
    assert "12 of 14 parameters would be deleted" in message
    assert len(world.names()) == 14
    world.annotate("emptied", "approve-generation", str(world.get("emptied")["metadata"]["generation"]))
    world.wait_ready("emptied")
    assert world.names() == ["p0", "p1"]


def test_deletion_waits_for_aws_and_reports_it(world: World) -> None:
    world.declare("delayed", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("delayed")
    world.stack.lab.faults(Faults(down=True))
    world.delete("delayed")
    world.wait("status reports why", lambda: world.condition("delayed")[1] == "Unavailable", 60)
    assert "failingSince" in world.status("delayed")
    world.stack.lab.faults(Faults())
    world.wait("the object is deleted", lambda: world.is_gone("delayed"), 90)
    assert world.names() == []


def test_abandoned_deletion_reports_the_inventory(world: World) -> None:
    world.declare("left", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("left")
    world.stack.lab.faults(Faults(down=True))
    world.delete("left")
    world.annotate("left", "abandon", "true")
    world.wait("the object is deleted", lambda: world.is_gone("left"), 90)
    world.stack.lab.faults(Faults())
    assert f"{world.path}/a" in world.wait_event("left", "Abandoned")
    assert world.value("a") == "1"


def test_namespace_is_deleted_with_its_objects(world: World) -> None:
    world.declare("inside", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("inside")
    world.http.delete(f"/api/v1/namespaces/{world.namespace}").raise_for_status()
    world.wait(
        "the namespace is deleted", lambda: world.http.get(f"/api/v1/namespaces/{world.namespace}").status_code == 404
    )
    assert world.names() == []


def test_deletion_can_be_abandoned_in_a_terminating_namespace_without_events(world: World) -> None:
    world.declare("blocking", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("blocking")
    world.stack.lab.faults(Faults(down=True))
    url = f"/api/v1/namespaces/{world.namespace}"
    world.http.delete(url).raise_for_status()
    world.wait("the object is terminating", lambda: "deletionTimestamp" in world.get("blocking")["metadata"])
    world.annotate("blocking", "abandon", "true")
    world.wait("the namespace is deleted", lambda: world.http.get(url).status_code == 404, 60)


def test_recreated_object_starts_without_previous_status(world: World) -> None:
    world.declare("again", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("again")
    world.delete("again")
    world.wait("the object is deleted", lambda: world.is_gone("again"))
    world.declare("again", world.spec({"name": "other", "value": "2"}))
    world.wait_ready("again")
    assert world.names() == ["other"]


def test_object_replaced_without_its_finalizer_is_still_removed_from_aws(world: World) -> None:
    spec = world.spec({"name": "a", "value": "1"})
    world.declare("replaced", spec)
    world.wait_ready("replaced")
    manifest = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": "replaced"}, "spec": spec}
    world.stack.kubectl("-n", world.namespace, "replace", "-f", "-", stdin=json.dumps(manifest))
    world.wait("it has its finalizer", lambda: "finalizers" in world.get("replaced")["metadata"], 5)
    world.delete("replaced")
    world.wait("the object is deleted", lambda: world.is_gone("replaced"))
    assert world.names() == []
