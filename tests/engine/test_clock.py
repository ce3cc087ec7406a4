"""The bake time is measured by AWS's clock; the operator's clock may be hours off."""

import pytest
from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, CHANGE, NEW, OLD, START

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report


class Apart(RolloutHarness):
    """An operator whose clock is this many seconds ahead of AWS's; all times of a test are AWS's."""

    ahead = 0.0

    def restart(self) -> None:
        self.engine = Engine(
            lambda _place: (self.versioned, self.alarm), self._labels, aws_now=lambda _otherwise: self.versioned.now
        )

    def reconcile(self, now: float | None = None) -> Outcome:
        self.versioned.now = self.versioned.now if now is None else now
        outcome = self.engine.run(self.declaration(), now=self.versioned.now + self.ahead)
        self.status = report.status(outcome, PreviousStatus.of(self.status), self.versioned.now + self.ahead, None)
        return outcome


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_bake_time_is_as_long_as_declared(ahead: float) -> None:
    harness = Apart(values=OLD)
    harness.ahead = ahead
    harness.settle(START)
    assert "bake" in (harness.status or {})
    harness.settle(START + BAKE - 1)
    assert "bake" in (harness.status or {})
    harness.settle(START + BAKE)
    assert "bake" not in (harness.status or {})


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_alarm_in_the_bake_time_rolls_the_change_back(ahead: float) -> None:
    harness = Apart(values=OLD)
    harness.ahead = ahead
    harness.settle(START)
    harness.settle(START + BAKE)
    harness.edit(**NEW)
    harness.settle(CHANGE)
    assert harness.shown == NEW
    harness.alarm.since = CHANGE + BAKE - 1
    harness.settle(CHANGE + BAKE - 1)
    assert (harness.shown, harness.ready[1]) == (OLD, "RolledBack")


def test_deletion_waits_by_the_same_clock() -> None:
    harness = Apart(values=OLD)
    harness.ahead = 7200.0
    harness.settle(START)
    harness.settle(START + BAKE)
    harness.edit(a="1")
    harness.settle(CHANGE)
    harness.settle(CHANGE + BAKE - 1)
    assert harness.shown == OLD
    harness.settle(CHANGE + BAKE)
    assert harness.shown == {"a": "1"}
