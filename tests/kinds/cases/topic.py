"""The topic that alarms notify."""

import json

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, Spec

from dynconfig.kinds.topic import Topic

ALARMS = {"defaults": False, "topic": True}


def spec(tags: dict[str, str], **more: object) -> Spec:
    return {"alarms": ALARMS, "tags": tags, **more}


def name(harness: AwsHarness) -> str:
    return f"{harness.name}-alarms"


def arn(harness: AwsHarness) -> str:
    return f"arn:aws:sns:eu-west-1:123456789012:{name(harness)}"


def listed(harness: AwsHarness) -> set[str]:
    arns = [topic["TopicArn"] for page in _pages(harness) for topic in page["Topics"]]
    return {found.rpartition(":")[2] for found in arns if harness.name in found}


def _pages(harness: AwsHarness) -> list[dict[str, list[dict[str, str]]]]:
    return list(harness.aws("sns").get_paginator("list_topics").paginate())


def open_to_all(harness: AwsHarness) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": arn(harness)}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    harness.aws("sns").set_topic_attributes(TopicArn=arn(harness), AttributeName="Policy", AttributeValue=document)


def retag(harness: AwsHarness) -> None:
    harness.aws("sns").tag_resource(ResourceArn=arn(harness), Tags=[{"Key": "team", "Value": "other"}])


TOPIC = Case(
    value=Topic,
    base=spec({"team": "shop"}),
    feature={"alarms": {"topic": True}},
    edits={"tags": spec({"stage": "dev"})},
    tampers={"policy": open_to_all, "tags": retag},
    list_names=listed,
    create_similar=lambda harness: harness.aws("sns").create_topic(Name=f"{name(harness)}-theirs"),
    create_foreign=lambda harness: harness.aws("sns").create_topic(Name=name(harness)),
    writes=(
        "sns.CreateTopic",
        "sns.SetTopicAttributes",
        "sns.TagResource",
        "sns.UntagResource",
        "sns.DeleteTopic",
    ),
    busy="ConcurrentAccess",
    # It follows from the name of the topic and those of the alarms.
    not_editable=frozenset({"policy"}),
)
