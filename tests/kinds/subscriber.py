"""A queue subscribed to a topic of alarms."""

import json

from tests.kinds.aws_harness import AwsHarness

from dynconfig_lab.aws.accounts import ACCOUNT


class Subscriber:
    """Receives what is published to a topic, in any order: alarms change their state independently of each other."""

    def __init__(self, harness: AwsHarness, topic: str) -> None:
        self._sqs = harness.aws("sqs")
        name = f"subscriber-{harness.number}"
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        target = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}"
        self.arn = harness.aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=target)["SubscriptionArn"]

    def until_published(self, alarm: str, state: str) -> None:
        """Return as soon as the alarm is published in this state; the limit is that of the test."""
        published = set[tuple[str, str]]()
        while (alarm, state) not in published:
            answer = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=20, MaxNumberOfMessages=10)
            messages = [json.loads(json.loads(item["Body"])["Message"]) for item in answer.get("Messages", [])]
            published |= {(message["AlarmName"], message["NewStateValue"]) for message in messages}
