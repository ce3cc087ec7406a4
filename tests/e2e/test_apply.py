"""From `kubectl apply` to Parameter Store."""

import json

import pytest
from tests.e2e.world import World

from dynconfig_lab.console import EXAMPLE

# The constant polling of the event queue, independent of reconciles.
LISTENING = {"sqs.ReceiveMessage", "sqs.DeleteMessageBatch"}

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_example_is_in_parameter_store_after_kubectl_apply(world: World) -> None:
    text = EXAMPLE.read_text().replace("namespace: default", f"namespace: {world.namespace}")
    world.stack.kubectl("apply", "-f", "-", stdin=text.replace("/myapp/config", world.path))
    world.wait_ready("myapp")
    assert world.names() == ["api/timeout", "database/host", "database/password", "database/port", "features/new-ui"]
    assert world.value("database/password") == "correct-horse-battery-staple"
    assert world.value("api/timeout") == "30"
    status = world.status("myapp")
    assert status["counts"] == {"declared": 5, "inSync": 5, "summary": "5/5"}
    assert status["observedGeneration"] == status["appliedGeneration"] == 1
    assert {item["name"]: item["version"] for item in status["parameters"]} == {
        f"{world.path}/{name}": 1 for name in world.names()
    }
    assert set(world.conditions("myapp")) == {"Ready"}
    created = [message for reason, message in world.events("myapp") if reason == "Created"]
    assert any("database/host" in message for message in created)


def test_kubectl_shows_what_a_user_needs(world: World) -> None:
    world.declare("shown", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("shown")
    wide = world.kubectl("get", "dcfg", "-o", "wide")
    headings = ["NAME", "READY", "IN-SYNC", "DRIFTED", "REVISION", "AGE", "REGION", "PATH", "FUNCTION", "OBSERVED"]
    assert wide.split()[:10] == headings
    assert all(text in wide for text in ("True", "1/1", "eu-west-1", world.path))
    described = world.kubectl("describe", "dcfg", "shown")
    assert "1 parameter is in sync with AWS" in described
    assert "Created: Parameter" in described
    explained = world.kubectl("explain", "dcfg.spec.parameters")
    assert "<no description>" not in explained
    assert "Name relative to the path" in explained


def test_each_parameter_has_owner_and_tags(world: World) -> None:
    world.declare("tagged", world.spec({"name": "a", "value": "1", "tags": {"tier": "web"}}, tags={"team": "shop"}))
    world.wait_ready("tagged")
    answer = world.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a")
    tags = {item["Key"]: item["Value"] for item in answer["TagList"]}
    owner = tags.pop("dynconfig.dev/owner")
    assert tags == {"team": "shop", "tier": "web"}
    assert owner.split("/")[1:] == [world.namespace, "tagged", world.get("tagged")["metadata"]["uid"]]


def test_edit_writes_only_the_difference(world: World) -> None:
    world.declare("edited", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("edited")
    revision = world.status("edited")["revision"]
    world.edit("edited", {"spec": {"parameters": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]}})
    world.wait_ready("edited")
    assert (world.version("a"), world.version("b"), world.value("a")) == (2, 1, "2")
    assert world.status("edited")["revision"] != revision
    assert "DriftFound" not in dict(world.events("edited"))


def test_undeclared_parameter_is_deleted(world: World) -> None:
    world.declare("fewer", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("fewer")
    world.edit("fewer", {"spec": {"parameters": [{"name": "a", "value": "1"}]}})
    world.wait("b is deleted", lambda: world.names() == ["a"])
    world.wait_ready("fewer")
    assert "b" in world.wait_event("fewer", "Deleted")


def test_second_reconcile_writes_nothing_and_own_writes_cause_no_reconcile(world: World) -> None:
    world.wait_listening("marker")
    world.declare("idle", world.spec(*({"name": f"p{index}", "value": "1"} for index in range(10))))
    world.wait_ready("idle")
    world.stack.lab.reset_calls()
    world.reconcile_now("idle")
    calls = world.stack.calls()
    reads = {"ssm.GetParameters", "resourcegroupstaggingapi.GetResources"}
    assert set(calls) - reads <= LISTENING
    assert calls["ssm.GetParameters"] == 1


def test_object_with_a_thousand_parameters_is_applied(world: World) -> None:
    world.declare("large", world.spec(*({"name": f"p/{index}", "value": "1"} for index in range(1000)), suspend=True))
    world.wait("it is reconciled", lambda: world.condition("large")[1] == "Suspended")
    assert world.names() == []
    assert world.status("large")["counts"]["summary"] == "0/1000"


def test_suspended_object_is_observed_and_not_written(world: World) -> None:
    world.declare("held", world.spec({"name": "a", "value": "1"}, suspend=True))
    assert "1 change pending: spec.suspend is true" in world.wait_reason("held", "Suspended", "Unknown")
    assert world.names() == []
    world.edit("held", {"spec": {"suspend": False}})
    world.wait_ready("held")
    assert world.value("a") == "1"


def test_plan_predicts_what_the_operator_does(world: World) -> None:
    world.declare("planned", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("planned")
    file = world.stack.folder / f"{world.namespace}.yaml"
    document = world.get("planned")
    file.write_text(json.dumps({key: document[key] for key in ("apiVersion", "kind", "metadata", "spec")}))
    assert "No changes" in world.stack.dynconfig("plan", "-f", str(file))
    document["spec"]["parameters"].append({"name": "b", "value": "1"})
    file.write_text(json.dumps({key: document[key] for key in ("apiVersion", "kind", "metadata", "spec")}))
    assert "Plan: 1 to create" in world.stack.dynconfig("plan", "-f", str(file))
    assert world.names() == ["a"]
