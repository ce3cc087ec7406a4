"""AWS's own clock, as its answers give it: what AWS dates is compared with no other."""

import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime

# An answer that took its time on the way shows an earlier moment; one that is further back is believed.
LONGEST_WAY = 30.0


class ServerClock:
    """Goes on by a clock that never goes back, and is set by the `Date` of each answer; safe for threads.

    https://www.rfc-editor.org/rfc/rfc9110#field.date
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead: float | None = None

    def answered(self, date: str) -> None:
        """AWS answered this moment; a date that is none changes nothing."""
        try:
            latest = parsedate_to_datetime(date).timestamp() - self._clock()
        except ValueError:
            return
        with self._lock:
            is_late = self._ahead is not None and latest <= self._ahead <= latest + LONGEST_WAY
            self._ahead = self._ahead if is_late else latest

    def now(self, otherwise: float) -> float:
        """Seconds since the epoch; `otherwise` until AWS has answered."""
        return otherwise if self._ahead is None else self._ahead + self._clock()
