"""The AWS clock, taken from responses; compared with timestamps that AWS sets."""

import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime

# A delayed response shows an earlier time and is ignored, unless it is earlier by more than this.
MAX_DELAY_SECONDS = 30.0


class ServerClock:
    """A monotonic clock, adjusted by the `Date` header of each response. Thread-safe.

    https://www.rfc-editor.org/rfc/rfc9110#field.date
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead: float | None = None

    def answered(self, date: str) -> None:
        """Adjust the clock by the `Date` header of a response; an invalid date is ignored."""
        try:
            latest = parsedate_to_datetime(date).timestamp() - self._clock()
        except ValueError:
            return
        with self._lock:
            is_late = self._ahead is not None and latest <= self._ahead <= latest + MAX_DELAY_SECONDS
            self._ahead = self._ahead if is_late else latest

    def now(self, default: float) -> float:
        """Return seconds since the epoch; `default` until AWS has responded."""
        return default if self._ahead is None else self._ahead + self._clock()
