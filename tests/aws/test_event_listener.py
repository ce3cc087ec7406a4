"""A listener on the emulated AWS: brings what others changed, drops what we did, and goes on whatever AWS answers."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.aws.listener_harness import ListenerHarness
from tests.aws.recording_listener import PATIENCE, REGION, RecordingListener

from dynconfig.aws import event_listener
from dynconfig.aws.event_listener import ECHO_SECONDS, EventListener, EventListeners
from dynconfig.aws.event_queue import MessageBatch
from dynconfig.engine.echoes import Echoes
from dynconfig.engine.signals import PUT, Signal
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def test_what_others_change_is_brought(harness: ListenerHarness) -> None:
    harness.begin()
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])
    harness.recorded.wait(lambda recorded: recorded.counts.get("signal") == 1)


def test_own_writes_are_counted_and_not_brought(harness: ListenerHarness) -> None:
    harness.begin()
    with harness.echoes.writing(REGION, PUT, [f"/{harness.cluster}/a"]):
        harness.put("a")
    theirs = harness.put("b")
    harness.recorded.wait(lambda recorded: recorded.names == [theirs])
    harness.recorded.wait(lambda recorded: recorded.counts.get("echo") == 1)


class Script:
    """A queue that holds what a test put into it, and writes down when it was asked."""

    def __init__(self, write: Callable[[], None], batch: MessageBatch) -> None:
        self.write = write
        self.mails = [MessageBatch(), batch]
        self.asked: list[float] = []
        self.is_empty = threading.Event()

    def open(self) -> tuple[str, ...]:
        """There is nothing to do."""
        return ()

    def fetch(self, *, wait: bool = True) -> MessageBatch:
        """The next batch; at the end there is none. Before the first, the operator writes."""
        if not self.asked:
            self.write()
        self.asked.append(time.monotonic())
        if self.mails:
            return self.mails.pop(0)
        self.is_empty.set()
        return MessageBatch()

    def discard(self, batch: MessageBatch) -> None:
        """It is gone already."""


@pytest.mark.parametrize(
    ("own", "others", "is_patient"),
    [(2, 0, True), (9, 0, True), (1, 0, False), (10, 0, False), (2, 1, False), (0, 3, False), (0, 0, False)],
)
def test_only_echoes_are_left_to_gather_until_a_call_is_worth_it(
    own: int, others: int, is_patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who waited for so long would not be seen to go on.
    monkeypatch.setattr(event_listener, "ECHO_SECONDS", ECHO_SECONDS if is_patient else 3600.0)
    echoes, recorded = Echoes(time.time), RecordingListener()
    signals = [Signal(REGION, time.time(), PUT, (f"/a/{number}",)) for number in range(own + others)]

    def write() -> None:
        with echoes.writing(REGION, PUT, [f"/a/{number}" for number in range(own)]):
            pass

    script: Any = Script(write, MessageBatch(tuple(signals), receipts=tuple(map(str, range(own + others)))))
    listener = EventListener(REGION, script, echoes, recorded, lambda: 0.0)
    listener.start()
    assert script.is_empty.wait(PATIENCE)
    listener.stop()
    assert listener.join(PATIENCE)
    assert recorded.counts["echo"] == own
    assert not is_patient or script.asked[2] - script.asked[1] >= ECHO_SECONDS


def test_a_write_of_others_right_after_ours_is_brought(harness: ListenerHarness) -> None:
    harness.begin()
    with harness.echoes.writing(REGION, PUT, [f"/{harness.cluster}/a"]):
        harness.put("a")
    theirs = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [theirs])


def test_a_refusal_is_told_once_and_nothing_else_happens(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up == [False])
    told = [record.message for record in caplog.records if "are not received" in record.message]
    assert len(told) == 1
    assert "drift there is detected at the resync only" in told[0]
    assert "CreateQueue was answered with AccessDenied" in told[0]


@pytest.mark.parametrize(
    "fault", [Injected("AccessDenied", "not you"), Injected("AWS.SimpleQueueService.NonExistentQueue", "which?")]
)
def test_a_queue_that_cannot_be_read_is_never_called_heard(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture, fault: Injected
) -> None:
    harness.lab.faults(Faults(errors={"sqs.ReceiveMessage": fault}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up.count(False) >= (1 if fault.code == "AccessDenied" else 3))
    assert True not in harness.recorded.up
    assert sum("are not received" in record.message for record in caplog.records) == 1
    assert not any("are received again" in record.message for record in caplog.records)


def test_a_queue_that_went_away_is_made_anew(harness: ListenerHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness.begin()
    with caplog.at_level(logging.INFO):
        harness.aws("sqs").delete_queue(QueueUrl=harness.aws("sqs").get_queue_url(QueueName=harness.queue)["QueueUrl"])
        harness.recorded.wait(lambda recorded: recorded.up == [True, False, True])
    assert any("are received again" in record.message for record in caplog.records)
    name = harness.put("a")
    harness.recorded.wait(lambda recorded: recorded.names == [name])


def test_passing_faults_are_told_once_however_often_they_come(
    harness: ListenerHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("ServiceUnavailable", "oops", 6)}))
    with caplog.at_level(logging.INFO):
        harness.listener.start()
        harness.recorded.wait(lambda recorded: recorded.up[-1:] == [True])
    assert harness.recorded.up.count(False) >= 2
    assert sum("are not received" in record.message for record in caplog.records) == 1


def test_what_comes_after_the_end_stays_in_the_queue(harness: ListenerHarness) -> None:
    harness.begin()
    harness.listener.stop()
    assert harness.listener.join(PATIENCE)
    harness.put("a")
    assert harness.recorded.names == []
    assert not harness.recorded.has_ended
    url = harness.aws("sqs").get_queue_url(QueueName=harness.queue)["QueueUrl"]
    assert harness.aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]


def test_an_answer_that_nobody_knows_is_told_and_asked_for_again(harness: ListenerHarness) -> None:
    harness.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("InTheTableOfNobody", "new")}))
    harness.listener.start()
    harness.recorded.wait(lambda recorded: recorded.up == [False])
    harness.lab.faults(Faults())
    harness.recorded.wait(lambda recorded: bool(recorded.up[-1]))
    assert not harness.recorded.has_ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_told_and_not_hidden() -> None:
    def write() -> None:
        raise LookupError("a bug")

    recorded = RecordingListener()
    script: Any = Script(write, MessageBatch())
    listener = EventListener(REGION, script, Echoes(time.time), recorded, lambda: 0.0)
    listener.start()
    recorded.wait(lambda recorded: recorded.has_ended)
    assert listener.join(PATIENCE)


def test_a_region_is_served_once_and_one_without_a_queue_not_at_all(harness: ListenerHarness) -> None:
    asked: list[str] = []

    def listener(region: str) -> EventListener | None:
        asked.append(region)
        return harness.listener if region == REGION else None

    listeners = EventListeners(listener)
    for region in (REGION, "us-east-1", REGION, "us-east-1"):
        listeners.serve(region)
    assert asked == [REGION, "us-east-1"]
    harness.recorded.wait(lambda recorded: recorded.up == [True])
    listeners.close()
    assert harness.listener.join(PATIENCE)
