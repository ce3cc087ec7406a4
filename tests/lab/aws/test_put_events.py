"""PutEvents: accepted entries reach matching rules, and failed ones are reported one by one."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.wires import OPEN
from tests.lab.functions.bench import Bench

from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

_numbers = itertools.count(1)


class RecordingListener:
    """A queue of a rule for one source."""

    def __init__(self, aws: Callable[[str], Any], bus: str = "default") -> None:
        number = next(_numbers)
        self.sqs, self.events, self.bus = aws("sqs"), aws("events"), bus
        self.source, self.name = f"source-{number}", f"recorded-{number}"
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes={"Policy": json.dumps(OPEN)})["QueueUrl"]
        self.arn = f"arn:aws:sqs:eu-west-1:123456789012:{self.name}"
        self.events.put_rule(Name=self.name, EventBusName=bus, EventPattern=json.dumps({"source": [self.source]}))
        self.received: list[Any] = []

    def target(self, **more: Any) -> None:
        wanted = {"Id": "queue", "Arn": self.arn, **more}
        self.events.put_targets(Rule=self.name, EventBusName=self.bus, Targets=[wanted])

    def entry(self, **more: Any) -> dict[str, Any]:
        return {"Source": self.source, "DetailType": "test", "Detail": '{"colour": "red"}', **more}

    def receives(self, count: int) -> list[Any]:
        assert wait_until(lambda: self._receive() >= count, 10), self.received
        return self.received

    def close(self) -> None:
        ids = [
            target["Id"]
            for target in self.events.list_targets_by_rule(Rule=self.name, EventBusName=self.bus)["Targets"]
        ]
        if ids:
            self.events.remove_targets(Rule=self.name, EventBusName=self.bus, Ids=ids)
        self.events.delete_rule(Name=self.name, EventBusName=self.bus)
        self.sqs.delete_queue(QueueUrl=self.url)

    def _receive(self) -> int:
        for message in self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            self.received.append(json.loads(message["Body"]))
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return len(self.received)


@pytest.fixture
def recorded(aws: Callable[[str], Any]) -> Iterator[RecordingListener]:
    recorded = RecordingListener(aws)
    yield recorded
    recorded.close()


@pytest.fixture
def events(aws: Callable[[str], Any]) -> Any:
    return aws("events")


def test_event_arrives_complete(events: Any, recorded: RecordingListener) -> None:
    recorded.target()
    answer = events.put_events(Entries=[recorded.entry(Resources=["arn:one"])])
    (event,) = recorded.receives(1)
    assert event.pop("time")
    assert event.pop("id") == answer["Entries"][0]["EventId"]
    assert event == {
        "version": "0",
        "detail-type": "test",
        "source": recorded.source,
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": ["arn:one"],
        "detail": {"colour": "red"},
    }


def test_each_entry_is_validated_separately(events: Any, recorded: RecordingListener) -> None:
    recorded.target()
    answer = events.put_events(
        Entries=[
            recorded.entry(Source="aws.ssm"),
            recorded.entry(Detail="{nope"),
            recorded.entry(Detail="[]"),
            {"Source": recorded.source, "DetailType": "test"},
            recorded.entry(),
        ]
    )
    assert answer["FailedEntryCount"] == 4
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        "NotAuthorizedForSourceException",
        "MalformedDetail",
        "MalformedDetail",
        "InvalidArgument",
        None,
    ]
    assert len(recorded.receives(1)) == 1


def test_disabled_rule_receives_nothing(events: Any, recorded: RecordingListener, aws: Callable[[str], Any]) -> None:
    recorded.target()
    events.disable_rule(Name=recorded.name)
    other = RecordingListener(aws)
    other.target()
    events.put_events(Entries=[recorded.entry(), other.entry()])
    other.receives(1)
    assert recorded.receives(0) == []
    other.close()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"Input": '{"fixed": 1}'}, {"fixed": 1}),
        ({"InputPath": "$.detail"}, {"colour": "red"}),
        ({"InputTransformer": {"InputPathsMap": {"c": "$.detail.colour"}, "InputTemplate": '"<c>!"'}}, "red!"),
    ],
)
def test_target_may_receive_a_part(
    events: Any, recorded: RecordingListener, more: dict[str, Any], expected: object
) -> None:
    recorded.target(**more)
    events.put_events(Entries=[recorded.entry()])
    assert recorded.receives(1) == [expected]


def test_ten_entries_and_a_megabyte_fit_in_a_call(events: Any, recorded: RecordingListener) -> None:
    for entries in ([recorded.entry()] * 11, [recorded.entry(Detail=json.dumps({"a": "x" * 1024 * 1024}))]):
        with pytest.raises(ClientError) as caught:
            events.put_events(Entries=entries)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_custom_bus_has_its_own_rules(events: Any, recorded: RecordingListener, aws: Callable[[str], Any]) -> None:
    recorded.target()
    events.create_event_bus(Name="mine")
    other = RecordingListener(aws, "mine")
    other.target()
    events.put_events(Entries=[other.entry(), other.entry(EventBusName="mine"), recorded.entry()])
    recorded.receives(1)
    assert len(other.receives(1)) == 1
    other.close()
    events.delete_event_bus(Name="mine")


def test_function_receives_events_of_a_rule_it_allows(
    events: Any, recorded: RecordingListener, aws: Callable[[str], Any]
) -> None:
    bench = Bench(aws)
    name = bench.function("def handle(event, context):\n    print('received', event['detail'])\n")
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"
    events.put_targets(Rule=recorded.name, Targets=[{"Id": "function", "Arn": arn}])
    aws("lambda").add_permission(
        FunctionName=name,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:eu-west-1:123456789012:rule/{recorded.name}",
    )
    events.put_events(Entries=[recorded.entry()])
    assert bench.said(name, "received {'colour': 'red'}")


def test_log_group_receives_events(events: Any, recorded: RecordingListener, aws: Callable[[str], Any]) -> None:
    logs, group = aws("logs"), f"/aws/events/{recorded.name}"
    logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}"
    events.put_targets(Rule=recorded.name, Targets=[{"Id": "logs", "Arn": arn}])
    events.put_events(Entries=[recorded.entry()])

    def said() -> list[str]:
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        found = [logs.get_log_events(logGroupName=group, logStreamName=item["logStreamName"]) for item in streams]
        return [event["message"] for page in found for event in page["events"]]

    assert wait_until(lambda: any('"colour": "red"' in line for line in said()), 10)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:logs:eu-west-1:123456789012:log-group:/none",
        "arn:aws:events:eu-west-1:123456789012:event-bus/none",
        "arn:aws:events:eu-west-1:123456789012:api-destination/none/1",
        "arn:aws:states:eu-west-1:123456789012:stateMachine:none",
        "arn:aws:lambda:us-east-1:123456789012:function:none",
        "arn:aws:sqs:eu-west-1:123456789012:none",
        "arn:strange",
    ],
)
def test_failing_target_does_not_affect_others(events: Any, recorded: RecordingListener, arn: str) -> None:
    events.put_targets(Rule=recorded.name, Targets=[{"Id": "a-first", "Arn": arn}])
    recorded.target()
    events.put_events(Entries=[recorded.entry()])
    assert len(recorded.receives(1)) == 1
