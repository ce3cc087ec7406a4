"""A deletion is over when AWS shows nothing twice: a read may be some seconds older than the last write."""

from collections.abc import Callable

from dynconfig.engine.outcome import Outcome


class SecondLook:
    """Remembers when AWS was first seen as it should be at the end of a deletion."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._first: dict[str, float] = {}

    def due(self, outcome: Outcome) -> float | None:
        """In how many seconds AWS is looked at once more; None if the second look found nothing, so that the object may go."""
        uid, now = outcome.declaration.owner.uid, self._clock()
        # Until all others know that the object goes, one of them may hand a parameter over to it.
        if outcome.applied or uid not in self._first or outcome.declaration.is_ahead_of_watch:
            self._first[uid] = now
            return self._seconds
        left = self._first[uid] + self._seconds - now
        return left if left > 0 else None

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._first.pop(uid, None)
