"""The mailbox on the emulated AWS: made once, put right when it was changed, somebody else's left alone."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.aws.tidy import take_away

from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws.mailbox import Mail, Mailbox
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


class Office:
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

    def mailbox(self, queue: str = "", **tags: str) -> Mailbox:
        """A mailbox as after a restart."""
        clients: list[Any] = [self.session.client(service, REGION) for service in ("sqs", "events")]
        queue = queue or self.queue
        return Mailbox(*clients, cluster=self.cluster, queue=queue, rules=self.rules, tags=tags, wait_seconds=5)

    def opened(self) -> Mailbox:
        """A mailbox that is open."""
        mailbox = self.mailbox()
        mailbox.open()
        return mailbox

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
def office(lab: AwsLab) -> Iterator[Office]:
    office = Office(lab)
    yield office
    lab.faults(Faults())
    take_away(office.sqs, office.events, office.queue, office.rules)
    # A batch is allowed by the action of one.
    assert {call.removesuffix("Batch") for call in office.calls} <= {
        *QUEUE_ACTIONS,
        *RULE_ACTIONS,
        *OWN_EVENT_RULE_ACTIONS,
    }


def test_the_queue_takes_events_of_the_rules_and_of_nobody_else(office: Office) -> None:
    office.opened()
    (statement,) = json.loads(office.attribute("Policy"))["Statement"]
    arns = [office.events.describe_rule(Name=rule.name)["Arn"] for rule in office.rules]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == office.attribute("QueueArn")
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": sorted(arns)}}
    assert office.attribute("SqsManagedSseEnabled") == "true"
    for rule in office.rules:
        assert office.events.list_targets_by_rule(Rule=rule.name)["Targets"] == [
            {"Id": "operator", "Arn": office.attribute("QueueArn")}
        ]


def test_a_changed_parameter_is_heard_of_once_and_then_discarded(office: Office) -> None:
    mailbox = office.opened()
    office.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    mail = mailbox.fetch()
    assert [(signal.region, signal.operation, signal.parameters) for signal in mail.signals] == [
        (REGION, "Put", ("/myapp/config/a",))
    ]
    mailbox.discard(mail)
    assert office.attribute("ApproximateNumberOfMessagesNotVisible") == "0"
    assert office.attribute("ApproximateNumberOfMessages") == "0"


def test_what_cannot_be_read_is_counted_and_discarded(office: Office) -> None:
    mailbox = office.opened()
    office.send("no event", json.dumps({"detail-type": "else", "time": "2017-05-22T16:44:48Z"}))
    others = unreadable = 0
    while others + unreadable < 2:
        mail = mailbox.fetch()
        others, unreadable = others + mail.others, unreadable + mail.unreadable
        assert mail.signals == ()
        mailbox.discard(mail)
    assert (others, unreadable) == (1, 1)
    assert office.attribute("ApproximateNumberOfMessagesNotVisible") == "0"


def test_queue_and_rules_are_made_with_the_tags_that_the_account_requires(office: Office) -> None:
    made: list[dict[str, Any]] = []
    for client, operation in ((office.sqs, "sqs.CreateQueue"), (office.events, "events.PutRule")):
        client.meta.events.register(f"provide-client-params.{operation}", lambda params, **_: made.append(dict(params)))
    office.mailbox(CostCenter="4711").open()
    # A service control policy refuses the request that creates them without the tag; one that adds it later comes too late.
    assert all("CostCenter" in json.dumps(request) for request in made)
    assert len(made) == 4
    assert office.tags() == [{"CostCenter": "4711", CLUSTER_TAG: office.cluster}] * 4


def test_tags_come_to_what_an_earlier_operator_made_and_others_stay(office: Office) -> None:
    office.opened()
    office.sqs.tag_queue(QueueUrl=office.url, Tags={"theirs": "1", "CostCenter": "0"})
    office.mailbox(CostCenter="4711").open()
    ours = {"CostCenter": "4711", CLUSTER_TAG: office.cluster}
    assert office.tags() == [{**ours, "theirs": "1"}, ours, ours, ours]
    office.calls.clear()
    office.mailbox(CostCenter="4711").open()
    assert not {"sqs:TagQueue", "events:TagResource"} & set(office.calls)


def test_discarding_nothing_asks_for_nothing(office: Office) -> None:
    mailbox = office.opened()
    office.calls.clear()
    mailbox.discard(Mail())
    assert office.calls == []


def test_opening_again_changes_nothing(office: Office) -> None:
    office.opened()
    office.calls.clear()
    office.opened()
    changing = {"sqs:CreateQueue", "sqs:SetQueueAttributes", "events:PutRule", "events:PutTargets"}
    assert not changing & set(office.calls)


@pytest.mark.parametrize(
    "call", ["sqs.CreateQueue", "events.PutRule", "sqs.SetQueueAttributes", "events.PutTargets", "sqs.GetQueueUrl"]
)
def test_what_a_failure_left_half_made_is_completed(office: Office, call: str) -> None:
    office.lab.faults(Faults(errors={call: Injected("AccessDenied", "no")}))
    with pytest.raises(AccessDenied):
        office.opened()
    office.lab.faults(Faults())
    mailbox = office.opened()
    office.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(mailbox.fetch().signals) == 1


def test_what_somebody_took_away_is_put_back(office: Office) -> None:
    office.opened()
    office.events.remove_targets(Rule=office.rules[0].name, Ids=["operator"])
    office.sqs.set_queue_attributes(QueueUrl=office.url, Attributes={"Policy": ""})
    office.events.remove_targets(Rule=office.rules[1].name, Ids=["operator"])
    office.events.delete_rule(Name=office.rules[1].name)
    mailbox = office.opened()
    (statement,) = json.loads(office.attribute("Policy"))["Statement"]
    assert len(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == 3
    office.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(mailbox.fetch().signals) == 1


def test_a_rule_that_was_changed_or_disabled_is_put_right(office: Office) -> None:
    office.opened()
    first, second, _third = office.rules
    office.events.put_rule(Name=first.name, EventPattern=json.dumps({"source": ["other"]}), State="ENABLED")
    office.events.disable_rule(Name=second.name)
    office.opened()
    assert json.loads(office.events.describe_rule(Name=first.name)["EventPattern"]) == json.loads(first.pattern)
    assert office.events.describe_rule(Name=second.name)["State"] == "ENABLED"


def test_a_queue_that_went_away_is_told_and_made_anew(office: Office) -> None:
    mailbox = office.opened()
    office.sqs.delete_queue(QueueUrl=office.url)
    with pytest.raises(NotFound):
        mailbox.fetch()
    mailbox.open()
    office.ssm.put_parameter(Name="/myapp/config/a", Value="1", Type="String", Overwrite=True)
    assert len(mailbox.fetch().signals) == 1


def test_a_queue_of_somebody_else_is_left_alone(office: Office) -> None:
    office.sqs.create_queue(QueueName=office.queue, tags={CLUSTER_TAG: "other"})
    with pytest.raises(
        NotOwned,
        match=f"queue {office.queue} exists and has no tag dynconfig.dev/cluster={office.cluster}; .*QUEUE_URL",
    ):
        office.opened()
    assert office.attribute("Policy") == "None"


def test_a_rule_of_somebody_else_is_left_alone(office: Office) -> None:
    theirs = json.dumps({"source": ["theirs"]})
    office.events.put_rule(Name=office.rules[0].name, EventPattern=theirs)
    with pytest.raises(NotOwned, match=f"rule {office.rules[0].name} exists"):
        office.opened()
    assert office.events.describe_rule(Name=office.rules[0].name)["EventPattern"] == theirs


def test_a_queue_that_was_given_is_only_read(office: Office) -> None:
    url = office.sqs.create_queue(QueueName="theirs")["QueueUrl"]
    mailbox = office.mailbox(queue=url)
    mailbox.open()
    assert office.calls == []
    office.sqs.send_message(QueueUrl=url, MessageBody="no event")
    mail = mailbox.fetch()
    assert mail.unreadable == 1
    mailbox.discard(mail)
    assert office.calls == ["sqs:ReceiveMessage", "sqs:DeleteMessageBatch"]


def test_a_refusal_is_told_in_our_words(office: Office) -> None:
    office.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with pytest.raises(
        AccessDenied, match=f"queue {office.queue}: CreateQueue was answered with AccessDenied: not you"
    ):
        office.opened()


def test_two_clusters_of_one_account_have_each_their_own(office: Office) -> None:
    neighbour = Office(office.lab)
    mailboxes = [office.opened(), neighbour.opened()]
    office.ssm.put_parameter(Name="/neighbours/a", Value="1", Type="String")
    assert [len(mailbox.fetch().signals) for mailbox in mailboxes] == [1, 1]
    take_away(neighbour.sqs, neighbour.events, neighbour.queue, neighbour.rules)


def test_no_more_is_asked_of_iam_than_is_done(office: Office) -> None:
    mailbox = office.opened()
    office.opened()
    office.send("no event")
    mailbox.discard(mailbox.fetch())
    mailbox.remove()
    called = {call.removesuffix("Batch") for call in office.calls}
    assert {*QUEUE_ACTIONS, *RULE_ACTIONS, *OWN_EVENT_RULE_ACTIONS} - IMPLIED == called
