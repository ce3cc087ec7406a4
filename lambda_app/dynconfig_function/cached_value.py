"""A cached value: how long it is fresh, and how long it may be served if it cannot be refreshed."""

from __future__ import annotations

from dynconfig_function.parameter import SECURE, SecretText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dynconfig_function.parameter import Parameter

GRACE_SECONDS = 3600.0
"""How long after its TTL a value may be served while AWS is unavailable, in seconds."""
RETRY_SECONDS = 10.0
"""Time between reads after a transient fault, in seconds, so that not every invocation waits for AWS."""


class CachedValue:
    """A value with the time of its read, its expiry, and the time of the last failed refresh."""

    __slots__ = ("expires_at", "failed_at", "is_secret", "read_at", "text", "type", "version")

    def __init__(self, parameter: Parameter, read_at: float, ttl: int, *, is_secret: bool) -> None:
        self.type = parameter.type
        self.version = parameter.version
        self.is_secret = is_secret or parameter.type == SECURE
        self.text = SecretText(parameter.value) if self.is_secret else parameter.value
        self.read_at = read_at
        self.expires_at = read_at + ttl
        self.failed_at: float | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the last refresh failed."""
        return self.failed_at is not None

    def is_due(self, now: float) -> bool:
        """Return whether the value has to be refreshed; also if the clock was set back."""
        if self.failed_at is None:
            return not self.read_at <= now < self.expires_at
        return not (self.failed_at <= now < self.failed_at + RETRY_SECONDS and self.may_serve(now))

    def may_serve(self, now: float) -> bool:
        """Return whether the value may be served if it cannot be refreshed."""
        return now < self.expires_at + GRACE_SECONDS

    def expire(self, now: float) -> None:
        """Expire the value now."""
        self.expires_at = min(self.expires_at, now)
