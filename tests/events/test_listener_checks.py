"""Queue and rules are checked every few minutes, and at once if an event is missing; repairs are reported."""

import logging

import pytest
from tests.events.listener_harness import ListenerHarness
from tests.events.recording_listener import PATIENCE, REGION

from dynconfig.events.patterns import event_rules
from dynconfig.model.writes import PUT

pytestmark = pytest.mark.lab

DISABLED, DELETED, NO_TARGET, NO_POLICY = "disabled", "was missing", "target of rule", "policy of queue"


def break_delivery(harness: ListenerHarness, how: str) -> None:
    """Break event delivery for parameters, as another user might."""
    events, sqs, name = harness.aws("events"), harness.aws("sqs"), event_rules(harness.cluster)[0].name
    if how == DISABLED:
        events.disable_rule(Name=name)
    if how in (NO_TARGET, DELETED):
        events.remove_targets(Rule=name, Ids=["operator"])
    if how == DELETED:
        events.delete_rule(Name=name)
    if how == NO_POLICY:
        url = sqs.get_queue_url(QueueName=harness.queue)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


@pytest.mark.parametrize("how", [DISABLED, DELETED, NO_TARGET, NO_POLICY])
def test_broken_delivery_is_repaired_within_minutes_and_reported(
    harness: ListenerHarness, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    break_delivery(harness, how)
    harness.clock += 181
    harness.recorded.wait(lambda recorded: recorded.up == [True, False, True])
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    (warning,) = (record.message for record in caplog.records if "did not arrive" in record.message)
    assert how in warning
    (repaired,) = harness.recorded.repaired
    assert how in repaired


@pytest.mark.parametrize("how", [DISABLED, DELETED, NO_TARGET, NO_POLICY])
def test_objects_are_observed_again_once_if_the_first_check_repairs_or_creates_anything(
    harness: ListenerHarness, how: str
) -> None:
    harness.begin()
    assert harness.recorded.begun == 1
    for is_broken, begun in ((False, 1), (True, 2), (False, 2)):
        harness.listener.stop()
        assert harness.listener.join(PATIENCE)
        if is_broken:
            break_delivery(harness, how)
        harness.recorded.up.clear()
        harness.listener = harness.new_listener()
        harness.begin()
        assert harness.recorded.begun == begun
    assert not harness.recorded.repaired


def test_check_without_repair_reports_nothing(harness: ListenerHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.begin()
    harness.clock += 181
    harness.recorded.wait(lambda recorded: recorded.up == [True, True])
    assert not harness.recorded.repaired
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_missing_event_of_an_own_write_triggers_a_check_at_once(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.begin()
    break_delivery(harness, DISABLED)
    own = f"/{harness.cluster}/own"
    with harness.echoes.writing(REGION, PUT, [own]):
        harness.put("own")
    harness.now += 31
    harness.recorded.wait(lambda recorded: recorded.up == [True, False, True])
    assert harness.recorded.missing == [own]
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert any(f"own write of parameter {own}" in record.message for record in caplog.records)
    assert any("was disabled" in record.message for record in caplog.records)


def test_missing_events_of_a_given_queue_are_reported_until_they_arrive_again(harness: ListenerHarness) -> None:
    harness.begin()
    harness.listener.stop()
    assert harness.listener.join(PATIENCE)
    break_delivery(harness, DISABLED)
    harness.given = harness.aws("sqs").get_queue_url(QueueName=harness.queue)["QueueUrl"]
    harness.recorded.up.clear()
    harness.listener = harness.new_listener()
    harness.begin()
    with harness.echoes.writing(REGION, PUT, [f"/{harness.cluster}/own"]):
        harness.put("own")
    harness.now += 31
    harness.recorded.wait(lambda recorded: recorded.up == [True, False])
    events = harness.aws("events")
    events.enable_rule(Name=event_rules(harness.cluster)[0].name)
    harness.put("a")
    harness.recorded.wait(lambda recorded: bool(recorded.up[-1]))
    assert harness.recorded.missing == [f"/{harness.cluster}/own"]
