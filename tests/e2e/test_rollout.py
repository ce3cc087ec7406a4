"""Automatic rollback: a wrong value, an alarm, the stable value again, and the status."""

import signal
import time
from contextlib import closing

import pytest
from tests.e2e.readers import PASSWORD, Reader, inventory
from tests.e2e.world import World
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import Faults

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

ROLLOUT = {"rollbackOnAlarm": True, "bakeTime": "5s"}
PEOPLE = {"aws_access_key_id": "people", "aws_secret_access_key": "people"}
LONG = {"rollbackOnAlarm": True, "bakeTime": "10m"}
ALARMS = {
    "defaults": False,
    "custom": [
        {
            "name": "Orders",
            "metric": "Failed",
            "namespace": "Shop",
            "statistic": "Sum",
            "threshold": 5,
            "comparison": "GreaterThanThreshold",
        }
    ],
}


def declared(world: World) -> Reader:
    """An object whose first revision is stable."""
    reader = Reader(world)
    reader.declare({"triggers": {}}, alarms=ALARMS, rollout=ROLLOUT, dashboard=True)
    world.wait("the first revision is stable", lambda: world.status(reader.name).get("stableGeneration") == 1)
    world.wait_ready(reader.name)
    assert world.edit(reader.name, {"spec": {"rollout": LONG}}).is_success
    world.wait_ready(reader.name)
    return reader


def alarm_of(world: World, reader: Reader) -> str:
    """The name of its alarm in CloudWatch."""
    resources = world.status(reader.name)["resources"]
    return str(next(item["name"] for item in resources if item["kind"] == "Alarm"))


def sound(world: World, name: str, state: str = "ALARM") -> None:
    """Make an alarm fire or return to OK."""
    world.stack.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")


def rolled_back(world: World) -> tuple[Reader, str]:
    """A reader whose last change was rolled back, with the alarm still firing."""
    reader = declared(world)
    alarm = alarm_of(world, reader)
    reader.set_timeout("999")
    world.wait_reason(reader.name, "Baking", "True")
    sound(world, alarm)
    world.wait_reason(reader.name, "RolledBack")
    return reader, alarm


def test_alarm_during_the_bake_time_restores_the_stable_values_within_seconds(world: World) -> None:
    reader = declared(world)
    alarm = alarm_of(world, reader)
    reader.set_timeout("999")
    assert "is baking until" in world.wait_reason(reader.name, "Baking", "True")
    assert (world.value("api/timeout"), reader.timeout()) == ("999", "999")
    sound(world, alarm)
    started = time.monotonic()
    message = world.wait_reason(reader.name, "RolledBack")
    assert time.monotonic() - started < 10
    assert alarm in message
    assert world.value("api/timeout") == "30"
    assert (world.version("api/timeout"), world.version("database/host"), world.version("database/password")) == (
        3,
        1,
        1,
    )
    world.wait("the function is refreshed", lambda: reader.timeout() == "30")
    status = world.status(reader.name)
    assert (status["rollback"]["generation"], status["rollback"]["to"]) == (3, status["revision"])
    assert [item["outcome"] for item in status["history"]][:2] == ["Stable", "RolledBack"]
    assert world.conditions(reader.name)["Stalled"]["status"] == "True"
    assert "was rolled back" in world.wait_event(reader.name, "RolledBack")
    planned = world.stack.dynconfig("plan", "-n", world.namespace, reader.name)
    assert "Generation 3 was rolled back" in planned
    assert "No changes" in planned


def test_rollback_survives_a_restart_and_a_new_value_is_tried_when_the_alarm_is_ok(
    world: World,
) -> None:
    reader, alarm = rolled_back(world)
    sound(world, alarm, "OK")
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.stack.operator.restart("operator")
    world.reconcile_now(reader.name)
    assert world.condition(reader.name)[:2] == ("False", "RolledBack")
    assert world.value("api/timeout") == "30"
    reader.set_timeout("45")
    world.wait("45 is tried", lambda: world.value("api/timeout") == "45")
    world.wait_reason(reader.name, "Baking", "True")
    assert "rollback" not in world.status(reader.name)


def test_alarm_that_already_fires_suspends_a_change_unless_forced(world: World) -> None:
    reader = declared(world)
    sound(world, alarm_of(world, reader))
    reader.set_timeout("45")
    message = world.wait_reason(reader.name, "AlarmFiring", "Unknown")
    assert "force-generation" in message
    assert world.value("api/timeout") == "30"
    generation = str(world.get(reader.name)["metadata"]["generation"])
    world.annotate(reader.name, "force-generation", generation)
    world.wait("it is written all the same", lambda: world.value("api/timeout") == "45")


def test_forced_generation_is_applied_at_once_after_its_rollback(world: World) -> None:
    reader, _alarm = rolled_back(world)
    world.annotate(reader.name, "force-generation", str(world.get(reader.name)["metadata"]["generation"]))
    world.wait("it is written all the same", lambda: world.value("api/timeout") == "999", 10)


def test_rollback_after_recreation_deletes_nothing(world: World) -> None:
    reader = declared(world)
    world.delete(reader.name)
    world.wait("the object is deleted", lambda: world.is_gone(reader.name))
    reader.declare({}, alarms=ALARMS, rollout=LONG)
    # AWS accepts a deleted name again after half a minute.
    world.wait("the parameters are back", lambda: len(world.names()) == 3, 90)
    world.wait_reason(reader.name, "Baking", "True")
    reader.set_timeout("999")
    world.wait("it is written", lambda: world.value("api/timeout") == "999")
    sound(world, alarm_of(world, reader))
    assert "no stable revision" in world.wait_reason(reader.name, "AlarmFiring")
    assert world.names() == ["api/timeout", "database/host", "database/password"]
    assert world.value("api/timeout") == "999"


@pytest.mark.parametrize("is_running", [True, False], ids=["AWS unavailable", "operator stopped"])
def test_alarm_that_fires_and_recovers_during_an_outage_rolls_back(world: World, *, is_running: bool) -> None:
    reader = declared(world)
    alarm = alarm_of(world, reader)
    sound(world, alarm, "OK")
    reader.set_timeout("999")
    world.wait_reason(reader.name, "Baking", "True")
    operator = world.stack.operator.children["operator"]
    if is_running:
        world.stack.lab.faults(Faults(down=True, access_keys=("lab",)))
    else:
        world.stack.operator.signal("operator", signal.SIGTERM)
        world.wait("the operator has stopped", lambda: operator.exit_code is not None)
    with closing(connect(world.stack.environment["AWS_ENDPOINT_URL"], "cloudwatch", PEOPLE)) as cloudwatch:
        for state in ("ALARM", "OK"):
            cloudwatch.set_alarm_state(AlarmName=alarm, StateValue=state, StateReason="a test")
    world.stack.lab.faults(Faults())
    if not is_running:
        world.stack.operator.restart("operator")
    assert alarm in world.wait_reason(reader.name, "RolledBack")
    assert world.value("api/timeout") == "30"
    assert [reason for reason, _message in world.events(reader.name)].count("Stable") == 1
    assert [item["outcome"] for item in world.status(reader.name)["history"]][:2] == ["Stable", "RolledBack"]


@pytest.mark.parametrize("is_restarted", [False, True], ids=["same operator", "restarted operator"])
@pytest.mark.parametrize("reason", ["InvalidSpec", "SourceMissing"])
def test_change_is_rolled_back_while_spec_is_invalid(world: World, reason: str, *, is_restarted: bool) -> None:
    reader = declared(world)
    alarm = alarm_of(world, reader)
    reader.set_timeout("999")
    world.wait_reason(reader.name, "Baking", "True")
    if reason == "InvalidSpec":
        rule = {"rule": "config['api/timeout'] == '1'", "message": "the timeout is one"}
        assert world.edit(reader.name, {"spec": {"rules": [rule]}}).is_success
        status = "False"
    else:
        world.http.delete(f"/api/v1/namespaces/{world.namespace}/secrets/db").raise_for_status()
        status = "Unknown"
    world.wait(f"{reader.name} reports {reason}", lambda: world.condition(reader.name)[:2] == (status, reason))
    if is_restarted:
        world.stack.operator.signal("operator", signal.SIGKILL)
        world.stack.operator.restart("operator")
    assert world.value("api/timeout") == "999"
    sound(world, alarm)
    world.wait("the stable value is back", lambda: world.value("api/timeout") == "30")
    world.wait("status reports it", lambda: "was rolled back" in world.condition(reader.name)[2])
    assert world.condition(reader.name)[:2] == (status, reason)
    assert "was rolled back" in world.wait_event(reader.name, "RolledBack")
    assert reader.function in inventory(world)["functions"]
    if reason == "SourceMissing":
        world.secret("db", password=PASSWORD)
        world.wait_reason(reader.name, "RolledBack")
        assert world.value("api/timeout") == "30"
