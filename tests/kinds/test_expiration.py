"""Parameters whose Expiration has passed; policies are checked before the first write."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.emulated import AWS_TIME
from tests.kinds.aws_harness import AwsHarness

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

pytestmark = pytest.mark.lab

END = datetime(2040, 1, 1, tzinfo=UTC)
EXPIRATION = {"type": "Expiration", "attributes": {"Timestamp": "2040-01-01T00:00:00.000Z"}}


def spec(plain: str, *policies: dict[str, Any]) -> dict[str, Any]:
    token = {"name": "token", "value": "t", "tier": "Advanced", "policies": list(policies)}
    return {"parameters": [token, {"name": "plain", "value": plain}]}


def run(harness: AwsHarness, plain: str, now: float, **about: Any) -> Outcome:
    engine = Engine(lambda _place: (harness.parameters(),))
    return engine.run(harness.declare(spec(plain, EXPIRATION), **about), now=now)


def test_expired_parameter_is_not_recreated_and_the_rest_is_written(harness: AwsHarness) -> None:
    before = run(harness, "1", END.timestamp() - 10)
    assert before.is_complete
    status = harness.status(before)
    harness.aws().delete_parameter(Name=f"{harness.path}/token")
    outcome = run(harness, "2", END.timestamp() + 10, status=status, generation=2)
    assert outcome.is_complete
    assert harness.versions() == {"plain": 2}
    after = report.status(outcome, PreviousStatus.of(status), END.timestamp() + 10, None)
    ready = after["conditions"][0]
    assert (ready["status"], after["expired"]) == ("True", [f"{harness.path}/token"])
    assert f"Expired: {harness.path}/token (deleted by AWS)" in ready["message"]


def test_just_expired_parameter_is_left_to_aws(harness: AwsHarness) -> None:
    status = harness.status(run(harness, "1", END.timestamp() - 10))
    outcome = run(harness, "2", END.timestamp() + 10, status=status, generation=2)
    assert outcome.is_complete
    assert [type(step.change).__name__ for step in outcome.applied] == ["Update"]
    assert harness.versions() == {"plain": 2, "token": 1}


def test_parameter_deleted_before_its_expiration_is_recreated(harness: AwsHarness) -> None:
    status = harness.status(run(harness, "1", END.timestamp() - 10))
    harness.aws().delete_parameter(Name=f"{harness.path}/token")
    assert run(harness, "1", END.timestamp() - 5, status=status).is_complete
    assert set(harness.versions()) == {"plain", "token"}


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ([{"type": "Expiration", "attributes": {}}], "attributes must be Timestamp"),
        ([{"type": "Expiration", "attributes": {"Timestamp": "tomorrow"}}], "ISO 8601"),
        ([{"type": "Expiration", "attributes": {"Timestamp": "2040-01-01T00:00:00"}}], "with time zone"),
        (
            [EXPIRATION, {"type": "ExpirationNotification", "attributes": {"Before": "0", "Unit": "Days"}}],
            "must be positive whole numbers",
        ),
        ([{"type": "NoChangeNotification", "attributes": {"After": "3", "Unit": "Weeks"}}], "Days or Hours"),
        ([{"type": "NoChangeNotification", "attributes": {"Before": "3", "Unit": "Days"}}], "After and Unit"),
        ([{"type": "ExpirationNotification", "attributes": {"Before": "3", "Unit": "Days"}}], "at most one Expiration"),
        ([EXPIRATION, EXPIRATION], "at most one Expiration"),
    ],
)
def test_policies_are_checked_before_the_first_write(
    harness: AwsHarness, policies: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(InvalidSpec, match=message):
        harness.declare(spec("1", *policies))


def test_documented_policies_are_accepted(harness: AwsHarness) -> None:
    more = [
        {"type": "ExpirationNotification", "attributes": {"Before": "15", "Unit": "Days"}},
        {"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Hours"}},
    ]
    assert harness.apply(harness.declare(spec("1", EXPIRATION, *more))).is_complete


FIELD = "spec.parameters[token].policies[0].attributes.Timestamp"


def test_past_expiration_on_a_new_parameter_is_rejected_before_the_first_write(harness: AwsHarness) -> None:
    late = END.timestamp() + 10
    outcome = run(harness, "1", late, metadata={"finalizers": []})
    assert isinstance(outcome.error, InvalidSpec)
    assert f"{FIELD} is in the past (2040-01-01T00:00:00Z)" in str(outcome.error)
    assert harness.versions() == {}
    # A rejected parameter does not count as written.
    again = run(harness, "1", late, status=report.status(outcome, PreviousStatus(), late, None))
    assert isinstance(again.error, InvalidSpec)


def test_past_expiration_on_an_added_parameter_is_rejected(harness: AwsHarness) -> None:
    kind = harness.parameters()
    engine = Engine(lambda _place: (kind,))
    before = engine.run(harness.declare({"parameters": [{"name": "plain", "value": "1"}]}), now=END.timestamp())
    status = harness.status(before)
    outcome = run(harness, "2", END.timestamp() + 10, status=status, generation=2)
    assert isinstance(outcome.error, InvalidSpec)
    assert harness.versions() == {"plain": 1}


def test_expired_parameters_are_recorded_in_status(harness: AwsHarness) -> None:
    status, late = harness.status(run(harness, "1", END.timestamp() - 10)), END.timestamp() + 10
    harness.aws().delete_parameter(Name=f"{harness.path}/token")
    for _ in range(3):
        outcome = run(harness, "1", late, status=status)
        assert outcome.is_complete
        status = report.status(outcome, PreviousStatus.of(status), late, None)


def test_function_does_not_read_expired_parameters(harness: AwsHarness) -> None:
    managed = {"mode": "Managed", "runtime": "python3.13"}

    def reconcile(now: float, status: dict[str, Any] | None = None) -> Outcome:
        engine = Engine(lambda _place: harness.kinds())
        declared = {**spec("1", EXPIRATION), "function": managed, "driftPolicy": "Report"}
        return engine.run(harness.declare(declared, status=status), now=now)

    before, after = END.timestamp() - 10, END.timestamp() + 10
    status: dict[str, Any] | None = None
    for _ in range(20):
        outcome = reconcile(before, status)
        status = report.status(outcome, PreviousStatus.of(status), before, None)
        if outcome.is_complete:
            break
        AWS_TIME.pass_quickly()
    assert outcome.is_complete
    harness.aws().delete_parameter(Name=f"{harness.path}/token")
    outcome = reconcile(after, status)
    assert outcome.drift == ()
    assert [step.resource.title for step in outcome.applied] == [f"Function {harness.name}"]
    (step,) = outcome.applied
    assert '"token"' not in dict(step.resource.environment)["DYNCONFIG_PARAMETERS"]  # type: ignore[attr-defined]
