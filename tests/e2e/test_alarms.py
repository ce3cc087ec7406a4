"""Alarms and dashboard from kubectl to CloudWatch: what the API server rejects, and the whole life cycle."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.e2e.world import World

from dynconfig.validation.declare import faults

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ops"
QUEUE: dict[str, Any] = {
    "name": "Backlog",
    "metric": "ApproximateNumberOfMessagesVisible",
    "namespace": "AWS/SQS",
    "statistic": "Maximum",
    "threshold": 100,
    "comparison": "GreaterThanThreshold",
}
OWN = {"defaults": False, "custom": [QUEUE]}


def custom(*, without: str = "", **changes: Any) -> dict[str, Any]:
    alarm = {key: value for key, value in {**QUEUE, **changes}.items() if key != without}
    return {"alarms": {"defaults": False, "custom": [alarm]}}


# The fault, the spec, the field in the API server's error, and the rule.
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("impossible period", custom(periodSeconds=45), "alarms.custom[0].periodSeconds", "a multiple of 60"),
    ("more than a day", custom(evaluationPeriods=289), "alarms.custom[0].evaluationPeriods", "must not exceed 86400"),
    (
        "more than a week",
        custom(periodSeconds=3600, evaluationPeriods=169),
        "alarms.custom[0].evaluationPeriods",
        "must not exceed 86400",
    ),
    (
        "more datapoints than periods",
        custom(evaluationPeriods=2, datapointsToAlarm=3),
        "alarms.custom[0].datapointsToAlarm",
        "datapointsToAlarm requires evaluationPeriods",
    ),
    ("unknown statistic", custom(statistic="Median"), "alarms.custom[0].statistic", "Sum"),
    ("two statistics", custom(extendedStatistic="p99"), "alarms.custom[0]", "exactly one of statistic"),
    ("no statistic", custom(without="statistic"), "alarms.custom[0]", "exactly one of statistic"),
    ("no threshold", custom(without="threshold"), "alarms.custom[0]", "needs metric, namespace, threshold"),
    ("no metric", custom(without="metric"), "alarms.custom[0]", "needs metric, namespace, threshold"),
    ("a dimension with a colon", custom(dimensions={":a": "b"}), "alarms.custom[0].dimensions", "dimension names"),
    ("the name of the alarm over all", custom(name="unhealthy"), "alarms.custom[0].name", "must not be unhealthy"),
    ("the name of the alarm on drift", custom(name="Drift"), "alarms.custom[0].name", "must not be unhealthy or Drift"),
    ("an over-long name", custom(name="x" * 129), "alarms.custom[0].name", "128"),
    ("a name twice", {"alarms": {"defaults": False, "custom": [QUEUE, QUEUE]}}, "alarms.custom[1]", "uplicate value"),
    ("a topic twice", {"alarms": {**OWN, "notify": [TOPIC, TOPIC]}}, "alarms.notify[1]", "uplicate topic"),
    (
        "a topic of another region",
        {"alarms": {**OWN, "notify": [TOPIC]}, "region": "us-east-1"},
        "spec.alarms",
        "alarms.notify must only have topics in the region of this object",
    ),
    ("no topic", {"alarms": {**OWN, "notify": ["ops@example.org"]}}, "alarms.notify[0]", "match"),
    (
        "six topics",
        {"alarms": {**OWN, "notify": [f"{TOPIC}{number}" for number in range(6)]}},
        "alarms.notify",
        "at most 5",
    ),
    ("default alarms without a function", {"alarms": {}}, "spec.alarms", "alarms.defaults requires function"),
    (
        "an override without a function",
        {"alarms": {"defaults": False, "custom": [{"name": "Errors", "threshold": 1}]}},
        "spec.alarms",
        "alarms.defaults requires function",
    ),
]
# The API server validates sets and list-maps itself, with its own messages.
OWN_WORDS = {"uplicate value": "must not repeat a name", "uplicate topic": "must not repeat a topic"}
# The command line has its own messages for these.
VALIDATE_WORDS = {
    **OWN_WORDS,
    "128": "must not have more than 128 characters",
    "match": "the ARN of an SNS topic: arn:aws:sns:REGION:ACCOUNT:NAME",
    "at most 5": "must not have more than 5 items",
}


@pytest.mark.parametrize(("spec", "field", "rule"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_invalid_alarm_is_rejected_by_field_and_rule(world: World, spec: dict[str, Any], field: str, rule: str) -> None:
    answer = world.create("bad", {**world.spec(), **spec})
    message = answer.json()["message"]
    assert answer.status_code == 422, message
    assert field in message
    assert ("uplicate value" if rule in OWN_WORDS else rule).lower() in message.lower()


@pytest.mark.parametrize(("spec", "rule"), [(row[1], row[3]) for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_validate_rejects_the_same_without_a_cluster(spec: dict[str, Any], rule: str) -> None:
    found = " ".join(faults({"metadata": {"name": "bad"}, "spec": {"path": "/team/app", **spec}}, lambda _source: None))
    assert found
    assert VALIDATE_WORDS.get(rule, rule) in found


def test_alarms_and_dashboard_are_created_and_deleted_with_their_object(world: World) -> None:
    cloudwatch = world.stack.aws("cloudwatch")
    alarms = {"custom": [QUEUE, {"name": "Errors", "threshold": 1}], "notify": [TOPIC]}
    world.declare("watched", world.spec(function={"name": f"{world.namespace}-f"}, alarms=alarms, dashboard=True))
    world.wait_ready("watched", 60)
    prefix = f"dynconfig-_{world.namespace}-f"
    found = cloudwatch.describe_alarms(AlarmNamePrefix=f"{prefix}/", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert {alarm["AlarmName"]: alarm["Threshold"] for alarm in found["MetricAlarms"]} == {
        f"{prefix}/Backlog": 100,
        f"{prefix}/Errors": 1,
        f"{prefix}/Duration": 24000,
        f"{prefix}/FailedParameterRetrievals": 3,
        f"{prefix}/ConfigurationErrors": 0,
    }
    assert [alarm["AlarmActions"] for alarm in found["CompositeAlarms"]] == [[TOPIC]]
    listed = {(item["kind"], item["name"]) for item in world.status("watched")["resources"]}
    assert {("Alarm", f"{prefix}/Errors"), ("CompositeAlarm", f"{prefix}/unhealthy")} <= listed
    assert ("Dashboard", f"{prefix}-eu-west-1") in listed
    body = json.loads(cloudwatch.get_dashboard(DashboardName=f"{prefix}-eu-west-1")["DashboardBody"])
    assert len(body["widgets"]) == 8
    world.delete("watched")
    world.wait("the alarm is deleted", lambda: world.is_gone("watched"), 60)
    assert cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"] == []
    assert cloudwatch.list_dashboards(DashboardNamePrefix=prefix)["DashboardEntries"] == []


def test_deleted_alarm_is_recreated_and_state_changes_cause_no_reconcile(world: World) -> None:
    cloudwatch = world.stack.aws("cloudwatch")
    world.declare("back", world.spec(alarms=OWN))
    world.wait_ready("back")
    name = f"dynconfig-{world.namespace}_back/Backlog"
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    world.reconcile_now("back")
    assert world.condition("back")[0] == "True"
    cloudwatch.delete_alarms(AlarmNames=[f"dynconfig-{world.namespace}_back/unhealthy"])
    cloudwatch.delete_alarms(AlarmNames=[name])
    world.reconcile_now("back")
    world.wait("it is back", lambda: bool(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]))


def test_drift_alarm_fires_on_drift_and_returns_to_ok(world: World) -> None:
    name = f"dynconfig-{world.namespace}_reported/Drift"
    asked = {"defaults": False, "drift": True, "notify": [TOPIC]}
    world.declare("reported", world.spec({"name": "a", "value": "1"}, alarms=asked, driftPolicy="Report"))
    world.wait_ready("reported")
    world.put_by_hand("a", "2")
    world.reconcile_now("reported")
    world.wait("the alarm fires", lambda: state_of(world, name) == "ALARM", 30)
    assert world.condition("reported")[0] == "True"
    world.put_by_hand("a", "1")
    world.reconcile_now("reported")
    world.wait("the alarm returns to OK", lambda: points(world, f"{world.namespace}/reported")[-1] == 0, 30)


def state_of(world: World, alarm: str) -> str:
    """The state of an alarm from its current metric data."""
    world.stack.lab.evaluate_alarms()
    (found,) = world.stack.aws("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    return str(found["StateValue"])


def points(world: World, config: str) -> list[float]:
    """The metric values of an object for the last minutes and the next one, oldest first."""
    now = datetime.now(UTC)
    found = world.stack.aws("cloudwatch").get_metric_statistics(
        Namespace="DynamicConfig",
        MetricName="DriftedFields",
        Dimensions=[{"Name": "Config", "Value": config}],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=2),
        Period=60,
        Statistics=["Maximum"],
    )
    return [point["Maximum"] for point in sorted(found["Datapoints"], key=lambda point: point["Timestamp"])]
