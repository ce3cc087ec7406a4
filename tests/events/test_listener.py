"""A listener on the emulated AWS: reports changes by others, drops own writes, and survives AWS errors."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.events.listener_harness import ListenerHarness
from tests.events.recording_listener import FENCE, HERE, PATIENCE, REGION, RecordingListener

from dynconfig.events import listener as event_listener
from dynconfig.events.echoes import Echoes
from dynconfig.events.listener import ECHO_SECONDS, EventListener, EventListeners
from dynconfig.events.queue import MessageBatch
from dynconfig.events.signals import Signal
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.model.writes import PUT
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def test_changes_by_others_are_reported(harness: ListenerHarness) -> None:
    harness.begin()
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    harness.recorded.wait(lambda recorded: recorded.counts.get("signal") == 1)


def test_own_writes_are_counted_but_not_reported(harness: ListenerHarness) -> None:
    harness.begin()
    with harness.echoes.writing(REGION, PUT, [f"/{harness.cluster}/a"]):
        harness.put("a")
    theirs = harness.put("b")
    harness.recorded.wait(lambda recorded: recorded.names == [theirs])
    harness.recorded.wait(lambda recorded: recorded.counts.get("echo") == 1)


class ScriptedQueue:
    """A queue with scripted batches, which records the times of its receive calls."""

    def __init__(self, write: Callable[[], None], batch: MessageBatch) -> None:
        self.write = write
        self.batches = [MessageBatch(), batch]
        self.received_at: list[float] = []
        self.is_empty = threading.Event()

    def ensure(self) -> tuple[str, ...]:
        """Repair nothing."""
        return ()

    def receive(self, *, wait: bool = True) -> MessageBatch:
        """Call `write` before the first batch; return empty batches at the end."""
        if not self.received_at:
            self.write()
        self.received_at.append(time.monotonic())
        if self.batches:
            return self.batches.pop(0)
        self.is_empty.set()
        return MessageBatch()

    def delete(self, batch: MessageBatch) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("own", "others", "waits"),
    [(2, 0, True), (9, 0, True), (1, 0, False), (10, 0, False), (2, 1, False), (0, 3, False), (0, 0, False)],
)
def test_only_echoes_are_left_to_accumulate(
    own: int, others: int, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With a wait of an hour, the test would time out.
    monkeypatch.setattr(event_listener, "ECHO_SECONDS", ECHO_SECONDS if waits else 3600.0)
    echoes, recorded = Echoes(time.time), RecordingListener()
    signals = [Signal(REGION, time.time(), PUT, (f"/a/{number}",)) for number in range(own + others)]

    def write() -> None:
        with echoes.writing(REGION, PUT, [f"/a/{number}" for number in range(own)]):
            pass

    script: Any = ScriptedQueue(write, MessageBatch(tuple(signals), receipts=tuple(map(str, range(own + others)))))
    listener = EventListener(HERE, script, echoes, recorded, lambda: 0.0)
    listener.start()
    assert script.is_empty.wait(PATIENCE)
    listener.stop()
    assert listener.join(PATIENCE)
    assert recorded.counts["echo"] == own
    assert not waits or script.received_at[2] - script.received_at[1] >= ECHO_SECONDS


def test_write_by_others_right_after_an_own_write_is_reported(harness: ListenerHarness) -> None:
    harness.begin()
    with harness.echoes.writing(REGION, PUT, [f"/{harness.cluster}/a"]):
        harness.put("a")
    theirs = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [theirs])


def test_denied_request_is_logged_once(harness: ListenerHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up == [False])
    messages = [record.message for record in caplog.records if "are not received" in record.message]
    assert len(messages) == 1
    assert "drift there is detected at the resync only" in messages[0]
    assert "CreateQueue failed with AccessDenied" in messages[0]


@pytest.mark.parametrize(
    "fault", [Injected("AccessDenied", "not you"), Injected("AWS.SimpleQueueService.NonExistentQueue", "which?")]
)
def test_unreadable_queue_is_never_reported_as_up(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture, fault: Injected
) -> None:
    harness.lab.faults(Faults(errors={"sqs.ReceiveMessage": fault}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up.count(False) >= (1 if fault.code == "AccessDenied" else 3))
    assert True not in harness.recorded.up
    assert sum("are not received" in record.message for record in caplog.records) == 1
    assert not any("are received again" in record.message for record in caplog.records)


def test_deleted_queue_is_created_again(harness: ListenerHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.begin()
    with caplog.at_level(logging.INFO):
        harness.aws("sqs").delete_queue(QueueUrl=harness.aws("sqs").get_queue_url(QueueName=harness.queue)["QueueUrl"])
        harness.recorded.wait(lambda recorded: recorded.up == [True, False, True])
    assert any("are received again" in record.message for record in caplog.records)
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])


def test_repeated_transient_errors_are_logged_once(harness: ListenerHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("ServiceUnavailable", "oops", 6)}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up[-1:] == [True])
    assert harness.recorded.up.count(False) >= 2
    assert sum("are not received" in record.message for record in caplog.records) == 1


def test_events_after_stop_stay_in_the_queue(harness: ListenerHarness) -> None:
    harness.begin()
    harness.listener.stop()
    assert harness.listener.join(PATIENCE)
    harness.put("a")
    assert harness.recorded.names == []
    assert not harness.recorded.has_failed
    url = harness.aws("sqs").get_queue_url(QueueName=harness.queue)["QueueUrl"]
    assert harness.aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]


def test_listener_of_a_shard_that_was_given_away_is_not_exported_any_more(harness: ListenerHarness) -> None:
    listeners = EventListeners(lambda _place, _fence: harness.listener)
    listeners.start(HERE, FENCE)
    harness.recorded.wait(lambda recorded: recorded.up == [True])
    listeners.stop(FENCE.shard)
    assert harness.listener.join(PATIENCE)
    assert harness.recorded.up == [True, None]


def test_unknown_error_is_reported_and_retried(harness: ListenerHarness) -> None:
    harness.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("InTheTableOfNobody", "new")}))
    harness.listener.start()
    harness.recorded.wait(lambda recorded: recorded.up == [False])
    harness.lab.faults(Faults())
    harness.recorded.wait(lambda recorded: bool(recorded.up[-1]))
    assert not harness.recorded.has_failed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_bug_is_reported() -> None:
    def write() -> None:
        raise LookupError("a bug")

    recorded = RecordingListener()
    script: Any = ScriptedQueue(write, MessageBatch())
    listener = EventListener(HERE, script, Echoes(time.time), recorded, lambda: 0.0)
    listener.start()
    recorded.wait(lambda recorded: recorded.has_failed)
    assert listener.join(PATIENCE)


def test_region_is_started_once_and_a_region_without_queue_never(harness: ListenerHarness) -> None:
    requested: list[Place] = []
    there = Place("us-east-1")

    def listener(place: Place, _fence: Fence) -> EventListener | None:
        requested.append(place)
        return harness.listener if place == HERE else None

    listeners = EventListeners(listener)
    for place in (HERE, there, HERE, there):
        listeners.start(place, FENCE)
    assert requested == [HERE, there]
    harness.recorded.wait(lambda recorded: recorded.up == [True])
    listeners.close()
    assert harness.listener.join(PATIENCE)
