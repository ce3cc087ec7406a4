"""The topic of the alarms: who may publish, what notifies it, and topics of others with its name."""

import json
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.alarm import TOPIC as OTHER
from tests.kinds.cases.alarm import described, name_of
from tests.kinds.cases.topic import TOPIC, arn, listed
from tests.kinds.subscriber import Subscriber

from dynconfig.api.alarms import MAX_NOTIFY, AlarmsSpec
from dynconfig.events.signals import parse
from dynconfig.kinds.alarm import Alarm
from dynconfig.kinds.composite_alarm import CompositeAlarm
from dynconfig.kinds.topic import Topic
from dynconfig.model.errors import Conflict, NotOwned
from dynconfig.model.plan import Create, Delete
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

WATCHED = {"function": {}, "alarms": {"topic": True, "drift": True, "notify": [OTHER]}}
KINDS = (Topic, Alarm, CompositeAlarm)


def test_only_alarms_of_the_object_may_publish(harness: AwsHarness) -> None:
    harness.settle(harness.declare(TOPIC.base), harness.kinds(Topic))
    policy = json.loads(harness.aws("sns").get_topic_attributes(TopicArn=arn(harness))["Attributes"]["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", arn(harness))
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{harness.name}/*"},
    }


def test_composite_and_drift_alarm_notify_the_topic_and_those_in_notify(harness: AwsHarness) -> None:
    harness.settle(harness.declare(WATCHED), harness.kinds(*KINDS))
    for kind, alarm in (("CompositeAlarm", "unhealthy"), ("MetricAlarm", "Drift")):
        found = described(harness, kind)[name_of(harness, alarm)]
        assert found["AlarmActions"] == found["OKActions"] == [arn(harness), OTHER]
    assert described(harness)[name_of(harness, "Errors")]["AlarmActions"] == []


def test_topic_is_created_before_the_alarms_and_deleted_after_them(harness: AwsHarness) -> None:
    made = harness.settle(harness.declare(WATCHED), harness.kinds(*KINDS)).applied
    assert (type(made[0].change), made[0].resource.title) == (Create, f"Topic {harness.name}-alarms")
    gone = harness.settle(harness.deletion(WATCHED), harness.kinds(*KINDS)).applied
    assert (type(gone[-1].change), gone[-1].resource.title) == (Delete, f"Topic {harness.name}-alarms")


def test_firing_alarm_is_published_to_the_topic(harness: AwsHarness) -> None:
    harness.settle(harness.declare(WATCHED), harness.kinds(*KINDS))
    subscriber = Subscriber(harness, arn(harness))
    name = name_of(harness, "Drift")
    harness.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    subscriber.until_published(name, "ALARM")


def test_alarms_do_not_notify_the_topic_of_another_owner(harness: AwsHarness) -> None:
    harness.aws("sns").create_topic(Name=f"{harness.name}-alarms")
    with pytest.raises(
        NotOwned, match=r"topic .*-alarms already exists and has no owner; only parameters can be adopted"
    ):
        harness.settle(harness.declare(WATCHED), harness.kinds(*KINDS))
    assert described(harness, "CompositeAlarm") == {}


def test_concurrently_created_topic_is_retried(harness: AwsHarness) -> None:
    text = "Invalid parameter: Tags Reason: Topic already exists with different tags"
    harness.lab.faults(Faults(errors={"sns.CreateTopic": Injected("InvalidParameter", text, 1)}))
    errors: list[Any] = []
    harness.settle(harness.declare(TOPIC.base), harness.kinds(Topic), errors)
    assert [type(error) for error in errors] == [Conflict]


def test_topic_that_someone_else_replaced_is_not_written(harness: AwsHarness) -> None:
    kinds = harness.kinds(Topic)
    harness.settle(harness.declare(TOPIC.base), kinds)
    harness.aws("sns").delete_topic(TopicArn=arn(harness))
    harness.aws("sns").create_topic(Name=f"{harness.name}-alarms")
    with pytest.raises(NotOwned):
        harness.settle(harness.declare(TOPIC.base), kinds)
    assert listed(harness) == {f"{harness.name}-alarms"}


def test_in_sync_topic_takes_one_call(harness: AwsHarness) -> None:
    kinds, declaration = harness.kinds(Topic), harness.declare(TOPIC.base)
    harness.settle(declaration, kinds)
    harness.settle(declaration, kinds)
    assert harness.calls(lambda: harness.settle(declaration, kinds)) == {"sns.GetTopicAttributes": 1}


def test_alarms_have_at_most_five_actions() -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    topics = [f"{OTHER}-{number}" for number in range(MAX_NOTIFY)]
    assert AlarmsSpec(notify=topics)
    assert AlarmsSpec(notify=topics[1:], topic=True)
    with pytest.raises(ValueError, match="notify must have at most 4 topics if topic is true"):
        AlarmsSpec(notify=topics, topic=True)


@pytest.mark.parametrize("request_parameters", [{"topicArn": "{arn}"}, {"resourceArn": "{arn}"}, {"name": "{name}"}])
def test_events_name_the_topic(request_parameters: dict[str, str]) -> None:
    name = "dynconfig-shop-myapp-alarms"
    member, text = next(iter(request_parameters.items()))
    value = text.format(arn=f"arn:aws:sns:eu-west-1:123456789012:{name}", name=name)
    detail = {
        "eventSource": "sns.amazonaws.com",
        "eventName": "SetTopicAttributes",
        "requestParameters": {member: value},
    }
    event = {
        "detail-type": "AWS API Call via CloudTrail",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "detail": detail,
    }
    signal = parse(json.dumps(event))
    assert signal
    assert signal.resources == (name,)
