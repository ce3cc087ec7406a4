"""A rollout without an alarm says that nothing watches it, instead of that no alarm fires."""

from tests.engine.shelf import Stage
from tests.engine.test_rollback import BAKE, OLD, START

from dynconfig.engine import notes
from dynconfig.engine.reconcile import Engine


class Unwatched(Stage):
    """An object without an alarm."""

    def restart(self) -> None:
        self.engine = Engine(lambda _place: (self.shelf,), self._labels)


def test_status_and_event_do_not_promise_what_no_alarm_can_keep() -> None:
    stage = Unwatched(values=OLD)
    stage.settle(START)
    assert (
        "no alarm is configured, so it cannot be rolled back automatically"
        in (stage.status or {})["conditions"][0]["message"]
    )
    before = stage.status or {}
    outcome = stage.look(START + BAKE)
    (note,) = (note for note in notes.of(outcome, before, START + BAKE) if note.reason == "Stable")
    assert note.message.endswith("is stable: its bake time is over, and no alarm watches it")
