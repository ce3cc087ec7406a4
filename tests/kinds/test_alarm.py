"""What is special about alarms: what they watch, how few calls they cost, and whose they are."""

import time
from typing import Any

import pytest
from tests.kinds.cases.alarm import TOPIC, create, described, name_of, retag, spec
from tests.kinds.workshop import ASKED, REGION, Workshop

from dynconfig.aws.drift_metric import DriftMetric
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotOwned
from dynconfig.engine.plan import AnyKind, drifted
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm
from dynconfig.kinds.dashboard import Dashboard
from dynconfig.kinds.reading import environment
from dynconfig_function import metrics
from dynconfig_function.settings import Identity

pytestmark = pytest.mark.lab

DEFAULTS: dict[str, Any] = {"function": {}, "alarms": {}}
LOOK = {"cloudwatch.DescribeAlarms": 1}


def alarms(workshop: Workshop) -> tuple[AnyKind, ...]:
    return workshop.kinds(Alarm)


def desired(workshop: Workshop, declaration: Declaration) -> dict[str, Alarm]:
    """What is declared, by the name within the object."""
    (kind,) = alarms(workshop)
    return {alarm.name.rpartition("/")[2]: alarm for alarm in kind.desired(declaration)}


def observed(workshop: Workshop, declaration: Declaration, kinds: tuple[AnyKind, ...]) -> dict[str, Alarm]:
    found = Engine(lambda _place: kinds).observe(declaration)
    return {alarm.name.rpartition("/")[2]: alarm for alarm in found if isinstance(alarm, Alarm)}


# --- what they watch


def test_the_default_alarms_are_those_of_the_recipe_and_one_more(workshop: Workshop) -> None:
    found = desired(workshop, workshop.declare(DEFAULTS))
    assert {
        name: (alarm.namespace, alarm.statistic, alarm.period, alarm.threshold, alarm.evaluation_periods)
        for name, alarm in found.items()
    } == {
        "Errors": ("AWS/Lambda", "Sum", 300, 5.0, 2),
        "Duration": ("AWS/Lambda", "Average", 300, 24000.0, 3),
        "FailedParameterRetrievals": ("DynamicConfig", "Sum", 300, 3.0, 2),
        "ConfigurationErrors": ("DynamicConfig", "Sum", 60, 0.0, 1),
    }
    assert {alarm.missing_data for alarm in found.values()} == {"notBreaching"}
    assert {alarm.comparison for alarm in found.values()} == {"GreaterThanThreshold"}


def test_an_override_changes_the_threshold_and_what_the_description_says_of_it(workshop: Workshop) -> None:
    overriding = {"function": {}, "alarms": {"custom": [{"name": "Errors", "threshold": 1}]}}
    before = desired(workshop, workshop.declare(DEFAULTS))["Errors"]
    after = desired(workshop, workshop.declare(overriding))["Errors"]
    assert after.threshold == 1.0
    assert {field for field in Alarm.__dataclass_fields__ if getattr(before, field) != getattr(after, field)} == {
        "threshold",
        "description",
    }


@pytest.mark.parametrize("function", [{}, {"name": "own"}, {"name": "theirs", "mode": "Attach"}])
def test_the_default_alarms_watch_the_very_metrics_that_the_function_writes(
    workshop: Workshop, function: dict[str, Any]
) -> None:
    declaration = workshop.declare({"function": function, "alarms": {}})
    assert declaration.function
    variables = {"AWS_LAMBDA_FUNCTION_NAME": declaration.names.function}
    written = metrics.document({}, Identity({**environment(declaration, declaration.function), **variables}), "id", 1.0)
    directive: Any = written["_aws"]
    (metric,) = directive["CloudWatchMetrics"]
    found = desired(workshop, declaration)["ConfigurationErrors"]
    assert found.namespace == metric["Namespace"]
    dimensions = dict(found.dimensions)
    assert sorted(dimensions) in [sorted(names) for names in metric["Dimensions"]]
    assert all(written[name] == value for name, value in dimensions.items())
    assert dict(desired(workshop, declaration)["Errors"].dimensions) == {"FunctionName": declaration.names.function}


def test_all_names_begin_as_the_policy_and_the_event_rule_expect(workshop: Workshop) -> None:
    named = desired(workshop, workshop.declare({"function": {"name": "own"}, "alarms": {}}))
    assert named["Errors"].name == "dynconfig-own/Errors"
    assert desired(workshop, workshop.declare(DEFAULTS))["Errors"].name == f"{workshop.name}/Errors"


def test_alone_they_notify_nobody(workshop: Workshop) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:ops"
    found = desired(workshop, workshop.declare({"function": {}, "alarms": {"notify": [topic]}}))
    assert {(alarm.alarm_actions, alarm.ok_actions) for alarm in found.values()} == {((), ())}


# --- what they cost


def test_a_look_at_alarms_and_dashboard_in_sync_costs_two_calls(workshop: Workshop) -> None:
    everything = {**spec(), "dashboard": True}
    kinds = workshop.kinds(Alarm, CompositeAlarm, Dashboard)
    workshop.settle(workshop.declare(everything), kinds)
    calls = workshop.calls(lambda: workshop.settle(workshop.declare(everything), kinds))
    assert calls == {**LOOK, "cloudwatch.GetDashboard": 1}


def test_an_object_without_alarms_costs_no_call(workshop: Workshop) -> None:
    kinds = workshop.kinds(Alarm, CompositeAlarm, Dashboard)
    without = workshop.declare({"function": {}}, status=workshop.status(workshop.settle(workshop.declare({}), kinds)))
    assert workshop.calls(lambda: workshop.settle(without, kinds)) == {}


def test_after_a_restart_all_tags_come_in_one_call(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(spec()), alarms(workshop))
    again = workshop.calls(lambda: workshop.settle(workshop.declare(spec()), alarms(workshop)))
    assert again == {**LOOK, "resourcegroupstaggingapi.GetResources": 1}


def test_after_an_edit_nothing_has_to_be_asked_that_the_write_did_not_tell(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    workshop.settle(workshop.declare(spec()), kinds)
    edited = workshop.declare(spec(threshold=7, tags={"stage": "dev"}), generation=2)
    workshop.settle(edited, kinds)
    outcomes = []
    assert workshop.calls(lambda: outcomes.append(workshop.settle(edited, kinds))) == LOOK
    assert outcomes[0].plan.is_empty
    assert all(dict(alarm.tags) == {"stage": "dev"} for alarm in observed(workshop, edited, alarms(workshop)).values())


def test_only_what_differs_is_written(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(spec()), alarms(workshop))
    edited = workshop.declare(spec(threshold=7), generation=2)
    calls = workshop.calls(lambda: workshop.settle(edited, alarms(workshop)))
    assert calls["cloudwatch.PutMetricAlarm"] == 1
    assert "cloudwatch.TagResource" not in calls
    retagged = workshop.declare(spec(threshold=7, tags={"team": "other"}), generation=3)
    calls = workshop.calls(lambda: workshop.settle(retagged, alarms(workshop)))
    assert calls["cloudwatch.TagResource"] == 5
    assert "cloudwatch.PutMetricAlarm" not in calls


def test_all_alarms_go_in_one_call(workshop: Workshop) -> None:
    workshop.settle(workshop.declare(spec()), alarms(workshop))
    goodbye = workshop.calls(lambda: workshop.settle(workshop.goodbye(spec()), alarms(workshop)))
    assert goodbye["cloudwatch.DeleteAlarms"] == 1
    assert described(workshop) == {}


def test_a_changed_tag_is_noticed_within_the_hour_and_a_changed_threshold_at_once(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    for _ in range(2):
        workshop.settle(workshop.declare(spec()), kinds)
    retag("Backlog")(workshop)
    declaration = workshop.declare(spec())
    assert dict(observed(workshop, declaration, kinds)["Backlog"].tags) == {"team": "shop"}
    workshop.clock.now += 3600
    assert dict(observed(workshop, declaration, kinds)["Backlog"].tags) == {"team": "other"}


def test_a_person_who_asks_is_told_of_a_changed_tag_at_once(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    for _ in range(2):
        workshop.settle(workshop.declare(spec()), kinds)
    retag("Backlog")(workshop)
    workshop.clock.now += 60
    asked = workshop.declare(spec(), metadata=ASKED)
    assert dict(observed(workshop, asked, kinds)["Backlog"].tags) == {"team": "other"}


# --- whose they are


def test_an_alarm_that_a_stranger_made_anew_is_the_strangers(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    for _ in range(2):
        workshop.settle(workshop.declare(spec()), kinds)
    workshop.aws("cloudwatch").delete_alarms(AlarmNames=[name_of(workshop)])
    create(workshop, name_of(workshop))
    with pytest.raises(NotOwned, match=f"alarm {name_of(workshop)} already exists and has no owner"):
        workshop.settle(workshop.declare(spec()), kinds)
    assert described(workshop)[name_of(workshop)]["MetricName"] == "theirs"


def test_nothing_is_deleted_without_its_tags_having_been_asked_for(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    for _ in range(2):
        workshop.settle(workshop.declare(spec()), kinds)
    arn = described(workshop)[name_of(workshop)]["AlarmArn"]
    workshop.aws("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=["dynconfig.dev/owner"])
    workshop.settle(workshop.declare({**DEFAULTS, "tags": {"team": "shop"}}, generation=2), kinds)
    assert name_of(workshop) in described(workshop)


def test_strangers_alarms_beside_ours_are_asked_about_once(workshop: Workshop) -> None:
    for number in range(101):
        create(workshop, name_of(workshop, f"theirs-{number:03}"))
    kinds, declaration = alarms(workshop), workshop.declare(DEFAULTS)
    workshop.settle(declaration, kinds)
    workshop.settle(declaration, kinds)
    assert workshop.calls(lambda: workshop.settle(declaration, kinds)) == {"cloudwatch.DescribeAlarms": 2}


def test_with_another_function_the_alarms_are_others_and_the_old_ones_go(workshop: Workshop) -> None:
    outcome = workshop.settle(workshop.declare(DEFAULTS), alarms(workshop))
    renamed = {"function": {"name": f"{workshop.name}-2"}, "alarms": {}}
    again = workshop.declare(renamed, generation=2, status=workshop.status(outcome))
    workshop.settle(again, alarms(workshop))
    assert {name.partition("/")[0] for name in described(workshop)} == {f"{workshop.name}-2"}


# --- what CloudWatch makes of them


def test_the_alarm_on_drift_goes_off_with_drift_and_keeps_its_state_until_drift_is_gone(workshop: Workshop) -> None:
    asked = {"alarms": {"defaults": False, "drift": True, "notify": [TOPIC]}}
    declaration, name = workshop.declare(asked), name_of(workshop, "Drift")
    workshop.settle(declaration, workshop.kinds(Alarm, CompositeAlarm))
    assert described(workshop, "CompositeAlarm") == {}
    assert described(workshop)[name]["AlarmActions"] == described(workshop)[name]["OKActions"] == [TOPIC]
    metric, now = DriftMetric(workshop.session.client("cloudwatch", REGION)), time.time()
    states = []
    for points in ({now - 600: 0}, {now - 90: 2}, {now - 10: 0}):
        metric.show(declaration.owner.title, points)
        workshop.lab.evaluate_alarms()
        states.append(described(workshop)[name]["StateValue"])
    assert states == ["INSUFFICIENT_DATA", "ALARM", "OK"]


def test_the_state_is_seen_with_its_time_and_is_no_difference(workshop: Workshop) -> None:
    kinds, declaration = alarms(workshop), workshop.declare(spec())
    workshop.settle(declaration, kinds)
    workshop.aws("cloudwatch").set_alarm_state(AlarmName=name_of(workshop), StateValue="ALARM", StateReason="a test")
    outcome = workshop.settle(declaration, kinds)
    assert outcome.plan.is_empty
    (alarm,) = (found for found in outcome.owned if isinstance(found, Alarm) and found.name == name_of(workshop))
    assert alarm.state == "ALARM"
    assert alarm.since == described(workshop)[name_of(workshop)]["StateTransitionedTimestamp"].timestamp()


def test_an_edited_alarm_keeps_its_state(workshop: Workshop) -> None:
    kinds = alarms(workshop)
    workshop.settle(workshop.declare(spec()), kinds)
    workshop.aws("cloudwatch").set_alarm_state(AlarmName=name_of(workshop), StateValue="ALARM", StateReason="a test")
    outcome = workshop.settle(workshop.declare(spec(threshold=7), generation=2), kinds)
    (alarm,) = (found for found in outcome.owned if isinstance(found, Alarm) and found.name == name_of(workshop))
    assert alarm.state == described(workshop)[name_of(workshop)]["StateValue"] == "ALARM"


def test_an_alarm_that_somebody_changed_is_drift_and_one_that_was_edited_is_not(workshop: Workshop) -> None:
    status = workshop.status(workshop.settle(workshop.declare(spec()), alarms(workshop)))
    workshop.aws("cloudwatch").disable_alarm_actions(AlarmNames=[name_of(workshop)])
    same = workshop.declare(spec(), status=status)
    (step,) = Engine(lambda _place: alarms(workshop)).assess(same, 0.0).plan.steps
    assert drifted(step, same)
    workshop.aws("cloudwatch").enable_alarm_actions(AlarmNames=[name_of(workshop)])
    edited = workshop.declare(spec(threshold=7), generation=2, status=status)
    (step,) = Engine(lambda _place: alarms(workshop)).assess(edited, 0.0).plan.steps
    assert not drifted(step, edited)


def test_an_alarm_that_is_made_where_another_was_deleted_is_not_taken_for_that(workshop: Workshop) -> None:
    create(workshop, name_of(workshop))
    kinds, declaration = alarms(workshop), workshop.declare(spec())
    engine = Engine(lambda _place: kinds)
    assert isinstance(engine.run(declaration).error, NotOwned)
    workshop.aws("cloudwatch").delete_alarms(AlarmNames=[name_of(workshop)])
    assert engine.run(declaration).is_complete
    assert engine.run(declaration).error is None
