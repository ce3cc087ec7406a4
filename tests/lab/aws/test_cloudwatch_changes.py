"""Composite alarms follow their children, and each state change is emitted to its targets."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.lab.aws.watching import ALARM_ARN, Watched
from tests.lab.aws.wires import Queue, Wires

pytestmark = pytest.mark.lab


@pytest.fixture
def received(watched: Watched, wires: Wires) -> Callable[[str], Queue]:
    """A queue that receives the state changes of an alarm."""

    def queue(name: str) -> Queue:
        detail = {"alarmName": [name]}
        kind = "CloudWatch Alarm State Change"
        return wires.queue_for({"source": ["aws.cloudwatch"], "detail-type": [kind], "detail": detail})

    return queue


# --- composite alarms


def test_composite_alarm_is_evaluated_at_once_and_follows_its_children(watched: Watched) -> None:
    one, other = watched.alarm(), watched.alarm()
    parent = watched.composite(f'ALARM("{one}") OR ALARM("{other}")')
    assert watched.state(parent) == "OK"
    assert watched.see(parent)["StateReason"] == (
        f"{ALARM_ARN}:{parent} was created and its alarm rule evaluates to OK"
    )
    watched.set(other, "ALARM")
    seen = watched.see(parent)
    assert seen["StateValue"] == "ALARM"
    assert seen["StateReason"].startswith(f"{ALARM_ARN}:{other} transitioned to ALARM at ")
    (trigger,) = json.loads(seen["StateReasonData"])["triggeringAlarms"]
    assert trigger["arn"] == f"{ALARM_ARN}:{other}"
    assert trigger["state"]["value"] == "ALARM"
    watched.set(other, "OK")
    assert watched.state(parent) == "OK"


def test_composite_alarm_has_exactly_the_fields_of_aws(watched: Watched) -> None:
    name = watched.composite("TRUE", AlarmDescription="all of it")
    assert set(watched.see(name)) == {
        "AlarmName",
        "AlarmArn",
        "AlarmRule",
        "AlarmDescription",
        "ActionsEnabled",
        "OKActions",
        "AlarmActions",
        "InsufficientDataActions",
        "StateValue",
        "StateReason",
        "StateReasonData",
        "StateUpdatedTimestamp",
        "StateTransitionedTimestamp",
        "AlarmConfigurationUpdatedTimestamp",
    }


def test_change_propagates_through_composites_and_stops_at_a_cycle(watched: Watched) -> None:
    metric = watched.alarm()
    first = watched.composite(f"ALARM({metric})")
    second = watched.composite(f"ALARM({first})")
    watched.set(metric, "ALARM")
    assert watched.state(second) == "ALARM"
    rule = f"ALARM({metric}) AND NOT ALARM({second})"
    watched.cloudwatch.put_composite_alarm(AlarmName=first, AlarmRule=rule)
    # The second alarm decided the first, which then decided the second; there it ends.
    assert [watched.state(name) for name in (first, second)] == ["OK", "OK"]
    watched.cloudwatch.put_composite_alarm(AlarmName=first, AlarmRule="FALSE")


def test_rule_update_is_evaluated_at_once(watched: Watched) -> None:
    name = watched.composite("FALSE")
    watched.cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule="TRUE")
    assert watched.state(name) == "ALARM"


# --- events


def test_state_change_has_the_event_format_of_aws(watched: Watched, received: Callable[[str], Queue]) -> None:
    name = watched.alarm(AlarmDescription="errors", Dimensions=[{"Name": "FunctionName", "Value": "f"}], Period=300)
    queue = received(name)
    watched.put(7.0, Dimensions=[{"Name": "FunctionName", "Value": "f"}])
    watched.lab.evaluate_alarms()
    watched.set(name, "OK", "by hand")
    fired, rested = queue.bodies(2)
    seen = watched.see(name)
    assert uuid.UUID(fired.pop("id")) != uuid.UUID(rested.pop("id"))
    assert datetime.strptime(fired.pop("time"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) <= datetime.now(UTC)
    detail = fired.pop("detail")
    assert fired == {
        "version": "0",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": [seen["AlarmArn"]],
    }
    (metric,) = detail["configuration"].pop("metrics")
    assert uuid.UUID(metric.pop("id"))
    named = {"namespace": watched.namespace, "name": "errors", "dimensions": {"FunctionName": "f"}}
    assert metric == {"metricStat": {"metric": named, "period": 300, "stat": "Sum"}, "returnData": True}
    assert detail["configuration"] == {"description": "errors"}
    assert detail["alarmName"] == name
    assert set(detail["previousState"]) == {"value", "reason", "timestamp"}
    assert detail["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [7.0]
    assert datetime.strptime(detail["state"]["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert rested["detail"]["previousState"] == detail["state"]
    assert {key: rested["detail"]["state"][key] for key in ("value", "reason")} == {"value": "OK", "reason": "by hand"}


def test_event_of_a_composite_alarm_contains_its_rule(watched: Watched, received: Callable[[str], Queue]) -> None:
    metric = watched.alarm()
    name = watched.composite(f"ALARM({metric})", AlarmDescription="unhealthy")
    queue = received(name)
    watched.set(metric, "ALARM")
    (event,) = queue.bodies(1)
    assert event["detail"]["configuration"] == {"description": "unhealthy", "alarmRule": f"ALARM({metric})"}


def test_unchanged_state_emits_no_event(watched: Watched, received: Callable[[str], Queue]) -> None:
    name = watched.alarm()
    queue = received(name)
    watched.put(9.0)
    for _ in range(3):
        watched.lab.evaluate_alarms()
    watched.set(name, "ALARM", "again")
    watched.alarm(AlarmName=name, Threshold=6.0)
    watched.set(name, "OK", "last")
    values = [event["detail"]["state"]["value"] for event in queue.bodies(2)]
    assert values == ["ALARM", "OK"]


def test_event_arrives_immediately(watched: Watched, received: Callable[[str], Queue]) -> None:
    name = watched.alarm()
    queue = received(name)
    watched.set(name, "OK")
    queue.bodies(1)
    began = time.monotonic()
    watched.set(name, "ALARM")
    queue.bodies(2)
    assert time.monotonic() - began < 1.0


# --- actions


@pytest.fixture
def topic(aws: Callable[[str], Any], wires: Wires) -> tuple[str, Queue]:
    """A topic, and the queue that is subscribed to it."""
    sns, queue = aws("sns"), wires.queue()
    arn = str(sns.create_topic(Name=f"topic-{uuid.uuid4()}")["TopicArn"])
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue.arn)
    return arn, queue


def test_topic_is_notified_in_the_format_of_aws(watched: Watched, topic: tuple[str, Queue]) -> None:
    arn, queue = topic
    name = watched.alarm(AlarmDescription="errors", AlarmActions=[arn], Dimensions=[{"Name": "a", "Value": "b"}])
    watched.set(name, "ALARM", "for a test")
    (sent,) = queue.bodies(1)
    assert sent["Subject"] == f'ALARM: "{name}" in Europe (Ireland)'
    message = json.loads(sent["Message"])
    assert all(message.pop(field) for field in ("StateChangeTime", "AlarmConfigurationUpdatedTimestamp"))
    assert message == {
        "AlarmName": name,
        "AlarmDescription": "errors",
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "NewStateReason": "for a test",
        "Region": "Europe (Ireland)",
        "AlarmArn": f"{ALARM_ARN}:{name}",
        "OldStateValue": "INSUFFICIENT_DATA",
        "OKActions": [],
        "AlarmActions": [arn],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "errors",
            "Namespace": watched.namespace,
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "b", "name": "a"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 5.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
    }


def test_each_state_has_its_own_actions_and_none_while_disabled(watched: Watched, topic: tuple[str, Queue]) -> None:
    arn, queue = topic
    name = watched.alarm(OKActions=[arn])
    parent = watched.composite(f"OK({name})", AlarmActions=[arn])
    watched.set(name, "ALARM")
    watched.cloudwatch.disable_alarm_actions(AlarmNames=[name])
    watched.set(name, "OK")
    watched.cloudwatch.enable_alarm_actions(AlarmNames=[name])
    watched.set(name, "INSUFFICIENT_DATA")
    watched.set(name, "OK")
    notifications = [json.loads(sent["Message"]) for sent in queue.bodies(3)]
    # A queue does not guarantee the order of messages.
    assert sorted((message["AlarmName"], message["NewStateValue"]) for message in notifications) == sorted(
        [(parent, "ALARM"), (parent, "ALARM"), (name, "OK")]
    )


def test_topic_whose_policy_does_not_allow_cloudwatch_gets_no_notification(
    watched: Watched, topic: tuple[str, Queue], aws: Callable[[str], Any]
) -> None:
    allowed, queue = topic
    denying = str(aws("sns").create_topic(Name=f"topic-{uuid.uuid4()}")["TopicArn"])
    aws("sns").subscribe(TopicArn=denying, Protocol="sqs", Endpoint=queue.arn)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("sns").set_topic_attributes(TopicArn=denying, AttributeName="Policy", AttributeValue=policy)
    # Actions are carried out in their order.
    watched.set(watched.alarm(AlarmActions=[denying, allowed]), "ALARM")
    assert [sent["TopicArn"] for sent in queue.bodies(1)] == [allowed]


def test_missing_topic_does_not_affect_the_alarm(watched: Watched, received: Callable[[str], Queue]) -> None:
    name = watched.alarm(AlarmActions=["arn:aws:sns:eu-west-1:123456789012:none"])
    queue = received(name)
    watched.set(name, "ALARM")
    queue.bodies(1)
    assert watched.state(name) == "ALARM"


def test_state_changes_do_not_wait_for_notifications(watched: Watched, topic: tuple[str, Queue]) -> None:
    arn, queue = topic
    names = [watched.alarm(AlarmActions=[arn]) for _ in range(5)]
    threads = [threading.Thread(target=watched.set, args=(name, "ALARM")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {json.loads(sent["Message"])["AlarmName"] for sent in queue.bodies(5)} == set(names)
