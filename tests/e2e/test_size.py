"""Objects near the size limit of Kubernetes: they are reported or rejected, and deleted at normal speed."""

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PARAMETERS = 160


def test_object_too_large_for_its_status_is_rejected_and_deleted_at_once(world: World) -> None:
    parameters = [{"name": f"level/{number:04}", "value": "x" * 1400} for number in range(1000)]
    world.declare("huge", world.spec(*parameters))
    message = world.wait_reason("huge", "InvalidSpec")
    assert "with its status" in message
    assert world.names() == []
    world.delete("huge")
    world.wait("the object is deleted", lambda: world.is_gone("huge"))


def test_largest_accepted_object_is_reported_completely(world: World) -> None:
    parameters = [
        {"name": f"level/{number:04}", "value": "x" * 8192, "tier": "Advanced"} for number in range(PARAMETERS)
    ]
    world.declare("large", world.spec(*parameters))
    world.wait_ready("large", 240)
    status = world.status("large")
    assert status["counts"]["summary"] == f"{PARAMETERS}/{PARAMETERS}"
    assert len(status["parameters"]) == PARAMETERS
    world.delete("large")
    world.wait("the object is deleted", lambda: world.is_gone("large"), 120)
    assert world.names() == []
