"""Objects that are nearly as large as Kubernetes stores: reported on or refused, and deleted at normal speed."""

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

PARAMETERS = 160


def test_an_object_that_cannot_be_reported_on_is_refused_and_goes_at_once(world: World) -> None:
    parameters = [{"name": f"level/{number:04}", "value": "x" * 1400} for number in range(1000)]
    world.declare("huge", world.spec(*parameters))
    message = world.wait_reason("huge", "InvalidSpec")
    assert "with its status" in message
    assert world.names() == []
    world.delete("huge")
    world.wait("the object is gone", lambda: world.is_gone("huge"))


def test_the_largest_object_that_is_accepted_is_reported_on_in_full(world: World) -> None:
    parameters = [
        {"name": f"level/{number:04}", "value": "x" * 8192, "tier": "Advanced"} for number in range(PARAMETERS)
    ]
    world.declare("large", world.spec(*parameters))
    world.wait_ready("large", 240)
    status = world.status("large")
    assert status["counts"]["summary"] == f"{PARAMETERS}/{PARAMETERS}"
    assert len(status["parameters"]) == PARAMETERS
    world.delete("large")
    world.wait("the object is gone", lambda: world.is_gone("large"), 120)
    assert world.names() == []
