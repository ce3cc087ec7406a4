"""A postman on the emulated AWS: brings what others changed, drops what we did, and goes on whatever AWS answers."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.aws.ear import PATIENCE, REGION, Ear
from tests.aws.round import Round

from dynconfig.aws import postman as postmen
from dynconfig.aws.mailbox import Mail
from dynconfig.aws.postman import ECHO_SECONDS, Postman, PostOffice
from dynconfig.engine.echoes import Echoes
from dynconfig.engine.signals import PUT, Signal
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def test_what_others_change_is_brought(round_: Round) -> None:
    round_.begin()
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])
    round_.ear.wait(lambda ear: ear.counts.get("signal") == 1)


def test_own_writes_are_counted_and_not_brought(round_: Round) -> None:
    round_.begin()
    with round_.echoes.writing(REGION, PUT, [f"/{round_.cluster}/a"]):
        round_.put("a")
    theirs = round_.put("b")
    round_.ear.wait(lambda ear: ear.names == [theirs])
    round_.ear.wait(lambda ear: ear.counts.get("echo") == 1)


class Script:
    """A mailbox that holds what a test put into it, and writes down when it was asked."""

    def __init__(self, write: Callable[[], None], mail: Mail) -> None:
        self.write = write
        self.mails = [Mail(), mail]
        self.asked: list[float] = []
        self.is_empty = threading.Event()

    def open(self) -> tuple[str, ...]:
        """There is nothing to do."""
        return ()

    def fetch(self, *, wait: bool = True) -> Mail:
        """The next mail; at the end there is none. Before the first, the operator writes."""
        if not self.asked:
            self.write()
        self.asked.append(time.monotonic())
        if self.mails:
            return self.mails.pop(0)
        self.is_empty.set()
        return Mail()

    def discard(self, mail: Mail) -> None:
        """It is gone already."""


@pytest.mark.parametrize(
    ("own", "others", "is_patient"),
    [(2, 0, True), (9, 0, True), (1, 0, False), (10, 0, False), (2, 1, False), (0, 3, False), (0, 0, False)],
)
def test_only_echoes_are_left_to_gather_until_a_call_is_worth_it(
    own: int, others: int, is_patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who waited for so long would not be seen to go on.
    monkeypatch.setattr(postmen, "ECHO_SECONDS", ECHO_SECONDS if is_patient else 3600.0)
    echoes, ear = Echoes(time.time), Ear()
    signals = [Signal(REGION, time.time(), PUT, (f"/a/{number}",)) for number in range(own + others)]

    def write() -> None:
        with echoes.writing(REGION, PUT, [f"/a/{number}" for number in range(own)]):
            pass

    script: Any = Script(write, Mail(tuple(signals), receipts=tuple(map(str, range(own + others)))))
    postman = Postman(REGION, script, echoes, ear, lambda: 0.0)
    postman.start()
    assert script.is_empty.wait(PATIENCE)
    postman.stop()
    assert postman.join(PATIENCE)
    assert ear.counts["echo"] == own
    assert not is_patient or script.asked[2] - script.asked[1] >= ECHO_SECONDS


def test_a_write_of_others_right_after_ours_is_brought(round_: Round) -> None:
    round_.begin()
    with round_.echoes.writing(REGION, PUT, [f"/{round_.cluster}/a"]):
        round_.put("a")
    theirs = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [theirs])


def test_a_refusal_is_told_once_and_nothing_else_happens(round_: Round, caplog: pytest.LogCaptureFixture) -> None:
    round_.lab.faults(Faults(errors={"sqs.CreateQueue": Injected("AccessDenied", "not you")}))
    with caplog.at_level(logging.INFO):
        round_.postman.start()
        round_.ear.wait(lambda ear: ear.up == [False])
    told = [record.message for record in caplog.records if "are not received" in record.message]
    assert len(told) == 1
    assert "drift there is detected at the resync only" in told[0]
    assert "CreateQueue was answered with AccessDenied" in told[0]


@pytest.mark.parametrize(
    "fault", [Injected("AccessDenied", "not you"), Injected("AWS.SimpleQueueService.NonExistentQueue", "which?")]
)
def test_a_queue_that_cannot_be_read_is_never_called_heard(
    round_: Round, caplog: pytest.LogCaptureFixture, fault: Injected
) -> None:
    round_.lab.faults(Faults(errors={"sqs.ReceiveMessage": fault}))
    with caplog.at_level(logging.INFO):
        round_.postman.start()
        round_.ear.wait(lambda ear: ear.up.count(False) >= (1 if fault.code == "AccessDenied" else 3))
    assert True not in round_.ear.up
    assert sum("are not received" in record.message for record in caplog.records) == 1
    assert not any("are received again" in record.message for record in caplog.records)


def test_a_queue_that_went_away_is_made_anew(round_: Round, caplog: pytest.LogCaptureFixture) -> None:
    round_.begin()
    with caplog.at_level(logging.INFO):
        round_.aws("sqs").delete_queue(QueueUrl=round_.aws("sqs").get_queue_url(QueueName=round_.queue)["QueueUrl"])
        round_.ear.wait(lambda ear: ear.up == [True, False, True])
    assert any("are received again" in record.message for record in caplog.records)
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])


def test_passing_faults_are_told_once_however_often_they_come(round_: Round, caplog: pytest.LogCaptureFixture) -> None:
    round_.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("ServiceUnavailable", "oops", 6)}))
    with caplog.at_level(logging.INFO):
        round_.postman.start()
        round_.ear.wait(lambda ear: ear.up[-1:] == [True])
    assert round_.ear.up.count(False) >= 2
    assert sum("are not received" in record.message for record in caplog.records) == 1


def test_what_comes_after_the_end_stays_in_the_queue(round_: Round) -> None:
    round_.begin()
    round_.postman.stop()
    assert round_.postman.join(PATIENCE)
    round_.put("a")
    assert round_.ear.names == []
    assert not round_.ear.has_ended
    url = round_.aws("sqs").get_queue_url(QueueName=round_.queue)["QueueUrl"]
    assert round_.aws("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]


def test_an_answer_that_nobody_knows_is_told_and_asked_for_again(round_: Round) -> None:
    round_.lab.faults(Faults(errors={"sqs.GetQueueUrl": Injected("InTheTableOfNobody", "new")}))
    round_.postman.start()
    round_.ear.wait(lambda ear: ear.up == [False])
    round_.lab.faults(Faults())
    round_.ear.wait(lambda ear: bool(ear.up[-1]))
    assert not round_.ear.has_ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_told_and_not_hidden() -> None:
    def write() -> None:
        raise LookupError("a bug")

    ear = Ear()
    script: Any = Script(write, Mail())
    postman = Postman(REGION, script, Echoes(time.time), ear, lambda: 0.0)
    postman.start()
    ear.wait(lambda ear: ear.has_ended)
    assert postman.join(PATIENCE)


def test_a_region_is_served_once_and_one_without_a_queue_not_at_all(round_: Round) -> None:
    asked: list[str] = []

    def postman(region: str) -> Postman | None:
        asked.append(region)
        return round_.postman if region == REGION else None

    office = PostOffice(postman)
    for region in (REGION, "us-east-1", REGION, "us-east-1"):
        office.serve(region)
    assert asked == [REGION, "us-east-1"]
    round_.ear.wait(lambda ear: ear.up == [True])
    office.close()
    assert round_.postman.join(PATIENCE)
