"""Repeatedly changed fields are corrected with exponential backoff, and reported with their writer."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared

from dynconfig.engine.correction_backoff import FIRST_PAUSE, QUICK_CORRECTIONS
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.retry_policy import ROLE_SECONDS
from dynconfig.model.errors import ReconcileLoop, Refused, RoleNotReady
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import kube_events, report

VALUES = {"a": "1", "b": "2"}
RESYNC = 600.0


@dataclass
class Fight:
    """An object, and a rival that writes one of its values whenever it differs from the rival's."""

    fake: FakeKind = field(default_factory=FakeKind)
    status: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    now: float = 1000.0
    """The monotonic time."""
    set_by: float = 0.0
    """How far the time of day differs."""
    writes: int = 0

    def __post_init__(self) -> None:
        self.engine = Engine(lambda _place: (self.fake,), monotonic=lambda _now: self.now)
        self.reconcile()

    def reconcile(self, values: dict[str, str] | None = None, generation: int = 1, **about: Any) -> Outcome:
        declaration = declared(
            values or VALUES, status=self.status or None, resyncInterval="10m", generation=generation, **about
        )
        outcome = self.engine.run(declaration, now=self.now + self.set_by)
        events = kube_events.events_of(outcome, PreviousStatus.of(self.status), self.now)
        self.notes += [note.message for note in events if note.reason == "ReconcileLoop"]
        self.status = report.status(outcome, PreviousStatus.of(self.status), self.now, None)
        return outcome

    def rival(self) -> None:
        self.writes += 1
        self.fake.by_hand("/app/a", f"theirs {self.writes}")
        self.fake.store["/app/a"] = replace(self.fake.store["/app/a"], modified_by="arn:aws:iam::1:user/eve")

    def wait(self) -> None:
        """Reconcile until a correction is delayed, and half of its delay has passed."""
        self.corrections(5)
        self.now -= FIRST_PAUSE / 2

    def corrections(self, seconds: float) -> list[float]:
        """The times of corrections; the rival writes at once, and the object is reconciled when it is due."""
        found: list[float] = []
        end = self.now + seconds
        while self.now < end:
            if self.fake.values["/app/a"] == "1":
                self.rival()
            outcome = self.reconcile()
            if self.fake.values["/app/a"] == "1":
                found.append(self.now)
            self.now += outcome.retry.delay or 0.0 if outcome.retry else 1.0
        return found


def test_corrections_back_off_up_to_the_resync_interval() -> None:
    found = Fight().corrections(4 * 3600)
    pauses = [later - earlier for earlier, later in pairwise(found)]
    assert pauses[:QUICK_CORRECTIONS] == [1.0, FIRST_PAUSE]
    assert pauses[1:] == sorted(pauses[1:])
    assert max(pauses) <= RESYNC + 1
    assert len([pause for pause in pauses if pause >= RESYNC]) > 10


@pytest.mark.parametrize("set_by", [-7200.0, 7200.0])
def test_setting_the_clock_neither_delays_nor_hastens_a_correction(set_by: float) -> None:
    fight = Fight()
    fight.wait()
    fight.set_by = set_by
    (error,) = (item.error for item in fight.reconcile().refused)
    assert isinstance(error, ReconcileLoop)
    assert 0.0 < (error.delay or 0.0) <= FIRST_PAUSE
    assert fight.fake.values["/app/a"] != "1"
    fight.now += FIRST_PAUSE
    fight.reconcile()
    assert fight.fake.values["/app/a"] == "1"


@pytest.mark.parametrize("set_by", [-7200.0, 7200.0])
def test_setting_the_clock_does_not_give_up_a_new_role(set_by: float) -> None:
    fight = Fight()
    fight.fake.failures["/app/a"] = RoleNotReady("cannot be assumed", delay=1.0)
    fight.rival()
    fight.reconcile()
    fight.set_by = set_by
    (error,) = (item.error for item in fight.reconcile().refused)
    assert isinstance(error, RoleNotReady)
    fight.now += ROLE_SECONDS
    (error,) = (item.error for item in fight.reconcile().refused)
    assert isinstance(error, Refused)


def test_condition_and_event_name_writer_and_field() -> None:
    fight = Fight()
    fight.wait()
    ready = fight.status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("Unknown", "ReconcileLoop")
    assert (
        "Thing /app/a: field value was corrected 2 times and changed again by arn:aws:iam::1:user/eve"
        in ready["message"]
    )
    assert [item["field"] for item in fight.status["drift"]] == ["value"]
    assert len(fight.notes) == 1
    fight.reconcile()
    assert len(fight.notes) == 1, "the same is reported once"


def test_other_fields_are_not_delayed() -> None:
    fight = Fight()
    fight.wait()
    fight.fake.by_hand("/app/b")
    outcome = fight.reconcile()
    assert fight.fake.values["/app/b"] == "2"
    assert isinstance(outcome.error, ReconcileLoop)


def test_request_or_edit_resets_the_backoff() -> None:
    fight = Fight()
    fight.wait()
    assert fight.reconcile(annotations={"dynconfig.dev/reconcile-requested-at": "now"}).is_complete
    fight.wait()
    assert fight.reconcile({**VALUES, "a": "9"}, generation=2).is_complete
    assert fight.fake.values["/app/a"] == "9"


def test_drift_that_disappears_resets_the_backoff() -> None:
    fight = Fight()
    for _ in range(6):
        fight.rival()
        assert fight.reconcile().is_complete
        assert fight.reconcile().is_complete
