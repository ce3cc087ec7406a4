"""Nothing that is not ours is changed or deleted."""

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_a_strangers_parameter_is_refused_and_left_alone(world: World) -> None:
    world.ssm.put_parameter(Name=f"{world.path}/a", Value="theirs", Type="String")
    world.declare("refused", world.spec({"name": "a", "value": "ours"}, {"name": "b", "value": "ours"}))
    message = world.wait_reason("refused", "NotOwned")
    assert (
        f"parameter Parameter {world.path}/a exists already" in message or f"{world.path}/a exists already" in message
    )
    assert "adoptionPolicy: IfUnowned" in message
    assert (world.names(), world.value("a")) == (["a"], "theirs")
    world.delete("refused")
    world.wait("the object is gone", lambda: world.is_gone("refused"))
    assert world.value("a") == "theirs"


def test_an_unowned_parameter_is_adopted_on_request(world: World) -> None:
    world.ssm.put_parameter(Name=f"{world.path}/a", Value="old", Type="String", Description="old")
    world.declare("adopts", world.spec({"name": "a", "value": "new"}, adoptionPolicy="IfUnowned"))
    world.wait_ready("adopts")
    assert (world.value("a"), world.version("a")) == ("new", 2)
    assert "DriftFound" not in dict(world.events("adopts"))


def test_of_two_objects_the_first_keeps_a_parameter(world: World) -> None:
    world.declare("first", world.spec({"name": "shared", "value": "1"}))
    world.wait_ready("first")
    world.declare("second", world.spec({"name": "shared", "value": "2"}, adoptionPolicy="IfUnowned"))
    message = world.wait_reason("second", "NotOwned")
    assert f"belongs to {world.namespace}/first; rename it; or remove it from {world.namespace}/first" in message
    world.look_now("first")
    assert (world.value("shared"), world.version("shared")) == ("1", 1)
    world.delete("second")
    world.wait("the second is gone", lambda: world.is_gone("second"))
    assert world.value("shared") == "1"
