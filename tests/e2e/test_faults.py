"""AWS denies, throttles, fails, hangs or is down: the object reports why, and recovers without help."""

import pytest
from tests.e2e.world import World

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

FIVE = [{"name": f"p{index}", "value": "1"} for index in range(5)]


def test_access_denied_stalls_with_the_message_of_aws(world: World) -> None:
    words = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ssm:PutParameter"
    world.stack.lab.faults(Faults(errors={"ssm.PutParameter": Injected("AccessDeniedException", words)}))
    world.declare("denied", world.spec(*FIVE))
    message = world.wait_reason("denied", "AccessDenied")
    assert words in message
    assert world.path in message
    world.stack.lab.faults(Faults())
    world.reconcile_now("denied")
    world.wait_ready("denied")


def test_unknown_kms_key_is_named_and_all_other_parameters_are_written(world: World) -> None:
    world.secret("db", password="x-canary")
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    parameter = {"name": "password", "kmsKeyId": "alias/missing", "valueFrom": reference}
    world.declare("keyless", world.spec({"name": "a", "value": "1"}, parameter))
    assert "alias/missing" in world.wait_reason("keyless", "Refused")
    assert world.names() == ["a"]
    assert [item["resource"].rpartition("/")[2] for item in world.status("keyless")["refused"]] == ["password"]


def test_advanced_tier_cannot_be_downgraded_and_the_value_is_written(world: World) -> None:
    world.declare("tiered", world.spec({"name": "a", "value": "1", "tier": "Advanced"}))
    world.wait_ready("tiered")
    world.edit("tiered", {"spec": {"parameters": [{"name": "a", "value": "2", "tier": "Standard"}]}})
    assert "is in tier Advanced, which SSM cannot change back to Standard" in world.wait_reason("tiered", "NotPossible")
    assert world.value("a") == "2"


@pytest.mark.parametrize(
    "faults",
    [
        Faults(throttle={"ssm.PutParameter": 2}),
        Faults(error_rate=0.3),
        Faults(errors={"ssm.PutParameter": Injected("TooManyUpdates", "concurrent", 3)}),
        Faults(errors={"ssm.GetParameters": Injected("ExpiredTokenException", "expired", 2)}),
    ],
    ids=["throttled", "failing", "concurrent updates", "expired credentials"],
)
def test_transient_errors_are_retried_and_not_reported_as_failure(world: World, faults: Faults) -> None:
    world.stack.lab.faults(faults)
    seen: set[str] = set()

    def is_ready() -> bool:
        seen.add(world.condition("tried")[0])
        return world.is_ready("tried")

    world.declare("tried", world.spec(*FIVE))
    world.wait("it is Ready", is_ready, 90)
    assert seen <= {"", "Unknown", "True"}
    world.stack.lab.faults(Faults())
    assert {world.version(item["name"]) for item in FIVE} == {1}


def test_unavailable_aws_is_retried_until_it_is_back(world: World) -> None:
    world.stack.lab.faults(Faults(down=True))
    world.declare("patient", world.spec(*FIVE))
    message = world.wait_reason("patient", "Unavailable", "Unknown")
    assert "AWS is unavailable" in message
    assert world.condition("patient", "Reconciling")[0] == "True"
    world.stack.lab.faults(Faults())
    world.wait_ready("patient", 90)


def test_hanging_aws_call_times_out_and_is_retried(world: World) -> None:
    world.stack.lab.faults(Faults(hang_seconds=2))
    world.declare("hung", world.spec(*FIVE))
    world.wait("status reports why", lambda: world.condition("hung")[1] == "Unavailable", 60)
    world.stack.lab.faults(Faults())
    world.wait_ready("hung", 90)
