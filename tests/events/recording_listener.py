"""An event handler that records what a listener reports, and waits for it."""

import threading
from collections.abc import Callable, Sequence

from dynconfig.events.signals import Signal
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence

REGION = "eu-west-1"
HERE = Place(REGION)
PATIENCE = 20.0
FENCE = Fence(0, lambda: 0.0, 0.0, float("inf"))


class RecordingListener:
    """Records the callbacks of a listener."""

    def __init__(self, place: Place = HERE) -> None:
        self.place = place
        self._changed = threading.Condition()
        self.names: list[str] = []
        self.counts: dict[str, int] = {}
        self.up: list[bool | None] = []
        self.missing: list[str] = []
        self.repaired: list[str] = []
        self.begun = 0
        self.has_failed = False

    def route(self, signals: Sequence[Signal]) -> None:
        """Record the names of changed parameters."""
        self._record(lambda: self.names.extend(name for signal in signals for name in signal.parameters))

    def count_events(self, outcome: str, count: int) -> None:
        """Add to the counts."""
        self._record(lambda: self.counts.update({outcome: self.counts.get(outcome, 0) + count}))

    def set_listening(self, place: Place, *, is_up: bool | None) -> None:
        """Record it."""
        assert place == self.place
        self._record(lambda: self.up.append(is_up))

    def event_missing(self, place: Place, name: str) -> None:
        """Record the parameter."""
        assert place == self.place
        self._record(lambda: self.missing.append(name))

    def events_began(self, place: Place) -> None:
        """Count it."""
        assert place == self.place
        self._record(lambda: setattr(self, "begun", self.begun + 1))

    def events_interrupted(self, place: Place, repaired: str) -> None:
        """Record the repairs."""
        assert place == self.place
        self._record(lambda: self.repaired.append(repaired))

    def listener_failed(self) -> None:
        """Record it."""
        self._record(lambda: setattr(self, "has_failed", True))

    def wait(self, condition: Callable[["RecordingListener"], bool]) -> None:
        """Wait until the condition holds."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE), vars(self)

    def _record(self, action: Callable[[], object]) -> None:
        with self._changed:
            action()
            self._changed.notify_all()
