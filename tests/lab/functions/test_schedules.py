"""The clock of EventBridge Scheduler: due schedules invoke their function if their role allows it."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.scheduler.models import scheduler_backends
from tests.lab.functions.bench import Bench

from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.functions.schedules import Schedules
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

CALLING = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}
_numbers = itertools.count(1)


class Calls:
    """Replaces the functions and records what was delivered."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str, bytes]] = []

    def deliver(self, region: str, name: str, event: bytes) -> None:
        self.made.append((region, name, event))


class ScheduleHarness:
    """A clock that the test sets, and schedules that invoke only functions of the test."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.now = datetime.now(UTC).timestamp()
        self.calls = Calls()
        self.function = f"arn:aws:lambda:eu-west-1:123456789012:function:scheduled-{next(_numbers)}"
        self.role = bench.role(CALLING, service="scheduler")
        self.schedules = Schedules(self.calls, Roles(lambda: 0.0), lambda: self.now)
        self.names: list[str] = []

    def add(self, expression: str, **more: Any) -> str:
        """A schedule in UTC, once Scheduler can assume the role."""
        name = f"harness-{next(_numbers)}"
        target = {"Arn": self.function, "RoleArn": self.role, **more.pop("Target", {})}
        wanted = {"Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": {"Mode": "OFF"}, **more}
        assert wait_until(lambda: self._added({**wanted, "Target": target}), 20)
        self.names.append(name)
        return name

    def after(self, seconds: float) -> int:
        """The number of calls after this time has passed."""
        before = len(self.mine())
        self.now += seconds
        self.schedules.tick()
        return len(self.mine()) - before

    def mine(self) -> list[bytes]:
        """The payloads that the function of this test received."""
        return [event for _region, name, event in self.calls.made if name == self.function]

    def _added(self, wanted: dict[str, Any]) -> bool:
        try:
            self.bench.aws("scheduler").create_schedule(**wanted)
        except ClientError as error:
            if "to assume the role" in str(error):
                return False
            raise
        return True


@pytest.fixture
def harness(bench: Bench) -> Iterator[ScheduleHarness]:
    harness = ScheduleHarness(bench)
    # The test advances it.
    harness.schedules.stop()
    yield harness
    for name in harness.names:
        bench.aws("scheduler").delete_schedule(Name=name)


def test_rate_fires_when_its_interval_has_passed(harness: ScheduleHarness) -> None:
    harness.add("rate(5 minutes)")
    assert [harness.after(seconds) for seconds in (200, 90, 20, 270, 40)] == [0, 0, 1, 0, 1]


def test_failing_schedule_does_not_affect_others(harness: ScheduleHarness, caplog: pytest.LogCaptureFixture) -> None:
    broken = harness.add("rate(1 minute)")
    harness.add("rate(2 minutes)")
    stored = scheduler_backends[ACCOUNT]["eu-west-1"].schedule_groups["default"].schedules[broken]
    stored.schedule_expression_timezone = "Nowhere/Nothing"
    assert harness.after(130) == 1
    logged = [record for record in caplog.records if record.levelname == "ERROR" and broken in record.getMessage()]
    assert logged
    assert all(record.exc_info for record in logged), "with a traceback"


def test_change_restarts_the_interval(harness: ScheduleHarness) -> None:
    name = harness.add("rate(1 day)")
    assert harness.after(3 * 3600) == 0
    target = {"Arn": harness.function, "RoleArn": harness.role}
    harness.bench.aws("scheduler").update_schedule(
        Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
    )
    assert harness.after(3600) == 1


def test_cron_expression_fires_in_its_minute_and_time_zone(harness: ScheduleHarness) -> None:
    harness.now = datetime(2027, 7, 1, 6, 59, 30, tzinfo=UTC).timestamp()
    harness.schedules.tick()
    harness.add("cron(0 9 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin")
    assert [harness.after(seconds) for seconds in (29, 1, 1, 60)] == [0, 1, 0, 0]


def test_at_expression_fires_once(harness: ScheduleHarness) -> None:
    harness.now = datetime(2099, 1, 1, 11, 59, tzinfo=UTC).timestamp()
    harness.schedules.tick()
    harness.add("at(2099-01-01T12:00:00)")
    assert [harness.after(30) for _ in range(4)] == [0, 1, 0, 0]


def test_completed_schedule_can_delete_itself(harness: ScheduleHarness) -> None:
    harness.now = datetime(2099, 1, 1, 11, 59, tzinfo=UTC).timestamp()
    harness.schedules.tick()
    name = harness.add("at(2099-01-01T12:00:00)", ActionAfterCompletion="DELETE")
    assert harness.after(60) == 1
    harness.names.remove(name)
    with pytest.raises(harness.bench.aws("scheduler").exceptions.ResourceNotFoundException):
        harness.bench.aws("scheduler").get_schedule(Name=name)


def test_disabled_schedule_does_not_fire(harness: ScheduleHarness) -> None:
    name = harness.add("rate(1 minute)", State="DISABLED")
    assert harness.after(61) == 0
    assert harness.schedules.fire(name) == 1
    assert harness.mine() == []


def test_schedule_does_not_fire_before_its_start_and_after_its_end(harness: ScheduleHarness) -> None:
    start, end = harness.now + 1000, harness.now + 2000
    harness.add("rate(1 minute)", StartDate=start, EndDate=end)
    assert [harness.after(seconds) for seconds in (900, 200, 1000)] == [0, 1, 0]


def test_any_schedule_fires_on_request(harness: ScheduleHarness) -> None:
    name = harness.add("rate(30 days)", Target={"Input": '{"colour": "red"}'})
    assert harness.schedules.fire(name) == 1
    assert harness.mine() == [b'{"colour": "red"}']
    assert harness.schedules.fire("none") == 0


def test_function_receives_an_event_without_an_input(harness: ScheduleHarness) -> None:
    name = harness.add("rate(30 days)")
    harness.schedules.fire(name)
    (event,) = harness.mine()
    assert b'"source": "aws.scheduler"' in event
    assert f":schedule/default/{name}".encode() in event


def test_keywords_in_an_input_are_replaced(harness: ScheduleHarness) -> None:
    name = harness.add(
        "rate(30 days)", Target={"Input": '"<aws.scheduler.schedule-arn> <aws.scheduler.attempt-number>"'}
    )
    harness.schedules.fire(name)
    assert harness.mine()[0].endswith(f':schedule/default/{name} 1"'.encode())


def test_role_without_invoke_permission_invokes_nothing(
    harness: ScheduleHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.role = harness.bench.role({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}, service="scheduler")
    harness.schedules.fire(harness.add("rate(1 minute)"))
    assert harness.mine() == []
    assert "may not invoke" in caplog.text


def test_unsupported_target_is_logged(harness: ScheduleHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.schedules.fire(harness.add("rate(1 minute)", Target={"Arn": "arn:aws:sqs:eu-west-1:123456789012:queue"}))
    assert harness.calls.made == []
    assert "call functions only" in caplog.text


def test_function_is_really_invoked(bench: Bench, harness: ScheduleHarness) -> None:
    name = bench.function("def handle(event, context):\n    print('called by', event)\n")
    harness.function = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
    schedule = harness.add("rate(30 days)", Target={"Input": '"the clock"'})
    assert bench.fire(schedule) == 1
    assert bench.said(name, "called by the clock")
