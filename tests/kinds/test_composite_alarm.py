"""What is special about the alarm over all alarms: it goes off with any of them, and comes and goes in the right order."""

import pytest
from tests.kinds.cases.alarm import TOPIC, compose, described, name_of, spec
from tests.kinds.workshop import Workshop

from dynconfig.api.alarms import DEFAULT_NAMES, MAX_CUSTOM, UNHEALTHY
from dynconfig.engine.naming import Names
from dynconfig.engine.plan import AnyKind, Create, Delete, Update
from dynconfig.engine.resource import Owner
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm, rule

pytestmark = pytest.mark.lab

WITHOUT_DEFAULTS = {"function": {}, "alarms": {"defaults": False}}


def kinds(workshop: Workshop) -> tuple[AnyKind, ...]:
    return workshop.kinds(Alarm, CompositeAlarm)


def state(workshop: Workshop) -> str:
    return str(described(workshop, "CompositeAlarm")[name_of(workshop, UNHEALTHY)]["StateValue"])


@pytest.mark.parametrize("alarm", [*DEFAULT_NAMES, "Backlog"])
def test_it_goes_off_with_any_alarm_of_the_object_and_is_well_with_all(workshop: Workshop, alarm: str) -> None:
    workshop.settle(workshop.declare(spec(notify=(TOPIC,))), kinds(workshop))
    cloudwatch = workshop.aws("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=name_of(workshop, alarm), StateValue="ALARM", StateReason="a test")
    assert state(workshop) == "ALARM"
    cloudwatch.set_alarm_state(AlarmName=name_of(workshop, alarm), StateValue="OK", StateReason="a test")
    assert state(workshop) == "OK"


def test_the_topics_hear_of_both(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(spec(notify=(TOPIC,))), kinds(workshop))
    found = described(workshop, "CompositeAlarm")[name_of(workshop, UNHEALTHY)]
    assert (found["AlarmActions"], found["OKActions"]) == ([TOPIC], [TOPIC])


def test_without_alarms_there_is_nothing_to_be_unhealthy(workshop: Workshop) -> None:
    outcome = workshop.settle(workshop.declare(WITHOUT_DEFAULTS), kinds(workshop))
    assert outcome.plan.declared == ()


def test_it_comes_after_its_alarms_and_goes_before_them(workshop: Workshop) -> None:
    made = workshop.settle(workshop.declare(spec()), kinds(workshop)).applied
    assert [type(step.change) for step in made] == [Create] * 6
    assert isinstance(made[-1].resource, CompositeAlarm)
    gone = workshop.settle(workshop.goodbye(spec()), kinds(workshop)).applied
    assert [type(step.change) for step in gone] == [Delete] * 6
    assert isinstance(gone[0].resource, CompositeAlarm)


def test_an_alarm_that_goes_is_first_taken_out_of_the_rule(workshop: Workshop) -> None:
    status = workshop.status(workshop.settle(workshop.declare(spec()), kinds(workshop)))
    without = {"function": {}, "alarms": {}, "tags": {"team": "shop"}}
    outcome = workshop.settle(workshop.declare(without, generation=2, status=status), kinds(workshop))
    assert [(type(step.change), type(step.resource)) for step in outcome.applied] == [
        (Update, CompositeAlarm),
        (Delete, Alarm),
    ]
    assert "Backlog" not in described(workshop, "CompositeAlarm")[name_of(workshop, UNHEALTHY)]["AlarmRule"]


def test_two_of_them_are_deleted_in_two_calls(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(spec()), kinds(workshop))
    compose(workshop, name_of(workshop, "second"))
    arn = described(workshop, "CompositeAlarm")[name_of(workshop, "second")]["AlarmArn"]
    mark = [{"Key": "dynconfig.dev/owner", "Value": workshop.owner().tag}]
    workshop.aws("cloudwatch").tag_resource(ResourceARN=arn, Tags=mark)
    calls = workshop.calls(lambda: workshop.settle(workshop.goodbye(spec()), kinds(workshop)))
    assert calls["cloudwatch.DeleteAlarms"] == 3
    assert described(workshop, "CompositeAlarm") == {}


def test_as_many_alarms_as_may_be_declared_fit_a_rule_with_the_longest_names() -> None:
    names = Names.of(Owner("cluster", "n" * 63, "m" * 63, "uid"), "ap-southeast-1", "f" * 64, None)
    most = [names.alarm("x" * 128) for _ in range(MAX_CUSTOM + len(DEFAULT_NAMES))]
    assert all(len(name) <= 255 for name in most)
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    assert len(rule(most)) <= 10240


def test_what_was_read_for_both_kinds_is_not_served_a_second_time(workshop: Workshop) -> None:
    both, declaration = kinds(workshop), workshop.declare(spec())
    workshop.settle(declaration, both)
    compose(workshop, name_of(workshop, "theirs"))
    calls = workshop.calls(lambda: workshop.settle(declaration, both))
    assert calls["cloudwatch.DescribeAlarms"] == 1
    (composites,) = (kind for kind in both if kind.value is CompositeAlarm)
    alone = workshop.calls(lambda: workshop.settle(declaration, (composites,)))
    assert alone["cloudwatch.DescribeAlarms"] == 1
