"""Queue and rules are removed after the last object of a region, and not before."""

import logging
from typing import Any

import pytest
from tests.events.listener_harness import ListenerHarness
from tests.events.recording_listener import PATIENCE, REGION

from dynconfig.events.listener import REMOVAL_DELAY_SECONDS, EventListeners
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import delete_queue_and_rules
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def existing(harness: ListenerHarness) -> list[str]:
    """Return the names of the existing queues and rules."""
    rules = harness.aws("events").list_rules(NamePrefix=f"dynconfig-{harness.cluster}-")["Rules"]
    queues = harness.aws("sqs").list_queues(QueueNamePrefix=harness.queue).get("QueueUrls", [])
    return sorted([rule["Name"] for rule in rules] + [url.rpartition("/")[2] for url in queues])


def started(harness: ListenerHarness, *, removes: bool = True) -> EventListeners:
    """Return listeners after their only region has been started."""
    found = EventListeners(lambda _region: harness.listener, removes=removes)
    found.start(REGION)
    harness.recorded.wait(lambda recorded: recorded.up[-1:] == [True])
    return found


def test_queue_and_rules_are_removed_a_minute_after_the_last_object(harness: ListenerHarness) -> None:
    found = started(harness)
    assert len(existing(harness)) == 4
    found.release(REGION)
    harness.clock += REMOVAL_DELAY_SECONDS
    assert harness.listener.join(PATIENCE)
    assert existing(harness) == []
    assert harness.recorded.up == [True, None]
    assert not harness.recorded.has_failed


def test_new_object_within_the_minute_keeps_queue_and_rules(harness: ListenerHarness) -> None:
    found = started(harness)
    found.release(REGION)
    found.start(REGION)
    harness.clock += REMOVAL_DELAY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(existing(harness)) == 4


def test_removed_region_can_be_started_again(harness: ListenerHarness) -> None:
    found = started(harness)
    found.release(REGION)
    harness.clock += REMOVAL_DELAY_SECONDS
    assert harness.listener.join(PATIENCE)
    harness.listener = harness.new_listener()
    found.start(REGION)
    harness.recorded.wait(lambda recorded: recorded.up == [True, None, True])


def test_operator_that_shares_its_queues_does_not_remove_them(harness: ListenerHarness) -> None:
    found = started(harness, removes=False)
    found.release(REGION)
    harness.clock += REMOVAL_DELAY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(existing(harness)) == 4


def test_denied_removal_is_logged_and_ends_the_listener(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    found = started(harness)
    harness.lab.faults(Faults(errors={"events.RemoveTargets": Injected("AccessDeniedException", "not you")}))
    found.release(REGION)
    harness.clock += REMOVAL_DELAY_SECONDS
    assert harness.listener.join(PATIENCE)
    assert any("Cannot remove the event queue and rules" in record.message for record in caplog.records)
    assert not harness.recorded.has_failed


def test_sweep_removes_queues_of_an_earlier_operator_in_unused_regions(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    started(harness)
    harness.listener.stop()
    assert harness.listener.join(PATIENCE)
    sqs: Any = harness.session.client("sqs", REGION)
    events: Any = harness.session.client("events", REGION)

    def remove(_region: str) -> list[str]:
        return list(delete_queue_and_rules(sqs, events, harness.cluster, harness.queue, event_rules(harness.cluster)))

    with caplog.at_level(logging.INFO):
        EventListeners(lambda _region: None, removes=False).sweep([REGION], remove)
        assert len(existing(harness)) == 4
        EventListeners(lambda _region: None, removes=True).sweep([REGION], remove)
    assert existing(harness) == []
    assert any(f"No object uses region {REGION}; removed:" in record.message for record in caplog.records)
