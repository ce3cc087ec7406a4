"""What concerns one invocation: its counts, its request id, and whether the extension still deserves a try."""

from __future__ import annotations

from math import inf

from dynconfig_function.logs import Logs, emit
from dynconfig_function.metrics import HITS, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dynconfig_function.extension import ExtensionFailed
    from dynconfig_function.settings import Identity

# One refusal may be about the parameter; more are the extension's, and each may have waited for AWS.
_REFUSALS = 2


class Invocation:
    """Collects while the invocation lasts; `flush` writes the metrics, whatever the end is."""

    def __init__(
        self, identity: Identity, now: Callable[[], float], request_id: str = "", ends_at: float = inf
    ) -> None:
        self.extension_answers = True
        self._identity = identity
        self._now = now
        self._request_id = request_id
        self._ends_at = ends_at
        self._logs = Logs(identity, now)
        self._counts: dict[str, int] = {}
        self._refusals = 0

    def count(self, metric: str, number: int = 1) -> None:
        """Add to a metric."""
        self._counts[metric] = self._counts.get(metric, 0) + number

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write one log line."""
        self._logs.write(level, message, self._request_id, **fields)

    def blame(self, error: ExtensionFailed) -> None:
        """Remember that the extension failed; it is not asked again, unless the one name was to blame."""
        self._refusals += 1
        if not error.concerns_name or self._refusals >= _REFUSALS:
            self.extension_answers = False

    @property
    def seconds_left(self) -> float:
        """How long it is until Lambda ends the invocation."""
        return self._ends_at - self._now()

    @property
    def has_news(self) -> bool:
        """Whether anything but hits was counted."""
        return any(count for metric, count in self._counts.items() if metric != HITS)

    def flush(self) -> None:
        """Write the metrics and begin anew."""
        emit(document(self._counts, self._identity, self._request_id, self._now()))
        self._counts.clear()
        self._refusals = 0
        self.extension_answers = True
