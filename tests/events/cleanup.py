"""Delete a queue: the emulated AWS of this process is shared by all tests, and deliveries would continue."""

from collections.abc import Sequence
from typing import Any

from dynconfig.events.patterns import EventRule


def remove_queue(sqs: Any, events: Any, queue: str, rules: Sequence[EventRule]) -> None:
    """Delete rules and queue if they exist."""
    for rule in rules:
        found = events.list_rules(NamePrefix=rule.name)["Rules"]
        targets = events.list_targets_by_rule(Rule=rule.name)["Targets"] if found else []
        if targets:
            events.remove_targets(Rule=rule.name, Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule.name)
    for url in sqs.list_queues(QueueNamePrefix=queue).get("QueueUrls", []):
        sqs.delete_queue(QueueUrl=url)
