"""A rollout without alarms reports that automatic rollback is not possible."""

from tests.rollout.rollout_harness import RolloutHarness
from tests.rollout.test_rollback import BAKE, OLD, START

from dynconfig.engine.reconcile import Engine
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import kube_events


class Unwatched(RolloutHarness):
    """An object without an alarm."""

    def restart(self) -> None:
        self.engine = Engine(lambda _place: (self.versioned,), self._labels)


def test_status_and_event_promise_no_rollback_without_an_alarm() -> None:
    harness = Unwatched(values=OLD)
    harness.settle(START)
    assert (
        "no alarm is configured, so it cannot be rolled back automatically"
        in (harness.status or {})["conditions"][0]["message"]
    )
    before = harness.status or {}
    outcome = harness.reconcile(START + BAKE)
    (note,) = (
        note
        for note in kube_events.events_of(outcome, PreviousStatus.of(before), START + BAKE)
        if note.reason == "Stable"
    )
    assert note.message.endswith("is stable: the bake time is over (no alarm watches it)")
