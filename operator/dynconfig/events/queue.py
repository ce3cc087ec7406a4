"""The SQS queue of one account and region, and the EventBridge rules that send AWS events to it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.events.patterns import EventRule
from dynconfig.events.signals import Signal, Unreadable, parse
from dynconfig.model.errors import Conflict, NotFound, NotOwned

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
MAX_WAIT_SECONDS = 20
MAX_MESSAGES = 10
# Messages are deleted right after they are received; if the process dies in between, the next one receives them.
VISIBILITY_TIMEOUT_SECONDS = 5
# After an hour, the resync has detected what the messages report.
RETENTION_SECONDS = 3600
TARGET_ID = "operator"

_ATTRIBUTES = {"MessageRetentionPeriod": str(RETENTION_SECONDS), "SqsManagedSseEnabled": "true"}


@dataclass(frozen=True, slots=True)
class MessageBatch:
    """The messages of one ReceiveMessage call."""

    signals: tuple[Signal, ...] = ()
    others: int = 0
    """Valid events that concern no declared resource."""
    unreadable: int = 0
    receipts: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether the batch has several messages, but is not full: a full one may mean that more are waiting."""
        return 1 < len(self.receipts) < MAX_MESSAGES


class EventQueue:
    """A queue that the operator creates with its rules, or an existing queue given by URL. Not thread-safe."""

    def __init__(
        self,
        sqs: "SQSClient",
        events: "EventBridgeClient",
        *,
        cluster: str,
        queue: str,
        rules: Sequence[EventRule],
        tags: Mapping[str, str] = MappingProxyType({}),
        wait_seconds: int = MAX_WAIT_SECONDS,
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
        """What was missing or changed, until `ensure` returned it: one that failed may have repaired something."""

    @property
    def is_external(self) -> bool:
        """Whether the queue was given by URL; the operator then manages neither the queue nor its rules."""
        return self._name.startswith(("https://", "http://"))

    def ensure(self) -> tuple[str, ...]:
        """Create or repair the queue, its policy and the rules; return a description of each repair since it last returned.

        Raises NotOwned if one of them belongs to someone else, AccessDenied if a permission is missing.
        """
        if self.is_external:
            self._url = self._name
            return ()
        self._url = self._ensure_queue()
        arns = dict(map(self._ensure_rule, self._rules))
        queue = self._put_queue_policy([*arns.values()])
        for rule in arns:
            self._put_target(rule, queue)
        repaired, self._repaired = tuple(dict.fromkeys(self._repaired)), []
        return repaired

    def remove(self) -> tuple[str, ...]:
        """Delete the queue and rules, unless the queue was given by URL; return the title of each deleted resource."""
        if self.is_external:
            return ()
        return tuple(delete_queue_and_rules(self._sqs, self._events, self._cluster, self._name, self._rules))

    def receive(self, *, wait: bool = True) -> MessageBatch:
        """Receive messages, with long polling if `wait`. Raises NotFound if the queue was deleted."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=MAX_MESSAGES,
            WaitTimeSeconds=self._wait if wait else 0,
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
        )
        messages = answer.get("Messages", [])
        return _batch([(message["Body"], message["ReceiptHandle"]) for message in messages])

    def delete(self, batch: MessageBatch) -> None:
        """Delete received messages. A message that SQS fails to delete is received again, which is harmless."""
        if batch.receipts:
            entries: Any = [{"Id": str(index), "ReceiptHandle": text} for index, text in enumerate(batch.receipts)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _ensure_queue(self) -> str:
        try:
            url = self._sqs.get_queue_url(QueueName=self._name)["QueueUrl"]
        except NotFound:
            attributes: Any = _ATTRIBUTES
            self._repaired.append(f"queue {self._name} was missing")
            return self._sqs.create_queue(QueueName=self._name, Attributes=attributes, tags=self._tags)["QueueUrl"]
        tags = self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        self._check_owner(f"queue {self._name}", tags)
        if missing := self._tags_to_set(tags):
            self._sqs.tag_queue(QueueUrl=url, Tags=missing)
        return url

    def _ensure_rule(self, rule: EventRule) -> tuple[str, str]:
        """Create or repair a rule; return its name and ARN.

        It has its other name if the usual one belongs to someone else, or did when the rule was created.
        """
        found, tags = self._rule(rule.name)
        if not self._is_own(tags):
            other, its_tags = self._rule(rule.other_name)
            if found is not None or self._is_own(its_tags):
                rule, found, tags = replace(rule, name=rule.other_name), other, its_tags
        if found is None:
            self._repaired.append(f"rule {rule.name} was missing")
            return rule.name, self._put_rule(rule, _listed(self._tags))
        self._check_owner(f"rule {rule.name}", tags)
        if missing := self._tags_to_set(tags):
            self._events.tag_resource(ResourceARN=found["Arn"], Tags=_listed(missing))
        pattern, state = json.loads(found.get("EventPattern", "{}")), found["State"]
        if (pattern, state) != (json.loads(rule.pattern), "ENABLED"):
            self._repaired.append(f"rule {rule.name} was {'changed' if state == 'ENABLED' else 'disabled'}")
            return rule.name, self._put_rule(rule, [])
        return rule.name, found["Arn"]

    def _rule(self, name: str) -> tuple[Any, dict[str, str]]:
        """Return a rule and its tags; None if it does not exist."""
        found = _found(partial(self._events.describe_rule, Name=name))
        listed = self._events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"] if found else ()
        return found, {tag["Key"]: tag["Value"] for tag in listed}

    def _put_rule(self, rule: EventRule, tags: Any) -> str:
        """Create or replace a rule; PutRule sets tags only when it creates the rule. Return the ARN."""
        about: Any = {"Tags": tags} if tags else {}
        answer = self._events.put_rule(
            Name=rule.name, EventPattern=rule.pattern, State="ENABLED", Description=rule.description, **about
        )
        return answer["RuleArn"]

    def _put_queue_policy(self, rules: Sequence[str]) -> str:
        """Allow EventBridge to send messages for these rules only; return the ARN of the queue.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        """
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn", "Policy"])["Attributes"]
        policy = _policy(found["QueueArn"], rules)
        if json.loads(found.get("Policy") or "{}") != policy:
            self._repaired.append(f"the policy of queue {self._name} was missing or changed")
            self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        return found["QueueArn"]

    def _put_target(self, rule: str, queue: str) -> None:
        """Set the queue as a target of a rule; without RoleArn, which would be used instead of the queue policy."""
        targets = self._events.list_targets_by_rule(Rule=rule)["Targets"]
        if any((target["Id"], target["Arn"]) == (TARGET_ID, queue) for target in targets):
            return
        self._repaired.append(f"the target of rule {rule} was missing")
        answer = self._events.put_targets(Rule=rule, Targets=[{"Id": TARGET_ID, "Arn": queue}])
        for failed in answer.get("FailedEntries", []):
            raise Conflict(f"rule {rule}: PutTargets failed: {failed.get('ErrorMessage', '')}", delay=1.0)

    def _tags_to_set(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the operator's tags that are missing or differ; other tags are kept."""
        return {key: value for key, value in self._tags.items() if tags.get(key) != value}

    def _is_own(self, tags: Mapping[str, str]) -> bool:
        return tags.get(CLUSTER_TAG) == self._cluster

    def _check_owner(self, what: str, tags: Mapping[str, str]) -> None:
        if not self._is_own(tags):
            raise NotOwned(
                f"{what} already exists without the tag {CLUSTER_TAG}={self._cluster}; delete it, add the tag, "
                "or use an existing queue (DYNCONFIG_QUEUE_URL)"
            )


def delete_queue_and_rules(
    sqs: "SQSClient", events: "EventBridgeClient", cluster: str, queue: str, rules: Iterable[EventRule]
) -> Iterator[str]:
    """Delete the rules and the queue; yield the title of each. Those that are missing or lack the cluster tag are skipped.

    The targets of a rule must be removed before it can be deleted: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
    """
    for name in (each for rule in rules for each in (rule.name, rule.other_name)):
        found = _found(partial(events.describe_rule, Name=name))
        if found and _has_tag(events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"], cluster):
            targets = [target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
            if targets:
                events.remove_targets(Rule=name, Ids=targets)
            events.delete_rule(Name=name)
            yield f"rule {name}"
    url = _found(partial(sqs.get_queue_url, QueueName=queue))
    if url and sqs.list_queue_tags(QueueUrl=url["QueueUrl"]).get("Tags", {}).get(CLUSTER_TAG) == cluster:
        sqs.delete_queue(QueueUrl=url["QueueUrl"])
        yield f"queue {queue}"


def _has_tag(tags: Iterable[Any], cluster: str) -> bool:
    return any((tag["Key"], tag["Value"]) == (CLUSTER_TAG, cluster) for tag in tags)


def _found(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except NotFound:
        return None


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
