"""What brings events goes with the last object of a region, and not before."""

import logging
from typing import Any

import pytest
from tests.aws.listener_harness import ListenerHarness
from tests.aws.recording_listener import PATIENCE, REGION

from dynconfig.aws.event_listener import EMPTY_SECONDS, EventListeners
from dynconfig.aws.event_removal import remove_events
from dynconfig.aws.patterns import event_rules
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def made(harness: ListenerHarness) -> list[str]:
    """The names of the queue and the rules that there are."""
    rules = harness.aws("events").list_rules(NamePrefix=f"dynconfig-{harness.cluster}-")["Rules"]
    queues = harness.aws("sqs").list_queues(QueueNamePrefix=harness.queue).get("QueueUrls", [])
    return sorted([rule["Name"] for rule in rules] + [url.rpartition("/")[2] for url in queues])


def served(harness: ListenerHarness, *, removes: bool = True) -> EventListeners:
    """Listeners whose only region is served."""
    found = EventListeners(lambda _region: harness.listener, removes=removes)
    found.serve(REGION)
    harness.recorded.wait(lambda recorded: recorded.up[-1:] == [True])
    return found


def test_queue_and_rules_are_removed_a_minute_after_the_last_object(harness: ListenerHarness) -> None:
    found = served(harness)
    assert len(made(harness)) == 4
    found.leave(REGION)
    harness.clock += EMPTY_SECONDS
    assert harness.listener.join(PATIENCE)
    assert made(harness) == []
    assert harness.recorded.up == [True, None]
    assert not harness.recorded.has_ended


def test_a_new_object_within_the_minute_keeps_them(harness: ListenerHarness) -> None:
    found = served(harness)
    found.leave(REGION)
    found.serve(REGION)
    harness.clock += EMPTY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(made(harness)) == 4


def test_a_region_that_was_left_is_served_anew(harness: ListenerHarness) -> None:
    found = served(harness)
    found.leave(REGION)
    harness.clock += EMPTY_SECONDS
    assert harness.listener.join(PATIENCE)
    harness.listener = harness.made()
    found.serve(REGION)
    harness.recorded.wait(lambda recorded: recorded.up == [True, None, True])


def test_an_operator_of_some_namespaces_leaves_them_to_the_others(harness: ListenerHarness) -> None:
    found = served(harness, removes=False)
    found.leave(REGION)
    harness.clock += EMPTY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(made(harness)) == 4


def test_a_removal_that_is_refused_is_reported_and_ends(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    found = served(harness)
    harness.lab.faults(Faults(errors={"events.RemoveTargets": Injected("AccessDeniedException", "not you")}))
    found.leave(REGION)
    harness.clock += EMPTY_SECONDS
    assert harness.listener.join(PATIENCE)
    assert any("cannot be removed" in record.message for record in caplog.records)
    assert not harness.recorded.has_ended


def test_what_an_earlier_operator_left_is_removed_where_no_object_is(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    served(harness)
    harness.listener.stop()
    assert harness.listener.join(PATIENCE)
    sqs: Any = harness.session.client("sqs", REGION)
    events: Any = harness.session.client("events", REGION)

    def remove(_region: str) -> list[str]:
        return list(remove_events(sqs, events, harness.cluster, harness.queue, event_rules(harness.cluster)))

    with caplog.at_level(logging.INFO):
        EventListeners(lambda _region: None, removes=False).sweep([REGION], remove)
        assert len(made(harness)) == 4
        EventListeners(lambda _region: None, removes=True).sweep([REGION], remove)
    assert made(harness) == []
    assert any(f"No object is in {REGION}; removed:" in record.message for record in caplog.records)
