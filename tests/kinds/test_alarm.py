"""Alarms: their metrics, the calls they take, and their ownership."""

import time
from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, REQUESTED, AwsHarness
from tests.kinds.cases.alarm import TOPIC, create, described, name_of, retag, spec

from dynconfig.aws.drift_metric import DriftMetric
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds._shared.function_access import environment
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm
from dynconfig.kinds.dashboard.dashboards import Dashboard
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned
from dynconfig.model.plan import AnyKind, drifted
from dynconfig_function import metrics
from dynconfig_function.settings import Identity

pytestmark = pytest.mark.lab

DEFAULTS: dict[str, Any] = {"function": {}, "alarms": {}}
POLL = {"cloudwatch.DescribeAlarms": 1}


def alarms(harness: AwsHarness) -> tuple[AnyKind, ...]:
    return harness.kinds(Alarm)


def desired(harness: AwsHarness, declaration: Declaration) -> dict[str, Alarm]:
    """The declared alarms, by the name within the object."""
    (kind,) = alarms(harness)
    return {alarm.name.rpartition("/")[2]: alarm for alarm in kind.desired(declaration)}


def observed(harness: AwsHarness, declaration: Declaration, kinds: tuple[AnyKind, ...]) -> dict[str, Alarm]:
    found = Engine(lambda _place: kinds).observe(declaration)
    return {alarm.name.rpartition("/")[2]: alarm for alarm in found if isinstance(alarm, Alarm)}


# --- metrics


def test_default_alarms_are_those_of_the_recipe_and_one_more(harness: AwsHarness) -> None:
    found = desired(harness, harness.declare(DEFAULTS))
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


def test_override_changes_threshold_and_description(harness: AwsHarness) -> None:
    overriding = {"function": {}, "alarms": {"custom": [{"name": "Errors", "threshold": 1}]}}
    before = desired(harness, harness.declare(DEFAULTS))["Errors"]
    after = desired(harness, harness.declare(overriding))["Errors"]
    assert after.threshold == 1.0
    assert {field for field in Alarm.__dataclass_fields__ if getattr(before, field) != getattr(after, field)} == {
        "threshold",
        "description",
    }


@pytest.mark.parametrize("function", [{}, {"name": "own"}, {"name": "theirs", "mode": "Attach"}])
def test_default_alarms_use_metrics_that_the_function_emits(harness: AwsHarness, function: dict[str, Any]) -> None:
    declaration = harness.declare({"function": function, "alarms": {}})
    assert declaration.function
    variables = {"AWS_LAMBDA_FUNCTION_NAME": declaration.names.function}
    written = metrics.document({}, Identity({**environment(declaration, declaration.function), **variables}), "id", 1.0)
    directive: Any = written["_aws"]
    (metric,) = directive["CloudWatchMetrics"]
    found = desired(harness, declaration)["ConfigurationErrors"]
    assert found.namespace == metric["Namespace"]
    dimensions = dict(found.dimensions)
    assert sorted(dimensions) in [sorted(names) for names in metric["Dimensions"]]
    assert all(written[name] == value for name, value in dimensions.items())
    assert dict(desired(harness, declaration)["Errors"].dimensions) == {"FunctionName": declaration.names.function}


def test_alarm_names_have_the_prefix_of_iam_policy_and_event_rule(harness: AwsHarness) -> None:
    named = desired(harness, harness.declare({"function": {"name": "own"}, "alarms": {}}))
    assert named["Errors"].name == "dynconfig-_own/Errors"
    assert desired(harness, harness.declare(DEFAULTS))["Errors"].name == f"{harness.name}/Errors"


def test_metric_alarms_have_no_actions(harness: AwsHarness) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:ops"
    found = desired(harness, harness.declare({"function": {}, "alarms": {"notify": [topic]}}))
    assert {(alarm.alarm_actions, alarm.ok_actions) for alarm in found.values()} == {((), ())}


# --- calls


def test_observing_alarms_and_dashboard_in_sync_takes_two_calls(harness: AwsHarness) -> None:
    everything = {**spec(), "dashboard": True}
    kinds = harness.kinds(Alarm, CompositeAlarm, Dashboard)
    harness.settle(harness.declare(everything), kinds)
    calls = harness.calls(lambda: harness.settle(harness.declare(everything), kinds))
    assert calls == {**POLL, "cloudwatch.GetDashboard": 1}


def test_object_without_alarms_takes_no_call(harness: AwsHarness) -> None:
    kinds = harness.kinds(Alarm, CompositeAlarm, Dashboard)
    without = harness.declare({"function": {}}, status=harness.status(harness.settle(harness.declare({}), kinds)))
    assert harness.calls(lambda: harness.settle(without, kinds)) == {}


def test_all_tags_are_read_in_one_call_after_a_restart(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec()), alarms(harness))
    again = harness.calls(lambda: harness.settle(harness.declare(spec()), alarms(harness)))
    assert again == {**POLL, "resourcegroupstaggingapi.GetResources": 1}


def test_no_read_is_needed_after_an_edit(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    harness.settle(harness.declare(spec()), kinds)
    edited = harness.declare(spec(threshold=7, tags={"stage": "dev"}), generation=2)
    harness.settle(edited, kinds)
    outcomes = []
    assert harness.calls(lambda: outcomes.append(harness.settle(edited, kinds))) == POLL
    assert outcomes[0].plan.is_empty
    assert all(dict(alarm.tags) == {"stage": "dev"} for alarm in observed(harness, edited, alarms(harness)).values())


def test_only_what_differs_is_written(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec()), alarms(harness))
    edited = harness.declare(spec(threshold=7), generation=2)
    calls = harness.calls(lambda: harness.settle(edited, alarms(harness)))
    assert calls["cloudwatch.PutMetricAlarm"] == 1
    assert "cloudwatch.TagResource" not in calls
    retagged = harness.declare(spec(threshold=7, tags={"team": "other"}), generation=3)
    calls = harness.calls(lambda: harness.settle(retagged, alarms(harness)))
    assert calls["cloudwatch.TagResource"] == 5
    assert "cloudwatch.PutMetricAlarm" not in calls


def test_all_alarms_are_deleted_in_one_call(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec()), alarms(harness))
    deletion = harness.calls(lambda: harness.settle(harness.deletion(spec()), alarms(harness)))
    assert deletion["cloudwatch.DeleteAlarms"] == 1
    assert described(harness) == {}


def test_changed_tag_is_detected_within_an_hour_and_changed_threshold_at_once(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    for _ in range(2):
        harness.settle(harness.declare(spec()), kinds)
    retag("Backlog")(harness)
    declaration = harness.declare(spec())
    assert dict(observed(harness, declaration, kinds)["Backlog"].tags) == {"team": "shop"}
    harness.clock.now += 3600
    assert dict(observed(harness, declaration, kinds)["Backlog"].tags) == {"team": "other"}


def test_manual_request_detects_changed_tag_at_once(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    for _ in range(2):
        harness.settle(harness.declare(spec()), kinds)
    retag("Backlog")(harness)
    harness.clock.now += 60
    requested = harness.declare(spec(), metadata=REQUESTED)
    assert dict(observed(harness, requested, kinds)["Backlog"].tags) == {"team": "other"}


# --- ownership


def test_alarm_recreated_by_others_is_not_owned(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    for _ in range(2):
        harness.settle(harness.declare(spec()), kinds)
    harness.aws("cloudwatch").delete_alarms(AlarmNames=[name_of(harness)])
    create(harness, name_of(harness))
    with pytest.raises(NotOwned, match=f"alarm {name_of(harness)} already exists and has no owner"):
        harness.settle(harness.declare(spec()), kinds)
    assert described(harness)[name_of(harness)]["MetricName"] == "theirs"


def test_tags_are_reread_before_a_deletion(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    for _ in range(2):
        harness.settle(harness.declare(spec()), kinds)
    arn = described(harness)[name_of(harness)]["AlarmArn"]
    harness.aws("cloudwatch").untag_resource(ResourceARN=arn, TagKeys=["dynconfig.dev/owner"])
    harness.settle(harness.declare({**DEFAULTS, "tags": {"team": "shop"}}, generation=2), kinds)
    assert name_of(harness) in described(harness)


def test_tags_of_foreign_alarms_are_read_once(harness: AwsHarness) -> None:
    for number in range(101):
        create(harness, name_of(harness, f"theirs-{number:03}"))
    kinds, declaration = alarms(harness), harness.declare(DEFAULTS)
    harness.settle(declaration, kinds)
    harness.settle(declaration, kinds)
    assert harness.calls(lambda: harness.settle(declaration, kinds)) == {"cloudwatch.DescribeAlarms": 2}


def test_renaming_the_function_replaces_the_alarms(harness: AwsHarness) -> None:
    outcome = harness.settle(harness.declare(DEFAULTS), alarms(harness))
    renamed = {"function": {"name": f"{harness.name}-2"}, "alarms": {}}
    again = harness.declare(renamed, generation=2, status=harness.status(outcome))
    harness.settle(again, alarms(harness))
    assert {name.partition("/")[0] for name in described(harness)} == {f"{harness.name}-2"}


# --- alarm state


def test_drift_alarm_fires_until_drift_is_resolved(harness: AwsHarness) -> None:
    requested = {"alarms": {"defaults": False, "drift": True, "notify": [TOPIC]}}
    declaration, name = harness.declare(requested), name_of(harness, "Drift")
    harness.settle(declaration, harness.kinds(Alarm, CompositeAlarm))
    assert described(harness, "CompositeAlarm") == {}
    assert described(harness)[name]["AlarmActions"] == described(harness)[name]["OKActions"] == [TOPIC]
    metric, now = DriftMetric(harness.session.client("cloudwatch", REGION)), time.time()
    states = []
    for points in ({now - 600: 0}, {now - 90: 2}, {now - 10: 0}):
        metric.show(declaration.owner.title, points)
        harness.lab.evaluate_alarms()
        states.append(described(harness)[name]["StateValue"])
    assert states == ["INSUFFICIENT_DATA", "ALARM", "OK"]


def test_alarm_state_is_observed_but_not_compared(harness: AwsHarness) -> None:
    kinds, declaration = alarms(harness), harness.declare(spec())
    harness.settle(declaration, kinds)
    harness.aws("cloudwatch").set_alarm_state(AlarmName=name_of(harness), StateValue="ALARM", StateReason="a test")
    outcome = harness.settle(declaration, kinds)
    assert outcome.plan.is_empty
    (alarm,) = (found for found in outcome.owned if isinstance(found, Alarm) and found.name == name_of(harness))
    assert alarm.state == "ALARM"
    assert alarm.since == described(harness)[name_of(harness)]["StateTransitionedTimestamp"].timestamp()


def test_edited_alarm_keeps_its_state(harness: AwsHarness) -> None:
    kinds = alarms(harness)
    harness.settle(harness.declare(spec()), kinds)
    harness.aws("cloudwatch").set_alarm_state(AlarmName=name_of(harness), StateValue="ALARM", StateReason="a test")
    outcome = harness.settle(harness.declare(spec(threshold=7), generation=2), kinds)
    (alarm,) = (found for found in outcome.owned if isinstance(found, Alarm) and found.name == name_of(harness))
    assert alarm.state == described(harness)[name_of(harness)]["StateValue"] == "ALARM"


def test_external_change_of_an_alarm_is_drift_but_an_edit_is_not(harness: AwsHarness) -> None:
    status = harness.status(harness.settle(harness.declare(spec()), alarms(harness)))
    harness.aws("cloudwatch").disable_alarm_actions(AlarmNames=[name_of(harness)])
    same = harness.declare(spec(), status=status)
    (step,) = Engine(lambda _place: alarms(harness)).assess(same, 0.0).plan.steps
    assert drifted(step, same)
    harness.aws("cloudwatch").enable_alarm_actions(AlarmNames=[name_of(harness)])
    edited = harness.declare(spec(threshold=7), generation=2, status=status)
    (step,) = Engine(lambda _place: alarms(harness)).assess(edited, 0.0).plan.steps
    assert not drifted(step, edited)


def test_recreated_alarm_is_not_mistaken_for_the_deleted_one(harness: AwsHarness) -> None:
    create(harness, name_of(harness))
    kinds, declaration = alarms(harness), harness.declare(spec())
    engine = Engine(lambda _place: kinds)
    assert isinstance(engine.run(declaration).error, NotOwned)
    harness.aws("cloudwatch").delete_alarms(AlarmNames=[name_of(harness)])
    assert engine.run(declaration).is_complete
    assert engine.run(declaration).error is None
