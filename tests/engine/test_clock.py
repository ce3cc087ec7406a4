"""A bake time is measured by AWS's clock alone: that of the operator may be hours apart."""

import pytest
from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, CHANGE, NEW, OLD, START

from dynconfig.engine import report
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine


class Apart(Stage):
    """An operator whose clock is so many seconds ahead of AWS's; all moments of a test are AWS's."""

    ahead = 0.0

    def restart(self) -> None:
        self.engine = Engine(
            lambda _place: (self.shelf, self.bell), self._labels, aws_now=lambda _otherwise: self.shelf.now
        )

    def look(self, now: float | None = None) -> Outcome:
        self.shelf.now = self.shelf.now if now is None else now
        outcome = self.engine.run(self.declaration(), now=self.shelf.now + self.ahead)
        self.status = report.status(outcome, self.status or {}, self.shelf.now + self.ahead, None)
        return outcome


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_a_bake_time_is_as_long_as_declared(ahead: float) -> None:
    stage = Apart(values=OLD)
    stage.ahead = ahead
    stage.settle(START)
    assert "bake" in (stage.status or {})
    stage.settle(START + BAKE - 1)
    assert "bake" in (stage.status or {})
    stage.settle(START + BAKE)
    assert "bake" not in (stage.status or {})


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_an_alarm_in_the_bake_time_undoes_the_change(ahead: float) -> None:
    stage = Apart(values=OLD)
    stage.ahead = ahead
    stage.settle(START)
    stage.settle(START + BAKE)
    stage.edit(**NEW)
    stage.settle(CHANGE)
    assert stage.shown == NEW
    stage.bell.since = CHANGE + BAKE - 1
    stage.settle(CHANGE + BAKE - 1)
    assert (stage.shown, stage.ready[1]) == (OLD, "RolledBack")


def test_a_deletion_waits_by_the_same_clock() -> None:
    stage = Apart(values=OLD)
    stage.ahead = 7200.0
    stage.settle(START)
    stage.settle(START + BAKE)
    stage.edit(a="1")
    stage.settle(CHANGE)
    stage.settle(CHANGE + BAKE - 1)
    assert stage.shown == OLD
    stage.settle(CHANGE + BAKE)
    assert stage.shown == {"a": "1"}
