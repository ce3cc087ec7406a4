"""The state of one invocation: metrics, request id, and whether the extension works."""

from __future__ import annotations

from math import inf

from dynconfig_function.logs import Logs, emit
from dynconfig_function.metrics import HITS, document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dynconfig_function.extension import ExtensionFailed
    from dynconfig_function.settings import Identity

# One failure may concern the parameter; more concern the extension, and each may have waited for AWS.
_REFUSALS = 2


class Invocation:
    """Collects metrics during an invocation; `flush` writes them."""

    def __init__(
        self, identity: Identity, now: Callable[[], float], request_id: str = "", ends_at: float = inf
    ) -> None:
        self.extension_works = True
        self._identity = identity
        self._now = now
        self._request_id = request_id
        self._ends_at = ends_at
        self._logs = Logs(identity, now)
        self._counts: dict[str, int] = {}
        self._refusals = 0

    def count(self, metric: str, number: int = 1) -> None:
        """Increment a metric."""
        self._counts[metric] = self._counts.get(metric, 0) + number

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write one log line."""
        self._logs.write(level, message, self._request_id, **fields)

    def record_failure(self, error: ExtensionFailed) -> None:
        """Record a failure of the extension; stop using it unless the failure concerns a single name."""
        self._refusals += 1
        if not error.concerns_name or self._refusals >= _REFUSALS:
            self.extension_works = False

    @property
    def seconds_left(self) -> float:
        """Seconds until Lambda times out the invocation."""
        return self._ends_at - self._now()

    @property
    def has_counts(self) -> bool:
        """Whether anything but cache hits was counted."""
        return any(count for metric, count in self._counts.items() if metric != HITS)

    def flush(self) -> None:
        """Write the metrics and reset."""
        emit(document(self._counts, self._identity, self._request_id, self._now()))
        self._counts.clear()
        self._refusals = 0
        self.extension_works = True
