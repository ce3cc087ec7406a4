"""Two operators on one cluster: one serves all objects, and the other takes over."""

import signal

import pytest
from tests.e2e.world import World

SECOND = "dynconfig-operator-second"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/dynconfig-system/leases/dynconfig-shard-0"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def holder(world: World) -> str:
    """Return the holder of the lease."""
    return str(world.http.get(LEASE).raise_for_status().json()["spec"].get("holderIdentity") or "")


def written_by(world: World, name: str) -> set[str]:
    """Return the access keys of those who wrote a parameter."""
    return {call.access_key for call in world.stack.lab.call_log(only_writes=True) if name in call.resource}


def test_standby_takes_over_from_a_killed_and_from_a_stopped_operator(world: World) -> None:
    world.declare("watched", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("watched")
    first = holder(world)
    with world.stack.second_operator(SECOND) as second:
        world.edit("watched", {"spec": {"parameters": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]}})
        world.wait_ready("watched")
        # The standby writes nothing.
        assert holder(world) == first
        assert written_by(world, f"{world.path}/b") == {"lab"}
        world.stack.operator.signal("operator", signal.SIGKILL)
        world.edit("watched", {"spec": {"parameters": [{"name": "a", "value": "3"}, {"name": "c", "value": "1"}]}})
        world.wait_ready("watched")
        assert holder(world) == SECOND
        assert written_by(world, f"{world.path}/c") == {SECOND}
        world.stack.operator.restart("operator")
        second.signal(SECOND, signal.SIGTERM)
        # Until then, it may still serve an edit.
        world.wait("the lease is released", lambda: holder(world) != SECOND)
        world.edit("watched", {"spec": {"parameters": [{"name": "a", "value": "4"}, {"name": "d", "value": "1"}]}})
        world.wait_ready("watched")
        assert holder(world) == first
        assert written_by(world, f"{world.path}/d") == {"lab"}
    assert world.value("a") == "4"


def test_paused_operator_writes_nothing_after_another_has_taken_over(world: World) -> None:
    parameters = [{"name": f"p{number}", "value": "1"} for number in range(4)]
    world.declare("paused", world.spec(*parameters))
    world.wait_ready("paused")
    with world.stack.second_operator(SECOND):
        world.stack.operator.signal("operator", signal.SIGSTOP)
        world.edit("paused", {"spec": {"parameters": [{**one, "value": "2"} for one in parameters]}})
        world.wait("the second operator serves", lambda: holder(world) == SECOND)
        world.wait_ready("paused")
        before = len(world.stack.lab.call_log(only_writes=True))
        world.stack.operator.signal("operator", signal.SIGCONT)
        world.edit("paused", {"spec": {"parameters": [{**one, "value": "3"} for one in parameters]}})
        world.wait_ready("paused")
        assert {call.access_key for call in world.stack.lab.call_log(only_writes=True)[before:]} == {SECOND}
    world.wait("the first operator serves again", lambda: holder(world) != SECOND)


def test_lease_without_its_labels_is_renewed(world: World) -> None:
    world.declare("unlabelled", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("unlabelled")
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = world.http.patch(LEASE, json={"metadata": {"labels": None}}, headers=headers).raise_for_status()
    first = answer.json()["spec"]
    world.wait("it is renewed", lambda: world.http.get(LEASE).json()["spec"]["renewTime"] != first["renewTime"])
    world.edit("unlabelled", {"spec": {"parameters": [{"name": "a", "value": "2"}]}})
    world.wait_ready("unlabelled")
    assert holder(world) == first["holderIdentity"]
