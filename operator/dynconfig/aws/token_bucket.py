"""A token bucket whose rate is halved when AWS throttles calls, and recovers with the calls that AWS accepts. Pure."""

import math
from collections import deque
from dataclasses import dataclass, field

# The bucket holds the tokens of this time. AWS's own buckets hold those of at least a second, so that calls that arrive up to
# 200 ms closer together than they were sent are still accepted.
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
BURST_SECONDS = 0.8
SLOWEST_RATE = 0.5
# Throttled calls that were sent before the rate was halved do not halve it again.
THROTTLING_SECONDS = 1.0
# Each accepted call restores this part of the highest rate: a halved rate is restored by 100 calls. If other callers use the
# quota, one call in about a hundred is then throttled, whatever the rate.
RECOVERY_PER_CALL = 1 / 200
# A bucket that is rarely used recovers by time.
CALM_SECONDS = 60.0
# Without a known limit, the rate found by throttling grows by this part in each second, and is lifted after a calm time.
GROWTH_PER_SECOND = 0.1
UNLIMITED_CALM_SECONDS = 30.0
USED_SECONDS = 10


@dataclass(slots=True)
class Bucket:
    """Times are seconds of one clock, rates are calls per second."""

    limit: float | None
    """The configured rate; None if there is none."""
    filled_at: float = 0.0
    share: float = 1.0
    """The part of the configured rate that this process may use."""
    rate: float | None = None
    tokens: float = 1.0
    """Below zero after calls that were not waited for, such as retries."""
    throttled_at: float = float("-inf")
    _taken: deque[tuple[int, int]] = field(default_factory=deque)
    """The number of calls in each of the last seconds."""

    def __post_init__(self) -> None:
        self.rate = self.ceiling

    @property
    def ceiling(self) -> float | None:
        """The highest rate; None if there is no limit."""
        return None if self.limit is None else self.limit * self.share

    @property
    def capacity(self) -> float:
        """The most tokens that the bucket holds; infinite without a limit."""
        return math.inf if self.rate is None else max(1.0, BURST_SECONDS * self.rate)

    def wait(self, tokens: float, now: float) -> float:
        """Return the seconds until the bucket will have received so many tokens; 0 if it has them, infinite if it never will."""
        self._update(now)
        if self.rate == 0.0:
            return math.inf
        # Rounding must not leave a bucket just below a token for ever.
        if self.rate is None or self.tokens >= tokens - 1e-9:
            return 0.0
        return (tokens - self.tokens) / self.rate

    def take(self, now: float) -> None:
        """Count a call, whether or not there is a token for it."""
        self._update(now)
        if self.ceiling is None:
            # The rate is only a guess.
            self.tokens = max(0.0, self.tokens - 1.0)
        elif self.rate is not None:
            self.tokens -= 1.0
            if self.rate < self.ceiling:
                self.rate = min(self.ceiling, self.rate + self.ceiling * RECOVERY_PER_CALL)
        second = math.floor(now)
        count = self._taken.pop()[1] if self._taken and self._taken[-1][0] == second else 0
        self._taken.append((second, count + 1))
        while self._taken[0][0] < second - USED_SECONDS:
            self._taken.popleft()

    def throttled(self, now: float) -> None:
        """Halve the rate after AWS throttled a call."""
        if now - self.throttled_at < THROTTLING_SECONDS:
            return
        self._update(now)
        current = self.rate if self.rate is not None else float(self._fastest(now))
        slowest = SLOWEST_RATE if self.ceiling is None else min(SLOWEST_RATE, self.ceiling)
        self.rate = max(slowest, current / 2)
        self.tokens = min(self.tokens, 0.0)
        self.throttled_at = self.filled_at = now

    def set_share(self, share: float, now: float) -> None:
        """Change the part of the configured rate. A rate that is reduced by throttling stays reduced."""
        self._configure(self.limit, share, now)

    def set_limit(self, limit: float | None, now: float) -> None:
        """Change the configured rate. A rate that is reduced by throttling stays reduced."""
        self._configure(limit, self.share, now)

    def _configure(self, limit: float | None, share: float, now: float) -> None:
        self._update(now)
        was_at_ceiling, self.limit, self.share = self.rate == self.ceiling, limit, share
        ceiling = self.ceiling
        if was_at_ceiling or (ceiling is not None and (self.rate is None or self.rate > ceiling)):
            self.rate = ceiling
            self.tokens = min(self.tokens, self.capacity)

    def used(self, now: float) -> float | None:
        """Return the part of the highest rate that the calls of the last ten seconds used; None without a limit."""
        if not self.ceiling:
            return None
        last = math.floor(now)
        calls = sum(count for second, count in self._taken if last - USED_SECONDS <= second < last)
        return calls / USED_SECONDS / self.ceiling

    def _fastest(self, now: float) -> int:
        """Return the larger number of calls of this and the last second."""
        return max((count for second, count in self._taken if second >= math.floor(now) - 1), default=0)

    def _update(self, now: float) -> None:
        """Recover by time, and add the tokens since the last update."""
        if self.rate is not None and self.rate != self.ceiling:
            if self.ceiling is None:
                self.rate *= 1 + GROWTH_PER_SECOND * min(max(now - self.filled_at, 0.0), 10.0)
                self.rate = None if now - self.throttled_at > UNLIMITED_CALM_SECONDS else self.rate
            elif now - self.throttled_at > CALM_SECONDS:
                self.rate = self.ceiling
        if self.rate is not None:
            self.tokens = min(self.capacity, self.tokens + max(0.0, now - self.filled_at) * self.rate)
        self.filled_at = max(now, self.filled_at)
