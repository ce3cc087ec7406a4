"""Parameter Store Change events: each write that a rule matches reaches the rule's queue, in order and in AWS's format."""

import uuid
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.events.models import events_backends
from tests.lab.aws.clients import connect
from tests.lab.aws.wires import Wires

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.accounts import ACCOUNT

pytestmark = pytest.mark.lab

ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter"


def below(path: str, **more: Any) -> dict[str, Any]:
    """A pattern as the operator uses it."""
    detail = {"name": [{"prefix": f"{path}/"}], **more}
    return {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"], "detail": detail}


def put(ssm: Any, name: str, value: str = "red", **more: Any) -> None:
    ssm.put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})


def test_each_write_is_one_event_in_order(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for(below(path))
    put(ssm, f"{path}/a")
    put(ssm, f"{path}/a", "blue", Overwrite=True)
    ssm.label_parameter_version(Name=f"{path}/a", Labels=["stable"])
    put(ssm, f"{path}/b")
    ssm.delete_parameter(Name=f"{path}/a")
    ssm.delete_parameters(Names=[f"{path}/b", f"{path}/none"])
    put(ssm, f"{path}/a", Overwrite=True)
    assert queue.changes(7) == [
        ("Create", f"{path}/a"),
        ("Update", f"{path}/a"),
        ("LabelParameterVersion", f"{path}/a"),
        ("Create", f"{path}/b"),
        ("Delete", f"{path}/a"),
        ("Delete", f"{path}/b"),
        ("Create", f"{path}/a"),
    ]


def test_failing_rule_does_not_affect_events_of_other_rules(
    ssm: Any, wires: Wires, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    wires.rule(below(path), "arn:aws:sqs:eu-west-1:123456789012:none")
    broken = events_backends[ACCOUNT]["eu-west-1"].event_buses["default"].rules[wires.rules[-1]]
    whole = list(broken.targets)
    broken.targets[0] = {"Id": "1"}
    queue = wires.queue_for(below(path))
    put(ssm, f"{path}/a")
    put(ssm, f"{path}/b")
    assert queue.changes(2) == [("Create", f"{path}/a"), ("Create", f"{path}/b")]
    broken.targets[:] = whole
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in logged] == [f"The lab itself failed at the rule {wires.rules[0]}"] * 2
    assert all(record.exc_info for record in logged), "with a traceback"


def test_many_writes_keep_their_order(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for(below(path))
    names = [f"{path}/{number}" for number in range(30)]
    for name in names:
        put(ssm, name)
    assert queue.changes(30) == [("Create", name) for name in names]


def test_event_has_the_format_of_aws(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for(below(path))
    put(ssm, f"{path}/a", Type="SecureString", Description="the colour")
    put(ssm, f"{path}/b")
    queue.changes(2)
    first, second = queue.events
    assert uuid.UUID(first.pop("id")) != uuid.UUID(second.pop("id"))
    assert datetime.strptime(first.pop("time"), "%Y-%m-%dT%H:%M:%S%z").utcoffset() is not None
    assert first == {
        "version": "0",
        "detail-type": "Parameter Store Change",
        "source": "aws.ssm",
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": [f"{ARN}{path}/a"],
        "detail": {
            "operation": "Create",
            "name": f"{path}/a",
            "type": "SecureString",
            "description": "the colour",
        },
    }
    assert second["detail"] == {"operation": "Create", "name": f"{path}/b", "type": "String"}


def test_arn_of_a_name_without_slash_has_one(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for({"source": ["aws.ssm"], "detail": {"name": [path[1:]]}})
    put(ssm, path[1:])
    assert queue.changes(1) == [("Create", path[1:])]
    assert queue.events[0]["resources"] == [ARN + path]


@pytest.mark.parametrize("name", ["  {path}/a ", "{path}/a"], ids=["with spaces", "bare"])
@pytest.mark.parametrize("deleted", ["{path}/a", ARN + "{path}/a"], ids=["by name", "by ARN"])
def test_event_contains_the_stored_name(ssm: Any, wires: Wires, path: str, name: str, deleted: str) -> None:
    queue = wires.queue_for({"source": ["aws.ssm"]})
    put(ssm, name.format(path=path))
    ssm.delete_parameter(Name=deleted.format(path=path))
    assert queue.changes(2) == [("Create", f"{path}/a"), ("Delete", f"{path}/a")]
    assert [event["resources"] for event in queue.events] == [[f"{ARN}{path}/a"]] * 2


def test_only_matching_events_are_delivered(ssm: Any, wires: Wires, path: str) -> None:
    deletions = wires.queue_for(below(path, operation=["Delete"]))
    everything = wires.queue_for(below(path))
    put(ssm, f"{path}x/a")
    put(ssm, f"{path}/a")
    ssm.delete_parameter(Name=f"{path}/a")
    assert everything.changes(2) == [("Create", f"{path}/a"), ("Delete", f"{path}/a")]
    assert deletions.changes(1) == [("Delete", f"{path}/a")]


def test_each_target_of_each_rule_receives_the_event(ssm: Any, wires: Wires, path: str) -> None:
    one, two, three = (wires.queue() for _ in range(3))
    wires.rule(below(path), one.arn, two.arn)
    wires.rule(below(path), three.arn)
    put(ssm, f"{path}/a")
    assert [queue.changes(1) for queue in (one, two, three)] == [[("Create", f"{path}/a")]] * 3


def test_reads_and_failed_writes_emit_no_events(lab: AwsLab, ssm: Any, wires: Wires, path: str) -> None:
    put(ssm, f"{path}/a")
    queue = wires.queue_for(below(path))
    ssm.get_parameter(Name=f"{path}/a")
    ssm.get_parameters_by_path(Path=path)
    ssm.describe_parameters()
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{path}/a", Tags=[{"Key": "a", "Value": "b"}])
    with pytest.raises(ClientError):
        put(ssm, f"{path}/a")
    with pytest.raises(ClientError):
        put(ssm, f"{path}/b", "x" * 4097)
    with pytest.raises(ClientError):
        ssm.delete_parameter(Name=f"{path}/none")
    ssm.delete_parameters(Names=[f"{path}/none"])
    lab.faults(Faults(throttle={"ssm.PutParameter": 0}))
    with pytest.raises(ClientError):
        put(ssm, f"{path}/c")
    lab.faults(Faults())
    # Delivery is in order: after this event all earlier ones have been delivered.
    put(ssm, f"{path}/last")
    assert queue.changes(1) == [("Create", f"{path}/last")]


def test_disabled_rule_delivers_nothing_until_enabled(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for(below(path), State="DISABLED")
    put(ssm, f"{path}/a")
    sentinel(ssm, wires, path)
    wires.bus.enable_rule(Name=wires.rules[0])
    put(ssm, f"{path}/b")
    assert queue.changes(1) == [("Create", f"{path}/b")]


def test_scheduled_rule_receives_no_events(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue_for(None)
    sentinel(ssm, wires, path)
    assert queue.changes(0) == []


def test_event_for_a_missing_queue_is_lost_and_the_write_succeeds(ssm: Any, wires: Wires, path: str) -> None:
    name = f"queue-{uuid.uuid4()}"
    present = wires.queue()
    wires.rule(below(path), f"arn:aws:sqs:eu-west-1:123456789012:{name}", present.arn)
    put(ssm, f"{path}/a")
    assert present.changes(1) == [("Create", f"{path}/a")]
    late = wires.queue(name)
    put(ssm, f"{path}/b")
    assert late.changes(1) == [("Create", f"{path}/b")]
    assert ssm.get_parameter(Name=f"{path}/a")["Parameter"]["Version"] == 1


def test_unsupported_target_receives_nothing_and_does_not_affect_others(ssm: Any, wires: Wires, path: str) -> None:
    queue = wires.queue()
    wires.rule(below(path), "arn:aws:lambda:eu-west-1:123456789012:function:none", queue.arn)
    put(ssm, f"{path}/a")
    assert queue.changes(1) == [("Create", f"{path}/a")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_queue_that_rejects_the_event_does_not_affect_others(path: str) -> None:
    # A separate bus, since it may not survive.
    with AwsLab.start() as lab:
        ssm, bus, sqs = (connect(lab.endpoint, service) for service in ("ssm", "events", "sqs"))
        wires = Wires(bus, sqs)
        wires.rule(below(path), wires.queue(f"{uuid.uuid4()}.fifo", FifoQueue="true").arn)
        queue = wires.queue_for(below(path))
        put(ssm, f"{path}/a")
        put(ssm, f"{path}/b")
        try:
            assert queue.changes(2) == [("Create", f"{path}/a"), ("Create", f"{path}/b")]
        finally:
            wires.take_down()
            for client in (ssm, bus, sqs):
                client.close()


def sentinel(ssm: Any, wires: Wires, path: str) -> None:
    """Two events of another path; after the second, all earlier writes have been delivered or never will be."""
    queue = wires.queue_for(below(f"{path}-sentinel"))
    for name in ("a", "b"):
        put(ssm, f"{path}-sentinel/{name}")
    queue.changes(2)
