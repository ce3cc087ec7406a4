"""Who is told of what a listener brings, for tests that wait to be told."""

import threading
from collections.abc import Callable, Sequence

from dynconfig.engine.signals import Signal

REGION = "eu-west-1"
PATIENCE = 20.0


class RecordingListener:
    """Who is told; it can wait to be told."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.names: list[str] = []
        self.counts: dict[str, int] = {}
        self.up: list[bool | None] = []
        self.lost: list[str] = []
        self.repaired: list[str] = []
        self.has_ended = False

    def signals(self, signals: Sequence[Signal]) -> None:
        """Changes."""
        self._note(lambda: self.names.extend(name for signal in signals for name in signal.parameters))

    def events(self, outcome: str, count: int) -> None:
        """Counts."""
        self._note(lambda: self.counts.update({outcome: self.counts.get(outcome, 0) + count}))

    def listening(self, region: str, *, is_up: bool | None) -> None:
        """Up or deaf."""
        assert region == REGION
        self._note(lambda: self.up.append(is_up))

    def missing(self, region: str, name: str) -> None:
        """An own write whose event does not come."""
        assert region == REGION
        self._note(lambda: self.lost.append(name))

    def interrupted(self, region: str, repaired: str) -> None:
        """What was repaired."""
        assert region == REGION
        self._note(lambda: self.repaired.append(repaired))

    def ended(self) -> None:
        """A bug."""
        self._note(lambda: setattr(self, "has_ended", True))

    def wait(self, condition: Callable[["RecordingListener"], bool]) -> None:
        """Wait until something was told."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self), PATIENCE), vars(self)

    def _note(self, action: Callable[[], object]) -> None:
        with self._news:
            action()
            self._news.notify_all()
