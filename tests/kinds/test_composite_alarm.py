"""The composite alarm: it fires with any alarm, and is created and deleted in the right order."""

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.alarm import TOPIC, compose, described, name_of, spec

from dynconfig.api.alarms import DEFAULT_NAMES, MAX_CUSTOM, UNHEALTHY
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm, rule
from dynconfig.model.naming import Names
from dynconfig.model.plan import AnyKind, Create, Delete, Update
from dynconfig.model.resource import Owner

pytestmark = pytest.mark.lab

WITHOUT_DEFAULTS = {"function": {}, "alarms": {"defaults": False}}


def kinds(harness: AwsHarness) -> tuple[AnyKind, ...]:
    return harness.kinds(Alarm, CompositeAlarm)


def state(harness: AwsHarness) -> str:
    return str(described(harness, "CompositeAlarm")[name_of(harness, UNHEALTHY)]["StateValue"])


@pytest.mark.parametrize("alarm", [*DEFAULT_NAMES, "Backlog"])
def test_composite_alarm_fires_if_any_alarm_fires(harness: AwsHarness, alarm: str) -> None:
    harness.settle(harness.declare(spec(notify=(TOPIC,))), kinds(harness))
    cloudwatch = harness.aws("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=name_of(harness, alarm), StateValue="ALARM", StateReason="a test")
    assert state(harness) == "ALARM"
    cloudwatch.set_alarm_state(AlarmName=name_of(harness, alarm), StateValue="OK", StateReason="a test")
    assert state(harness) == "OK"


def test_topics_are_notified_of_alarm_and_ok(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec(notify=(TOPIC,))), kinds(harness))
    found = described(harness, "CompositeAlarm")[name_of(harness, UNHEALTHY)]
    assert (found["AlarmActions"], found["OKActions"]) == ([TOPIC], [TOPIC])


def test_no_composite_alarm_without_alarms(harness: AwsHarness) -> None:
    outcome = harness.settle(harness.declare(WITHOUT_DEFAULTS), kinds(harness))
    assert outcome.plan.declared == ()


def test_composite_alarm_is_created_after_its_alarms_and_deleted_before_them(harness: AwsHarness) -> None:
    made = harness.settle(harness.declare(spec()), kinds(harness)).applied
    assert [type(step.change) for step in made] == [Create] * 6
    assert isinstance(made[-1].resource, CompositeAlarm)
    deleted = harness.settle(harness.deletion(spec()), kinds(harness)).applied
    assert [type(step.change) for step in deleted] == [Delete] * 6
    assert isinstance(deleted[0].resource, CompositeAlarm)


def test_alarm_is_removed_from_the_rule_before_its_deletion(harness: AwsHarness) -> None:
    status = harness.status(harness.settle(harness.declare(spec()), kinds(harness)))
    without = {"function": {}, "alarms": {}, "tags": {"team": "shop"}}
    outcome = harness.settle(harness.declare(without, generation=2, status=status), kinds(harness))
    assert [(type(step.change), type(step.resource)) for step in outcome.applied] == [
        (Update, CompositeAlarm),
        (Delete, Alarm),
    ]
    assert "Backlog" not in described(harness, "CompositeAlarm")[name_of(harness, UNHEALTHY)]["AlarmRule"]


def test_two_composite_alarms_are_deleted_in_two_calls(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec()), kinds(harness))
    compose(harness, name_of(harness, "second"))
    arn = described(harness, "CompositeAlarm")[name_of(harness, "second")]["AlarmArn"]
    mark = [{"Key": "dynconfig.dev/owner", "Value": harness.owner().tag}]
    harness.aws("cloudwatch").tag_resource(ResourceARN=arn, Tags=mark)
    calls = harness.calls(lambda: harness.settle(harness.deletion(spec()), kinds(harness)))
    assert calls["cloudwatch.DeleteAlarms"] == 3
    assert described(harness, "CompositeAlarm") == {}


def test_maximum_number_of_alarms_fits_in_a_rule() -> None:
    names = Names.of(Owner("cluster", "n" * 63, "m" * 63, "uid"), "ap-southeast-1", "f" * 64, None)
    most = [names.alarm("x" * 128) for _ in range(MAX_CUSTOM + len(DEFAULT_NAMES))]
    assert all(len(name) <= 255 for name in most)
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    assert len(rule(most)) <= 10240


def test_shared_response_is_used_only_once(harness: AwsHarness) -> None:
    both, declaration = kinds(harness), harness.declare(spec())
    harness.settle(declaration, both)
    compose(harness, name_of(harness, "theirs"))
    calls = harness.calls(lambda: harness.settle(declaration, both))
    assert calls["cloudwatch.DescribeAlarms"] == 1
    (composites,) = (kind for kind in both if kind.value is CompositeAlarm)
    alone = harness.calls(lambda: harness.settle(declaration, (composites,)))
    assert alone["cloudwatch.DescribeAlarms"] == 1
