"""The event queue on the emulated AWS: created once, repaired if changed, never taken from another owner."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.events.cleanup import remove_queue
from tests.kinds.iam import actions

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws.own_facts import QUEUE, RULES
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import EventQueue, MessageBatch
from dynconfig.model.errors import AccessDenied, NotFound, NotOwned
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner
from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

REGION = "eu-west-1"
# Required by CreateQueue and PutRule with tags.
IMPLIED = {"sqs:TagQueue", "events:TagResource"}

_numbers = itertools.count(1)


class QueueHarness:
    """A separate cluster in the emulated AWS, and the AWS calls of its operator."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.cluster = f"c{next(_numbers)}"
        self.queue = f"dynconfig-{self.cluster}-events"
        self.rules = event_rules(self.cluster)
        self.calls: list[str] = []
        quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
        self.session = Session(quota, self._count, endpoint=lab.endpoint, pool=2)
        self.sqs, self.events, self.ssm = (self._aws(service) for service in ("sqs", "events", "ssm"))

    def new(self, queue: str = "", **tags: str) -> EventQueue:
        """Return a new queue object, as after a restart."""
        clients: list[Any] = [self.session.client(service, REGION) for service in ("sqs", "events")]
        queue = queue or self.queue
        return EventQueue(*clients, cluster=self.cluster, queue=queue, rules=self.rules, tags=tags, wait_seconds=5)

    def ensured(self) -> EventQueue:
        """Return a queue that exists with its rules."""
        queue = self.new()
        queue.ensure()
        return queue

    def tags(self) -> list[dict[str, str]]:
        """Return the tags of the queue and of each rule."""
        arns = [self.events.describe_rule(Name=rule.name)["Arn"] for rule in self.rules]
        listed = [self.events.list_tags_for_resource(ResourceARN=arn)["Tags"] for arn in arns]
        of_rules = [{tag["Key"]: tag["Value"] for tag in tags} for tags in listed]
        return [self.sqs.list_queue_tags(QueueUrl=self.url)["Tags"], *of_rules]

    @property
    def url(self) -> str:
        """The URL of the queue."""
        return str(self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"])

    def attribute(self, name: str) -> str:
        """Return an attribute of the queue."""
        return str(
            self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name]).get("Attributes", {}).get(name)
        )

    def send(self, *bodies: str) -> None:
        """Send messages to the queue."""
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def _aws(self, service: str) -> Any:
        return self.session.client(service, REGION)._client

    def _count(self, service: str, operation: str, _code: str) -> None:
        self.calls.append(f"{service}:{operation}")


@pytest.fixture
def harness(lab: AwsLab) -> Iterator[QueueHarness]:
    harness = QueueHarness(lab)
    yield harness
    lab.faults(Faults())
    remove_queue(harness.sqs, harness.events, harness.queue, harness.rules)
    # The batch actions are allowed by the single ones.
    assert {call.removesuffix("Batch") for call in harness.calls} <= {
        *actions(QUEUE, RULES),
    }


def test_queue_policy_allows_only_the_rules(harness: QueueHarness) -> None:
    harness.ensured()
    (statement,) = json.loads(harness.attribute("Policy"))["Statement"]
    arns = [harness.events.describe_rule(Name=rule.name)["Arn"] for rule in harness.rules]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == harness.attribute("QueueArn")
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": sorted(arns)}}
    assert harness.attribute("SqsManagedSseEnabled") == "true"
    for rule in harness.rules:
        assert harness.events.list_targets_by_rule(Rule=rule.name)["Targets"] == [
            {"Id": "operator", "Arn": harness.attribute("QueueArn")}
        ]


def test_event_is_received_once_and_deleted(harness: QueueHarness) -> None:
    queue = harness.ensured()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    batch = queue.receive()
    assert [(signal.region, signal.operation, signal.parameters) for signal in batch.signals] == [
        (REGION, "Put", ("/myapp/config/a",))
    ]
    queue.delete(batch)
    assert harness.attribute("ApproximateNumberOfMessagesNotVisible") == "0"
    assert harness.attribute("ApproximateNumberOfMessages") == "0"


def test_unreadable_messages_are_counted_and_deleted(harness: QueueHarness) -> None:
    queue = harness.ensured()
    harness.send("no event", json.dumps({"detail-type": "else", "time": "2017-05-22T16:44:48Z"}))
    others = unreadable = 0
    while others + unreadable < 2:
        batch = queue.receive()
        others, unreadable = others + batch.others, unreadable + batch.unreadable
        assert batch.signals == ()
        queue.delete(batch)
    assert (others, unreadable) == (1, 1)
    assert harness.attribute("ApproximateNumberOfMessagesNotVisible") == "0"


def test_queue_and_rules_are_created_with_the_configured_tags(harness: QueueHarness) -> None:
    made: list[dict[str, Any]] = []
    for client, operation in ((harness.sqs, "sqs.CreateQueue"), (harness.events, "events.PutRule")):
        client.meta.events.register(f"provide-client-params.{operation}", lambda params, **_: made.append(dict(params)))
    harness.new(CostCenter="4711").ensure()
    # A service control policy denies a create request without the tag; adding the tag later is not enough.
    assert all("CostCenter" in json.dumps(request) for request in made)
    assert len(made) == 4
    assert harness.tags() == [{"CostCenter": "4711", CLUSTER_TAG: harness.cluster}] * 4


def test_missing_tags_are_added_and_other_tags_are_kept(harness: QueueHarness) -> None:
    harness.ensured()
    harness.sqs.tag_queue(QueueUrl=harness.url, Tags={"theirs": "1", "CostCenter": "0"})
    harness.new(CostCenter="4711").ensure()
    ours = {"CostCenter": "4711", CLUSTER_TAG: harness.cluster}
    assert harness.tags() == [{**ours, "theirs": "1"}, ours, ours, ours]
    harness.calls.clear()
    harness.new(CostCenter="4711").ensure()
    assert not {"sqs:TagQueue", "events:TagResource"} & set(harness.calls)


def test_deleting_an_empty_batch_makes_no_call(harness: QueueHarness) -> None:
    queue = harness.ensured()
    harness.calls.clear()
    queue.delete(MessageBatch())
    assert harness.calls == []


def test_ensure_is_idempotent(harness: QueueHarness) -> None:
    harness.ensured()
    harness.calls.clear()
    harness.ensured()
    changing = {"sqs:CreateQueue", "sqs:SetQueueAttributes", "events:PutRule", "events:PutTargets"}
    assert not changing & set(harness.calls)


@pytest.mark.parametrize(
    "call", ["sqs.CreateQueue", "events.PutRule", "sqs.SetQueueAttributes", "events.PutTargets", "sqs.GetQueueUrl"]
)
def test_partial_creation_is_completed(harness: QueueHarness, call: str) -> None:
    harness.lab.faults(Faults(errors={call: Injected("AccessDenied", "no")}))
    with pytest.raises(AccessDenied):
        harness.ensured()
    harness.lab.faults(Faults())
    queue = harness.ensured()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.receive().signals) == 1


def test_removed_parts_are_restored(harness: QueueHarness) -> None:
    harness.ensured()
    harness.events.remove_targets(Rule=harness.rules[0].name, Ids=["operator"])
    harness.sqs.set_queue_attributes(QueueUrl=harness.url, Attributes={"Policy": ""})
    harness.events.remove_targets(Rule=harness.rules[1].name, Ids=["operator"])
    harness.events.delete_rule(Name=harness.rules[1].name)
    queue = harness.ensured()
    (statement,) = json.loads(harness.attribute("Policy"))["Statement"]
    assert len(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == 3
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.receive().signals) == 1


@pytest.mark.parametrize("call", ["events.PutRule", "sqs.SetQueueAttributes", "events.PutTargets"])
def test_repairs_of_a_check_that_fails_are_returned_by_the_next_one(harness: QueueHarness, call: str) -> None:
    queue = harness.new()
    harness.lab.faults(Faults(errors={call: Injected("AccessDenied", "no", 1)}))
    with pytest.raises(AccessDenied):
        queue.ensure()
    repaired = queue.ensure()
    assert f"queue {harness.queue} was missing" in repaired
    assert len(repaired) == len(set(repaired))
    assert queue.ensure() == ()


def test_changed_or_disabled_rule_is_repaired(harness: QueueHarness) -> None:
    harness.ensured()
    first, second, _third = harness.rules
    harness.events.put_rule(Name=first.name, EventPattern=json.dumps({"source": ["other"]}), State="ENABLED")
    harness.events.disable_rule(Name=second.name)
    harness.ensured()
    assert json.loads(harness.events.describe_rule(Name=first.name)["EventPattern"]) == json.loads(first.pattern)
    assert harness.events.describe_rule(Name=second.name)["State"] == "ENABLED"


def test_deleted_queue_is_reported_and_created_again(harness: QueueHarness) -> None:
    queue = harness.ensured()
    harness.sqs.delete_queue(QueueUrl=harness.url)
    with pytest.raises(NotFound):
        queue.receive()
    queue.ensure()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.receive().signals) == 1


def test_queue_of_another_owner_is_not_modified(harness: QueueHarness) -> None:
    harness.sqs.create_queue(QueueName=harness.queue, tags={CLUSTER_TAG: "other"})
    with pytest.raises(
        NotOwned,
        match=f"queue {harness.queue} already exists without the tag dynconfig.dev/cluster={harness.cluster}; .*QUEUE_URL",
    ):
        harness.ensured()
    assert harness.attribute("Policy") == "None"


def test_rule_of_another_owner_is_not_modified(harness: QueueHarness) -> None:
    theirs = json.dumps({"source": ["theirs"]})
    rule = harness.rules[0]
    for name in (rule.name, rule.other_name):
        harness.events.put_rule(Name=name, EventPattern=theirs)
    with pytest.raises(NotOwned, match=f"rule {rule.other_name} already exists"):
        harness.ensured()
    for name in (rule.name, rule.other_name):
        assert harness.events.describe_rule(Name=name)["EventPattern"] == theirs
        harness.events.delete_rule(Name=name)


def test_events_are_received_although_an_object_has_the_name_of_a_rule(harness: QueueHarness) -> None:
    rule = harness.rules[0]
    assert Names.of(Owner("prod-eu", "prod", "eu", "uid"), REGION, None, None).rule == event_rules("prod-eu")[0].name
    harness.events.put_rule(Name=rule.name, EventPattern=json.dumps({"source": ["theirs"]}))
    queue = harness.ensured()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.receive().signals) == 1
    # It keeps its name when the usual one is free again, so that events are received once.
    harness.events.delete_rule(Name=rule.name)
    assert harness.new().ensure() == ()
    found = {name for each in harness.rules for name in (each.name, each.other_name)} & {
        each["Name"] for each in harness.events.list_rules()["Rules"]
    }
    assert found == {rule.other_name, *(each.name for each in harness.rules[1:])}
    assert f"rule {rule.other_name}" in queue.remove()


def test_given_queue_is_only_read(harness: QueueHarness) -> None:
    url = harness.sqs.create_queue(QueueName="theirs")["QueueUrl"]
    queue = harness.new(queue=url)
    queue.ensure()
    assert harness.calls == []
    harness.sqs.send_message(QueueUrl=url, MessageBody="no event")
    batch = queue.receive()
    assert batch.unreadable == 1
    queue.delete(batch)
    assert harness.calls == ["sqs:ReceiveMessage", "sqs:DeleteMessageBatch"]


def test_denied_request_raises_access_denied(harness: QueueHarness) -> None:
    harness.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with pytest.raises(AccessDenied, match=f"queue {harness.queue}: CreateQueue failed with AccessDenied: not you"):
        harness.ensured()


def test_two_clusters_in_one_account_have_separate_queues(harness: QueueHarness) -> None:
    neighbour = QueueHarness(harness.lab)
    queues = [harness.ensured(), neighbour.ensured()]
    harness.ssm.put_parameter(Name="/neighbours/a", Value="1", Type="String")
    assert [len(queue.receive().signals) for queue in queues] == [1, 1]
    remove_queue(neighbour.sqs, neighbour.events, neighbour.queue, neighbour.rules)


def test_every_documented_iam_action_is_used(harness: QueueHarness) -> None:
    queue = harness.ensured()
    harness.ensured()
    harness.send("no event")
    queue.delete(queue.receive())
    queue.remove()
    called = {call.removesuffix("Batch") for call in harness.calls}
    assert actions(QUEUE, RULES) - IMPLIED == called
