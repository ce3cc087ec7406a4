"""Manual changes in AWS are detected, reported, and corrected or kept according to driftPolicy."""

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_drift_is_detected_on_request_and_corrected(world: World) -> None:
    world.declare("corrected", world.spec({"name": "a", "value": "1", "description": "mine"}))
    world.wait_ready("corrected")
    world.put_by_hand("a", "2")
    world.reconcile_now("corrected")
    assert world.value("a") == "1"
    assert "value is 2, declared 1" in world.wait_event("corrected", "DriftFound")
    world.wait_event("corrected", "DriftCorrected")
    assert set(world.conditions("corrected")) == {"Ready"}


def test_drift_is_detected_at_the_resync(world: World) -> None:
    world.declare("resynced", world.spec({"name": "a", "value": "1"}, resyncInterval="10s"))
    world.wait_ready("resynced")
    world.put_by_hand("a", "2")
    world.wait("it is corrected", lambda: world.value("a") == "1", 20)


def test_deleted_parameter_is_recreated(world: World) -> None:
    world.declare("restored", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("restored")
    world.ssm.delete_parameter(Name=f"{world.path}/a")
    world.reconcile_now("restored")
    assert world.value("a") == "1"
    assert " is missing" in world.wait_event("restored", "DriftFound")


def test_changed_tags_and_metadata_are_drift(world: World) -> None:
    world.declare("described", world.spec({"name": "a", "value": "1", "description": "mine"}, tags={"team": "shop"}))
    world.wait_ready("described")
    tags = [{"Key": "team", "Value": "other"}]
    world.ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a", Tags=tags)
    world.wait("the index of tags is old enough", lambda: _reconcile_and_read_team(world) == "shop", 25)
    world.ssm.put_parameter(Name=f"{world.path}/a", Value="1", Description="theirs", Overwrite=True)
    world.reconcile_now("described")
    metadata = world.ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [f"{world.path}/a"]}])
    assert metadata["Parameters"][0]["Description"] == "mine"


def test_report_policy_reports_drift_without_correcting_it(world: World) -> None:
    world.secret("db", password="secret-canary")
    password = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    world.declare("reported", world.spec({"name": "a", "value": "1"}, password, driftPolicy="Report"))
    world.wait_ready("reported")
    world.put_by_hand("a", "2")
    world.put_by_hand("password", "changed-canary")
    world.reconcile_now("reported")
    status = world.status("reported")
    drift = {item["resource"].rpartition("/")[2]: item for item in status["drift"]}
    assert (drift["a"]["field"], drift["a"]["declared"], drift["a"]["observed"]) == ("value", "1", "2")
    assert (drift["password"]["declared"], drift["password"]["observed"]) == ("•••", "•••")
    assert drift["a"]["lastModifiedBy"].startswith("arn:aws:iam::")
    assert world.condition("reported", "Drifted")[0] == "True"
    assert world.condition("reported")[0] == "True"
    assert status["counts"]["summary"] == "0/2"
    assert world.value("a") == "2"
    world.reconcile_now("reported")
    assert {item["since"] for item in world.status("reported")["drift"]} == {item["since"] for item in drift.values()}
    noted = "; ".join(message for reason, message in world.events("reported") if reason == "DriftFound")
    assert (noted.count("/a: value"), noted.count("/password: value")) == (1, 1)
    world.edit("reported", {"spec": {"driftPolicy": "Correct"}})
    world.wait("it is corrected", lambda: world.value("a") == "1")
    world.wait("nothing is drifted", lambda: "Drifted" not in world.conditions("reported"))


def test_edit_is_applied_under_report_policy(world: World) -> None:
    world.declare("edited", world.spec({"name": "a", "value": "1"}, driftPolicy="Report"))
    world.wait_ready("edited")
    world.edit("edited", {"spec": {"parameters": [{"name": "a", "value": "3"}]}})
    world.wait("AWS has it", lambda: world.value("a") == "3")


def test_value_of_a_create_only_parameter_is_kept_after_rotation(world: World) -> None:
    world.declare("rotated", world.spec({"name": "a", "value": "first", "valuePolicy": "CreateOnly"}))
    world.wait_ready("rotated")
    world.put_by_hand("a", "rotated")
    world.reconcile_now("rotated")
    assert world.value("a") == "rotated"
    parameter = {"name": "a", "value": "first", "valuePolicy": "CreateOnly", "description": "new"}
    world.edit("rotated", {"spec": {"parameters": [parameter]}})
    world.wait_ready("rotated")
    assert world.value("a") == "rotated"


def test_contested_value_is_reported_and_always_corrected(world: World) -> None:
    world.declare("fought", world.spec({"name": "a", "value": "1"}, resyncInterval="10s"))
    world.wait_ready("fought")
    for _ in range(2):
        world.put_by_hand("a", "2")
        world.wait("it is corrected", lambda: world.value("a") == "1", 25)
    world.put_by_hand("a", "2")
    world.wait("the loop is named", lambda: world.condition("fought")[1] == "ReconcileLoop", 25)
    assert "field value" in world.condition("fought")[2]
    world.wait("it is put back all the same", lambda: world.value("a") == "1", 25)


def _reconcile_and_read_team(world: World) -> str:
    world.reconcile_now("described")
    answer = world.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a")
    return str({item["Key"]: item["Value"] for item in answer["TagList"]}["team"])
