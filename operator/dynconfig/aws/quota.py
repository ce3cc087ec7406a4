"""Client-side rate limits: one token bucket for each region and group of operations, shared by all objects."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dynconfig.aws.facts import quota_groups
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group

# For longer waits, the object is requeued instead of blocking a thread.
MAX_WAIT_SECONDS = 2.0
# After throttling, the rate is halved; it recovers by this fraction per second.
GROWTH_PER_SECOND = 0.1
CALM_SECONDS = 30.0
SLOWEST_RATE = 0.5


AWS_GROUPS = quota_groups()


def rate(operation: str, overrides: Mapping[str, float]) -> float | None:
    """Return the rate of an operation in calls per second: as configured, else the AWS quota; None if no limit is known."""
    group = next((group for group in AWS_GROUPS if operation in group.operations), None)
    if group is None:
        return overrides.get(operation)
    return overrides.get(operation) or overrides.get(group.name) or group.per_second


@dataclass(slots=True)
class Bucket:
    """A token bucket whose rate is halved by throttling, then recovers. Times are seconds of one clock."""

    limit: float | None
    rate: float | None = None
    tokens: float = 1.0
    filled_at: float = 0.0
    throttled_at: float = float("-inf")
    recent: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rate = self.limit

    def wait(self, now: float) -> float:
        """Return the seconds until the next call may start; if 0, a token is taken."""
        self._recover(now)
        if self.rate is None:
            self._note(now)
            return 0.0
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        # Rounding must not leave a bucket just below one token for ever.
        if self.tokens < 1.0 - 1e-9:
            return (1.0 - self.tokens) / self.rate
        self.tokens -= 1.0
        self._note(now)
        return 0.0

    def throttled(self, now: float) -> None:
        """Halve the rate after AWS throttled a call."""
        if now - self.throttled_at < 1.0:
            return
        current = self.rate if self.rate is not None else float(len(self.recent))
        self.rate, self.tokens = max(SLOWEST_RATE, current / 2), 0.0
        self.throttled_at = self.filled_at = now

    def _recover(self, now: float) -> None:
        if self.rate is None or self.rate == self.limit:
            return
        calm = now - max(self.throttled_at, self.filled_at)
        self.rate *= 1 + GROWTH_PER_SECOND * min(max(calm, 0.0), 10.0)
        if self.limit is not None and self.rate >= self.limit:
            self.rate = self.limit
        elif self.limit is None and now - self.throttled_at > CALM_SECONDS:
            self.rate = None

    def _note(self, now: float) -> None:
        self.recent = [at for at in self.recent[-999:] if now - at < 1.0]
        self.recent.append(now)


class Quota:
    """The buckets of all regions. Thread-safe."""

    def __init__(
        self,
        clock: Callable[[], float],
        pause: Callable[[float], object],
        *,
        groups: tuple[Group, ...] = AWS_GROUPS,
        overrides: Mapping[str, float] | None = None,
        is_limited: bool = True,
    ) -> None:
        self._clock, self._pause = clock, pause
        self._groups = {operation: group for group in groups for operation in group.operations}
        self._overrides = overrides or {}
        self._is_limited = is_limited
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()

    def acquire(self, region: str, operation: str) -> None:
        """Wait until a call may start. Raises Throttled with the delay if that is too long to block a thread."""
        waited = 0.0
        while True:
            with self._lock:
                bucket = self._bucket(region, operation)
                wait = bucket.wait(self._clock())
            if wait == 0.0:
                return
            if waited + wait > MAX_WAIT_SECONDS:
                raise Throttled(
                    f"{operation} is kept at {bucket.rate:g} calls a second in {region}, AWS's quota; waiting for a turn",
                    delay=wait,
                )
            self._pause(wait)
            waited += wait

    def throttled(self, region: str, operation: str) -> None:
        """Record that AWS throttled this operation."""
        with self._lock:
            self._bucket(region, operation).throttled(self._clock())

    def _bucket(self, region: str, operation: str) -> Bucket:
        group = self._groups.get(operation) or Group(operation, (operation,), None)
        key = (region, group.name)
        if key not in self._buckets:
            default = group.per_second if self._is_limited else None
            limit = next(
                (self._overrides[name] for name in (operation, group.name) if name in self._overrides), default
            )
            self._buckets[key] = Bucket(limit, filled_at=self._clock())
        return self._buckets[key]
