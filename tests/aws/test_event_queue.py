"""The queue on the emulated AWS: made once, put right when it was changed, somebody else's left alone."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.aws.cleanup import remove_queue

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws.event_queue import EventQueue, MessageBatch
from dynconfig.aws.patterns import event_rules
from dynconfig.aws.permissions import OWN_EVENT_RULE_ACTIONS, QUEUE_ACTIONS, RULE_ACTIONS
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.engine.errors import AccessDenied, NotFound, NotOwned
from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

REGION = "eu-west-1"
# Asked for where CreateQueue and PutRule come with tags.
IMPLIED = {"sqs:TagQueue", "events:TagResource"}

_numbers = itertools.count(1)


class QueueHarness:
    """A cluster of its own in the emulated AWS, and the calls that its operator made."""

    def __init__(self, lab: AwsLab) -> None:
        self.lab = lab
        self.cluster = f"c{next(_numbers)}"
        self.queue = f"dynconfig-{self.cluster}-events"
        self.rules = event_rules(self.cluster)
        self.calls: list[str] = []
        quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
        self.session = Session(quota, self._count, endpoint=lab.endpoint, pool=2)
        self.sqs, self.events, self.ssm = (self._aws(service) for service in ("sqs", "events", "ssm"))

    def made(self, queue: str = "", **tags: str) -> EventQueue:
        """A queue as after a restart."""
        clients: list[Any] = [self.session.client(service, REGION) for service in ("sqs", "events")]
        queue = queue or self.queue
        return EventQueue(*clients, cluster=self.cluster, queue=queue, rules=self.rules, tags=tags, wait_seconds=5)

    def opened(self) -> EventQueue:
        """A queue that is open."""
        queue = self.made()
        queue.open()
        return queue

    def tags(self) -> list[dict[str, str]]:
        """The tags of the queue and of each rule."""
        arns = [self.events.describe_rule(Name=rule.name)["Arn"] for rule in self.rules]
        listed = [self.events.list_tags_for_resource(ResourceARN=arn)["Tags"] for arn in arns]
        of_rules = [{tag["Key"]: tag["Value"] for tag in tags} for tags in listed]
        return [self.sqs.list_queue_tags(QueueUrl=self.url)["Tags"], *of_rules]

    @property
    def url(self) -> str:
        """The queue."""
        return str(self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"])

    def attribute(self, name: str) -> str:
        """An attribute of the queue."""
        return str(
            self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name]).get("Attributes", {}).get(name)
        )

    def send(self, *bodies: str) -> None:
        """Put messages into the queue."""
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
    # A batch is allowed by the action of one.
    assert {call.removesuffix("Batch") for call in harness.calls} <= {
        *QUEUE_ACTIONS,
        *RULE_ACTIONS,
        *OWN_EVENT_RULE_ACTIONS,
    }


def test_the_queue_takes_events_of_the_rules_and_of_nobody_else(harness: QueueHarness) -> None:
    harness.opened()
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


def test_a_changed_parameter_is_heard_of_once_and_then_discarded(harness: QueueHarness) -> None:
    queue = harness.opened()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    batch = queue.fetch()
    assert [(signal.region, signal.operation, signal.parameters) for signal in batch.signals] == [
        (REGION, "Put", ("/myapp/config/a",))
    ]
    queue.discard(batch)
    assert harness.attribute("ApproximateNumberOfMessagesNotVisible") == "0"
    assert harness.attribute("ApproximateNumberOfMessages") == "0"


def test_what_cannot_be_read_is_counted_and_discarded(harness: QueueHarness) -> None:
    queue = harness.opened()
    harness.send("no event", json.dumps({"detail-type": "else", "time": "2017-05-22T16:44:48Z"}))
    others = unreadable = 0
    while others + unreadable < 2:
        batch = queue.fetch()
        others, unreadable = others + batch.others, unreadable + batch.unreadable
        assert batch.signals == ()
        queue.discard(batch)
    assert (others, unreadable) == (1, 1)
    assert harness.attribute("ApproximateNumberOfMessagesNotVisible") == "0"


def test_queue_and_rules_are_made_with_the_tags_that_the_account_requires(harness: QueueHarness) -> None:
    made: list[dict[str, Any]] = []
    for client, operation in ((harness.sqs, "sqs.CreateQueue"), (harness.events, "events.PutRule")):
        client.meta.events.register(f"provide-client-params.{operation}", lambda params, **_: made.append(dict(params)))
    harness.made(CostCenter="4711").open()
    # A service control policy refuses the request that creates them without the tag; one that adds it later comes too late.
    assert all("CostCenter" in json.dumps(request) for request in made)
    assert len(made) == 4
    assert harness.tags() == [{"CostCenter": "4711", CLUSTER_TAG: harness.cluster}] * 4


def test_tags_come_to_what_an_earlier_operator_made_and_others_stay(harness: QueueHarness) -> None:
    harness.opened()
    harness.sqs.tag_queue(QueueUrl=harness.url, Tags={"theirs": "1", "CostCenter": "0"})
    harness.made(CostCenter="4711").open()
    ours = {"CostCenter": "4711", CLUSTER_TAG: harness.cluster}
    assert harness.tags() == [{**ours, "theirs": "1"}, ours, ours, ours]
    harness.calls.clear()
    harness.made(CostCenter="4711").open()
    assert not {"sqs:TagQueue", "events:TagResource"} & set(harness.calls)


def test_discarding_nothing_asks_for_nothing(harness: QueueHarness) -> None:
    queue = harness.opened()
    harness.calls.clear()
    queue.discard(MessageBatch())
    assert harness.calls == []


def test_opening_again_changes_nothing(harness: QueueHarness) -> None:
    harness.opened()
    harness.calls.clear()
    harness.opened()
    changing = {"sqs:CreateQueue", "sqs:SetQueueAttributes", "events:PutRule", "events:PutTargets"}
    assert not changing & set(harness.calls)


@pytest.mark.parametrize(
    "call", ["sqs.CreateQueue", "events.PutRule", "sqs.SetQueueAttributes", "events.PutTargets", "sqs.GetQueueUrl"]
)
def test_what_a_failure_left_half_made_is_completed(harness: QueueHarness, call: str) -> None:
    harness.lab.faults(Faults(errors={call: Injected("AccessDenied", "no")}))
    with pytest.raises(AccessDenied):
        harness.opened()
    harness.lab.faults(Faults())
    queue = harness.opened()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.fetch().signals) == 1


def test_what_somebody_took_away_is_put_back(harness: QueueHarness) -> None:
    harness.opened()
    harness.events.remove_targets(Rule=harness.rules[0].name, Ids=["operator"])
    harness.sqs.set_queue_attributes(QueueUrl=harness.url, Attributes={"Policy": ""})
    harness.events.remove_targets(Rule=harness.rules[1].name, Ids=["operator"])
    harness.events.delete_rule(Name=harness.rules[1].name)
    queue = harness.opened()
    (statement,) = json.loads(harness.attribute("Policy"))["Statement"]
    assert len(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == 3
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.fetch().signals) == 1


def test_a_rule_that_was_changed_or_disabled_is_put_right(harness: QueueHarness) -> None:
    harness.opened()
    first, second, _third = harness.rules
    harness.events.put_rule(Name=first.name, EventPattern=json.dumps({"source": ["other"]}), State="ENABLED")
    harness.events.disable_rule(Name=second.name)
    harness.opened()
    assert json.loads(harness.events.describe_rule(Name=first.name)["EventPattern"]) == json.loads(first.pattern)
    assert harness.events.describe_rule(Name=second.name)["State"] == "ENABLED"


def test_a_queue_that_went_away_is_told_and_made_anew(harness: QueueHarness) -> None:
    queue = harness.opened()
    harness.sqs.delete_queue(QueueUrl=harness.url)
    with pytest.raises(NotFound):
        queue.fetch()
    queue.open()
    harness.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(queue.fetch().signals) == 1


def test_a_queue_of_somebody_else_is_left_alone(harness: QueueHarness) -> None:
    harness.sqs.create_queue(QueueName=harness.queue, tags={CLUSTER_TAG: "other"})
    with pytest.raises(
        NotOwned,
        match=f"queue {harness.queue} exists and has no tag dynconfig.dev/cluster={harness.cluster}; .*QUEUE_URL",
    ):
        harness.opened()
    assert harness.attribute("Policy") == "None"


def test_a_rule_of_somebody_else_is_left_alone(harness: QueueHarness) -> None:
    theirs = json.dumps({"source": ["theirs"]})
    harness.events.put_rule(Name=harness.rules[0].name, EventPattern=theirs)
    with pytest.raises(NotOwned, match=f"rule {harness.rules[0].name} exists"):
        harness.opened()
    assert harness.events.describe_rule(Name=harness.rules[0].name)["EventPattern"] == theirs


def test_a_queue_that_was_given_is_only_read(harness: QueueHarness) -> None:
    url = harness.sqs.create_queue(QueueName="theirs")["QueueUrl"]
    queue = harness.made(queue=url)
    queue.open()
    assert harness.calls == []
    harness.sqs.send_message(QueueUrl=url, MessageBody="no event")
    batch = queue.fetch()
    assert batch.unreadable == 1
    queue.discard(batch)
    assert harness.calls == ["sqs:ReceiveMessage", "sqs:DeleteMessageBatch"]


def test_a_refusal_is_told_in_our_words(harness: QueueHarness) -> None:
    harness.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with pytest.raises(
        AccessDenied, match=f"queue {harness.queue}: CreateQueue was answered with AccessDenied: not you"
    ):
        harness.opened()


def test_two_clusters_of_one_account_have_each_their_own(harness: QueueHarness) -> None:
    neighbour = QueueHarness(harness.lab)
    queues = [harness.opened(), neighbour.opened()]
    harness.ssm.put_parameter(Name="/neighbours/a", Value="1", Type="String")
    assert [len(queue.fetch().signals) for queue in queues] == [1, 1]
    remove_queue(neighbour.sqs, neighbour.events, neighbour.queue, neighbour.rules)


def test_no_more_is_asked_of_iam_than_is_done(harness: QueueHarness) -> None:
    queue = harness.opened()
    harness.opened()
    harness.send("no event")
    queue.discard(queue.fetch())
    queue.remove()
    called = {call.removesuffix("Batch") for call in harness.calls}
    assert {*QUEUE_ACTIONS, *RULE_ACTIONS, *OWN_EVENT_RULE_ACTIONS} - IMPLIED == called
