"""Rules with queues as targets, and the events that the queues received."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from dynconfig_lab.processes import wait_until

PATIENCE = 5.0
# Any rule may send to the queue that has this policy.
OPEN = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-west-1:123456789012:rule/*"}},
        }
    ],
}


@dataclass
class Queue:
    """A queue, and the events that it has received."""

    sqs: Any
    url: str
    arn: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def bodies(self, count: int) -> list[dict[str, Any]]:
        """The first messages, once there are this many."""
        assert wait_until(lambda: self._receive() >= count, PATIENCE), self.events
        return self.events

    def changes(self, count: int) -> list[tuple[str, str]]:
        """Operation and name of the first events, once there are this many."""
        return [(event["detail"]["operation"], event["detail"]["name"]) for event in self.bodies(count)]

    def _receive(self) -> int:
        for message in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            self.events.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.events)


@dataclass
class Wires:
    """Creates rules with queues as targets, and deletes them."""

    bus: Any
    sqs: Any
    rules: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)

    def rule(self, pattern: dict[str, Any] | None, *targets: str, **more: Any) -> None:
        """A rule with these targets; without a pattern it has a schedule."""
        self.rules.append(f"rule-{uuid.uuid4()}")
        when = {"EventPattern": json.dumps(pattern)} if pattern else {"ScheduleExpression": "rate(5 minutes)"}
        self.bus.put_rule(Name=self.rules[-1], **when, **more)
        self.bus.put_targets(Rule=self.rules[-1], Targets=[target(arn) for arn in targets])

    def queue(self, name: str = "", *, open_to_rules: bool = True, **attributes: str) -> Queue:
        policy = json.dumps(OPEN) if open_to_rules else ""
        name = name or f"queue-{uuid.uuid4()}"
        url = self.sqs.create_queue(QueueName=name, Attributes={"Policy": policy, **attributes})["QueueUrl"]
        self.queues.append(url)
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return Queue(self.sqs, url, arn)

    def queue_for(self, pattern: dict[str, Any] | None, **more: Any) -> Queue:
        """A queue with its own rule."""
        queue = self.queue()
        self.rule(pattern, queue.arn, **more)
        return queue

    def take_down(self) -> None:
        for rule in self.rules:
            targets = self.bus.list_targets_by_rule(Rule=rule)["Targets"]
            self.bus.remove_targets(Rule=rule, Ids=[target["Id"] for target in targets])
            self.bus.delete_rule(Name=rule)
        for url in self.queues:
            self.sqs.delete_queue(QueueUrl=url)


def target(arn: str) -> dict[str, Any]:
    group = {"SqsParameters": {"MessageGroupId": "all"}} if arn.endswith(".fifo") else {}
    return {"Id": str(uuid.uuid4()), "Arn": arn, **group}
