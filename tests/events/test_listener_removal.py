"""Queue and rules are removed after the last object of a region, and not before."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.events.listener_harness import ListenerHarness
from tests.events.recording_listener import FENCE, HERE, PATIENCE, REGION

from dynconfig.events.listener import REMOVAL_DELAY_SECONDS, EventListeners
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import delete_queue_and_rules
from dynconfig.model.declaration import Place
from dynconfig.model.errors import AccessDenied, Retryable
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab
THERE = Place("us-east-1")


def existing(harness: ListenerHarness) -> list[str]:
    """Return the names of the existing queues and rules."""
    rules = harness.aws("events").list_rules(NamePrefix=f"dynconfig-{harness.cluster}-")["Rules"]
    queues = harness.aws("sqs").list_queues(QueueNamePrefix=harness.queue).get("QueueUrls", [])
    return sorted([rule["Name"] for rule in rules] + [url.rpartition("/")[2] for url in queues])


def started(harness: ListenerHarness, *, removes: bool = True) -> EventListeners:
    """Return listeners after their only region has been started."""
    found = EventListeners(lambda _place, _fence: harness.listener, removes=removes)
    found.start(HERE, FENCE)
    harness.recorded.wait(lambda recorded: recorded.up[-1:] == [True])
    return found


def test_queue_and_rules_are_removed_a_minute_after_the_last_object(harness: ListenerHarness) -> None:
    found = started(harness)
    assert len(existing(harness)) == 4
    found.release(HERE, FENCE)
    harness.clock += REMOVAL_DELAY_SECONDS
    assert harness.listener.join(PATIENCE)
    assert existing(harness) == []
    assert harness.recorded.up == [True, None]
    assert not harness.recorded.has_failed


def test_new_object_within_the_minute_keeps_queue_and_rules(harness: ListenerHarness) -> None:
    found = started(harness)
    found.release(HERE, FENCE)
    found.start(HERE, FENCE)
    harness.clock += REMOVAL_DELAY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(existing(harness)) == 4


def test_removed_region_can_be_started_again(harness: ListenerHarness) -> None:
    found = started(harness)
    found.release(HERE, FENCE)
    harness.clock += REMOVAL_DELAY_SECONDS
    assert harness.listener.join(PATIENCE)
    harness.listener = harness.new_listener()
    found.start(HERE, FENCE)
    harness.recorded.wait(lambda recorded: recorded.up == [True, None, True])


def test_operator_that_shares_its_queues_does_not_remove_them(harness: ListenerHarness) -> None:
    found = started(harness, removes=False)
    found.release(HERE, FENCE)
    harness.clock += REMOVAL_DELAY_SECONDS
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    assert len(existing(harness)) == 4


def test_denied_removal_is_logged_and_ends_the_listener(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    found = started(harness)
    harness.lab.faults(Faults(errors={"events.RemoveTargets": Injected("AccessDeniedException", "not you")}))
    found.release(HERE, FENCE)
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

    def remove(_shard: int, _place: Place) -> list[str]:
        return list(delete_queue_and_rules(sqs, events, harness.cluster, harness.queue, event_rules(harness.cluster)))

    with caplog.at_level(logging.INFO):
        assert swept(EventListeners(lambda _place, _fence: None, removes=False), remove) == []
        assert len(existing(harness)) == 4
        assert swept(EventListeners(lambda _place, _fence: None, removes=True), remove) == [0]
    assert existing(harness) == []
    assert any(f"No object of shard 0 uses events of {REGION}" in record.message for record in caplog.records)


def swept(
    listeners: EventListeners,
    remove: Callable[[int, Place], Sequence[str]],
    shards: Sequence[int] = (0,),
    pauses: int = 0,
) -> list[int]:
    """The shards that are searched completely, in this order, with at most so many pauses."""
    taken, found = list[float](), list[int]()

    async def sleep(seconds: float) -> None:
        assert len(taken) < pauses
        taken.append(seconds)

    async def act() -> None:
        async for shard in listeners.sweep(shards, [HERE, THERE], remove, sleep):
            found.append(shard)

    asyncio.run(act())
    assert taken == sorted(taken)
    return found


def test_sweep_searches_again_where_aws_was_unavailable() -> None:
    """Otherwise the queue of a shard that exists no longer would stay for ever."""
    searched, down = list[tuple[int, Place]](), {(2, THERE): 2, (1, HERE): 1}

    def remove(shard: int, place: Place) -> list[str]:
        searched.append((shard, place))
        if down.get((shard, place), 0) > 0:
            down[shard, place] -= 1
            raise Retryable("AWS is unavailable")
        return []

    assert swept(EventListeners(lambda _place, _fence: None, removes=True), remove, (0, 1, 2), 2) == [0, 1, 2]
    once = [(shard, place) for shard in range(3) for place in (HERE, THERE)]
    assert searched == [*once, (1, HERE), (2, THERE), (2, THERE)]


def test_sweep_does_not_search_disabled_regions_again() -> None:
    def remove(_shard: int, place: Place) -> list[str]:
        if place != HERE:
            raise AccessDenied("the region is disabled")
        return []

    assert swept(EventListeners(lambda _place, _fence: None, removes=True), remove) == [0]


@pytest.mark.parametrize("denied", [(HERE,), (HERE, THERE)])
@pytest.mark.parametrize("is_used", [True, False])
def test_sweep_does_not_end_while_the_searches_that_matter_are_denied(denied: Sequence[Place], is_used: bool) -> None:
    """A region that objects use, or all: otherwise the queue of a former shard would be forgotten and stay for ever."""
    listeners, searched = EventListeners(lambda _place, _fence: None, removes=True), list[Place]()
    if is_used:
        listeners.start(HERE, Fence(0, time.monotonic, 1.0))

    def remove(_shard: int, place: Place) -> list[str]:
        searched.append(place)
        if place in denied and searched.count(place) <= 2:
            raise AccessDenied("no permission")
        return []

    is_needed = is_used or len(denied) == 2
    assert swept(listeners, remove, (7,), pauses=2 if is_needed else 0) == [7]
    assert len(searched) > 2 if is_needed else len(searched) == 2


def test_sweep_that_is_cancelled_ends_after_the_call_that_is_running() -> None:
    """The shard is released then: another replica may receive events from this queue."""
    begun, free, ended = threading.Event(), threading.Event(), list[Place]()

    def remove(_shard: int, place: Place) -> list[str]:
        begun.set()
        assert free.wait(PATIENCE)
        ended.append(place)
        return []

    async def sweep() -> None:
        listeners = EventListeners(lambda _place, _fence: None, removes=True)
        async for _shard in listeners.sweep((0,), [HERE, THERE], remove):
            raise AssertionError("not all places were searched")

    async def act() -> None:
        task = asyncio.create_task(sweep())
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        done, _pending = await asyncio.wait([task], timeout=0.1)
        assert not done
        free.set()
        await asyncio.wait([task])
        assert ended == [HERE]

    asyncio.run(act())


def test_sweep_searches_again_where_the_lease_had_ended() -> None:
    """It may only have been renewed late; the sweep is cancelled when the shard is given up."""
    searched = list[Place]()

    def remove(_shard: int, place: Place) -> list[str]:
        searched.append(place)
        if len(searched) == 2:
            raise LeaseLost("it has ended")
        return []

    assert swept(EventListeners(lambda _place, _fence: None, removes=True), remove, pauses=1) == [0]
    assert searched == [HERE, THERE, THERE]
