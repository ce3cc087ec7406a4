"""One value in memory: how long it is fresh, and how long it may serve when it cannot be read anew."""

from __future__ import annotations

from dynconfig_function.parameter import SECURE, SecretText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dynconfig_function.parameter import Parameter

GRACE = 3600.0
"""How long after its TTL a value may still serve while AWS is away, in seconds."""
PAUSE = 10.0
"""How long AWS is left alone after a passing fault, so that not every invocation waits for it."""


class Held:
    """A value, when it was read, until when it is fresh, and when a try to read it anew failed."""

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
        """Whether the value could not be read anew when it was due."""
        return self.failed_at is not None

    def is_due(self, now: float) -> bool:
        """Whether the value is to be read anew; a clock that was set back says yes."""
        if self.failed_at is None:
            return not self.read_at <= now < self.expires_at
        return not (self.failed_at <= now < self.failed_at + PAUSE and self.may_serve(now))

    def may_serve(self, now: float) -> bool:
        """Whether the value is not too old to stand in for one that cannot be read."""
        return now < self.expires_at + GRACE

    def expire(self, now: float) -> None:
        """End the time in which the value is fresh."""
        self.expires_at = min(self.expires_at, now)
