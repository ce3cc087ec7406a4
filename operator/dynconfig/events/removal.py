"""Deletes the operator's event queue and rules in one region; resources that it does not own are kept."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.events.patterns import EventRule
from dynconfig.model.errors import NotFound

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient


def remove_events(
    sqs: "SQSClient", events: "EventBridgeClient", cluster: str, queue: str, rules: Iterable[EventRule]
) -> Iterator[str]:
    """Delete the rules and the queue; yield the title of each. Those that are missing or lack the cluster tag are skipped.

    The targets of a rule must be removed before it can be deleted: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_DeleteRule.html
    """
    for rule in rules:
        found = _found(partial(events.describe_rule, Name=rule.name))
        if found and _has_tag(events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"], cluster):
            targets = [target["Id"] for target in events.list_targets_by_rule(Rule=rule.name)["Targets"]]
            if targets:
                events.remove_targets(Rule=rule.name, Ids=targets)
            events.delete_rule(Name=rule.name)
            yield f"rule {rule.name}"
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
