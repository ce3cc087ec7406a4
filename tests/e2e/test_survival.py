"""kill -9 during an apply, and an API server restart: the operator converges without duplicate writes."""

import signal

import pytest
from tests.e2e.world import World

from dynconfig_lab.aws import Faults

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("policy", ["Correct", "Report"])
def test_operator_killed_during_an_apply_resumes(world: World, policy: str) -> None:
    parameters = [{"name": f"p{index}", "value": "1"} for index in range(12)]
    world.stack.lab.faults(Faults(latency_ms=100))
    world.declare("killed", world.spec(*parameters, driftPolicy=policy))
    world.wait("some are written", lambda: 2 <= len(world.names()) < 10)
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.stack.lab.faults(Faults())
    assert not world.is_ready("killed")
    world.stack.operator.restart("operator")
    world.wait_ready("killed")
    answer = world.ssm.get_paginator("get_parameters_by_path").paginate(Path=world.path, Recursive=True)
    assert [item["Version"] for page in answer for item in page["Parameters"]] == [1] * 12


def test_edit_during_an_operator_outage_is_applied(world: World) -> None:
    world.declare("away", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("away")
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.edit("away", {"spec": {"parameters": [{"name": "a", "value": "2"}]}})
    world.stack.operator.restart("operator")
    world.wait_ready("away")
    assert (world.names(), world.value("a")) == (["a"], "2")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_does_not_disturb_the_shutdown(world: World, number: signal.Signals) -> None:
    log = world.stack.operator_log
    before = log.stat().st_size
    operator = world.stack.operator.children["operator"]
    for _ in range(3):
        world.stack.operator.signal("operator", number)
    world.wait("it has ended", lambda: operator.exit_code is not None)
    written = log.read_text()[before:]
    world.stack.operator.restart("operator")
    assert operator.exit_code == 0
    assert "Traceback" not in written
    assert "[error" not in written.lower()
    assert "[critical" not in written.lower()


def test_object_deleted_during_an_operator_outage_is_removed_from_aws(world: World) -> None:
    world.declare("orphan", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("orphan")
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.delete("orphan")
    assert not world.is_gone("orphan")
    world.stack.operator.restart("operator")
    world.wait("the object is deleted", lambda: world.is_gone("orphan"))
    assert world.names() == []


def test_lost_status_is_restored_without_a_write(world: World) -> None:
    world.declare("amnesia", world.spec({"name": "a", "value": "1"}, driftPolicy="Report"))
    world.wait_ready("amnesia")
    world.put_by_hand("a", "2")
    headers = {"Content-Type": "application/merge-patch+json"}
    url = f"/apis/dynconfig.dev/v1alpha1/namespaces/{world.namespace}/dynamicconfigs/amnesia/status"
    world.http.patch(url, json={"status": None}, headers=headers).raise_for_status()
    world.reconcile_now("amnesia")
    assert world.condition("amnesia", "Drifted")[0] == "True"
    assert world.value("a") == "2"


def test_operator_survives_an_api_server_restart(world: World) -> None:
    world.declare("before", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("before")
    world.stack.plane.restart_api()
    world.wait("the API server responds", lambda: world.http.get("/readyz").is_success)
    world.declare("after", world.spec({"name": "b", "value": "1"}))
    world.wait_ready("after", 60)
    world.edit("before", {"spec": {"parameters": [{"name": "a", "value": "2"}]}})
    world.wait_ready("before", 60)
