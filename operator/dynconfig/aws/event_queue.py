"""The operator's event queue in one account and region, and the rules that bring AWS's events to it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws.event_removal import remove_events
from dynconfig.aws.patterns import EventRule
from dynconfig.engine.errors import Conflict, NotFound, NotOwned
from dynconfig.engine.signals import Signal, Unreadable, parse

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
LONGEST_WAIT = 20
BATCH = 10
# What was fetched is discarded at once; a process that dies between the two leaves it to the next one.
INVISIBLE_SECONDS = 5
# What nobody fetched for an hour the resync has found.
RETENTION_SECONDS = 3600
TARGET_ID = "operator"

_ATTRIBUTES = {"MessageRetentionPeriod": str(RETENTION_SECONDS), "SqsManagedSseEnabled": "true"}


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """What one fetch brought."""

    signals: tuple[Signal, ...] = ()
    others: int = 0
    """Events that concern nothing that is declared."""
    unreadable: int = 0
    receipts: tuple[str, ...] = ()

    @property
    def is_some(self) -> bool:
        """Whether several events came, and not as many as can come at once, after which there may be more."""
        return 1 < len(self.receipts) < BATCH


class EventQueue:
    """A queue that is made by name with its rules, or that somebody else made and gave by URL. Used by one thread."""

    def __init__(
        self,
        sqs: "SQSClient",
        events: "EventBridgeClient",
        *,
        cluster: str,
        queue: str,
        rules: Sequence[EventRule],
        tags: Mapping[str, str] = MappingProxyType({}),
        wait_seconds: int = LONGEST_WAIT,
    ) -> None:
        self._sqs = sqs
        self._events = events
        self._cluster = cluster
        self._name = queue
        self._rules = tuple(rules)
        self._tags = {**tags, CLUSTER_TAG: cluster}
        self._wait = wait_seconds
        self._url = ""
        self._repaired: list[str] = []

    @property
    def is_given(self) -> bool:
        """Whether somebody else made the queue, and what fills it."""
        return self._name.startswith(("https://", "http://"))

    def open(self) -> tuple[str, ...]:
        """Have the queue, what lets EventBridge write to it, and the rules; answers what was missing or changed, now repaired.

        Raises NotOwned where one of them is somebody else's, AccessDenied where the operator may not.
        """
        self._repaired = []
        if self.is_given:
            self._url = self._name
            return ()
        self._url = self._queue()
        arns = [self._rule(rule) for rule in self._rules]
        queue = self._put_queue_policy(arns)
        for rule in self._rules:
            self._put_target(rule.name, queue)
        return tuple(self._repaired)

    def remove(self) -> tuple[str, ...]:
        """Remove queue and rules, and nothing that somebody else made; answers what was removed."""
        if self.is_given:
            return ()
        return tuple(remove_events(self._sqs, self._events, self._cluster, self._name, self._rules))

    def fetch(self, *, wait: bool = True) -> MessageBatch:
        """Wait for events, and answer at once when there are some. Raises NotFound where the queue is gone."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=self._wait if wait else 0,
            VisibilityTimeout=INVISIBLE_SECONDS,
        )
        messages = answer.get("Messages", [])
        return _batch([(message["Body"], message["ReceiptHandle"]) for message in messages])

    def discard(self, batch: MessageBatch) -> None:
        """Delete what was fetched. What SQS fails to delete comes once more, and does no harm."""
        if batch.receipts:
            entries: Any = [{"Id": str(index), "ReceiptHandle": text} for index, text in enumerate(batch.receipts)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _queue(self) -> str:
        try:
            url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        except NotFound:
            attributes: Any = _ATTRIBUTES
            self._repaired.append(f"queue {self._name} was missing")
            return self._sqs.create_queue(QueueName=self._name, Attributes=attributes, tags=self._tags)["QueueUrl"]
        tags = self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        self._refuse_foreign(f"queue {self._name}", tags)
        if missing := self._missing(tags):
            self._sqs.tag_queue(QueueUrl=url, Tags=missing)
        return url

    def _rule(self, rule: EventRule) -> str:
        """The ARN of a rule, which is as it should be."""
        try:
            found = self._events.describe_rule(Name=rule.name)
        except NotFound:
            self._repaired.append(f"rule {rule.name} was missing")
            return self._put_rule(rule, _listed(self._tags))
        listed = self._events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]
        tags = {tag["Key"]: tag["Value"] for tag in listed}
        self._refuse_foreign(f"rule {rule.name}", tags)
        if missing := self._missing(tags):
            self._events.tag_resource(ResourceARN=found["Arn"], Tags=_listed(missing))
        pattern, state = json.loads(found.get("EventPattern", "{}")), found["State"]
        if (pattern, state) != (json.loads(rule.pattern), "ENABLED"):
            self._repaired.append(f"rule {rule.name} was {'changed' if state == 'ENABLED' else 'disabled'}")
            return self._put_rule(rule, [])
        return found["Arn"]

    def _put_rule(self, rule: EventRule, tags: Any) -> str:
        """PutRule replaces all but the tags, which it takes at creation only."""
        about: Any = {"Tags": tags} if tags else {}
        answer = self._events.put_rule(
            Name=rule.name, EventPattern=rule.pattern, State="ENABLED", Description=rule.description, **about
        )
        return answer["RuleArn"]

    def _put_queue_policy(self, rules: Sequence[str]) -> str:
        """Let EventBridge write to the queue for these rules, and nobody else; answers the queue's ARN.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        """
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn", "Policy"])["Attributes"]
        policy = _policy(found["QueueArn"], rules)
        if json.loads(found.get("Policy") or "{}") != policy:
            self._repaired.append(f"the policy of queue {self._name} was missing or changed")
            self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        return found["QueueArn"]

    def _put_target(self, rule: str, queue: str) -> None:
        """Have the queue as a target of a rule. Without a role, which would take the place of the queue's own policy."""
        targets = self._events.list_targets_by_rule(Rule=rule)["Targets"]
        if any((target["Id"], target["Arn"]) == (TARGET_ID, queue) for target in targets):
            return
        self._repaired.append(f"the target of rule {rule} was missing")
        answer = self._events.put_targets(Rule=rule, Targets=[{"Id": TARGET_ID, "Arn": queue}])
        for failed in answer.get("FailedEntries", []):
            raise Conflict(f"rule {rule}: its target was refused: {failed.get('ErrorMessage', '')}", delay=1.0)

    def _missing(self, tags: Mapping[str, str]) -> dict[str, str]:
        """The tags that are not as they should be; others are left alone."""
        return {key: value for key, value in self._tags.items() if tags.get(key) != value}

    def _refuse_foreign(self, what: str, tags: dict[str, str]) -> None:
        if tags.get(CLUSTER_TAG) != self._cluster:
            raise NotOwned(
                f"{what} exists and has no tag {CLUSTER_TAG}={self._cluster}; delete it, tag it so, "
                "or give another queue by DYNCONFIG_QUEUE_URL"
            )


def _listed(tags: Mapping[str, str]) -> Any:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _policy(queue: str, rules: Sequence[str]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Events",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {"ArnEquals": {"aws:SourceArn": sorted(rules)}},
            }
        ],
    }


def _batch(messages: Iterable[tuple[str, str]]) -> MessageBatch:
    signals: list[Signal] = []
    receipts: list[str] = []
    others = unreadable = 0
    for body, receipt in messages:
        receipts.append(receipt)
        try:
            signal = parse(body)
        except Unreadable:
            unreadable += 1
            continue
        if signal is None:
            others += 1
        else:
            signals.append(signal)
    return MessageBatch(tuple(signals), others, unreadable, tuple(receipts))
