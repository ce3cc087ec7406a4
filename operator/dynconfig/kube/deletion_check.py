"""Confirms deletions with a second read, since AWS reads are eventually consistent."""

from collections.abc import Callable

from dynconfig.engine.outcome import Outcome
from dynconfig.model.object_state import ObjectState


class DeletionCheck:
    """Remembers when AWS first showed the expected state at the end of a deletion.

    Not a TtlCache: the end of the time confirms the deletion, instead of invalidating what is known.
    """

    def __init__(self, clock: Callable[[], float], seconds: float, state: ObjectState[str]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._first: dict[str, float] = state.new_map()

    def delay(self, outcome: Outcome) -> float | None:
        """Return the delay in seconds until the confirming read; None if it has confirmed the deletion."""
        uid, now = outcome.declaration.owner.uid, self._clock()
        # Until the watch has delivered the deletion, another object may hand over a parameter to this one.
        if outcome.applied or uid not in self._first or outcome.declaration.is_ahead_of_watch:
            self._first[uid] = now
            return self._seconds
        remaining = self._first[uid] + self._seconds - now
        return remaining if remaining > 0 else None
