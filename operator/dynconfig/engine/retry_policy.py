"""Delays of retries while AWS finishes a write (growing) or propagates a role (limited)."""

from dataclasses import replace

from dynconfig.engine.apply import SETTLING_SECONDS
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import DynConfigError, Refused, RoleNotReady, Settling
from dynconfig.model.object_state import ObjectState

# AWS finishes a write to a function within a second or two, sometimes minutes.
SETTLING_GROWTH, LONGEST_WAIT = 1.5, 10.0
# IAM changes propagate within seconds, rarely a minute; permanent faults have the same error message.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
ROLE_SECONDS = 180.0


class RetryPolicy:
    """Tracks what each object is waiting for."""

    def __init__(self, state: ObjectState[str]) -> None:
        self._settling: dict[str, int] = state.new_map()
        self._unready: dict[str, tuple[int, float]] = state.new_map()

    def apply_to_outcome(self, outcome: Outcome, now: float) -> Outcome:
        """Return the outcome with retry delays for pending writes and roles; `now` is that of a monotonic clock, in seconds."""
        waiting = (item.error for item in outcome.refused if isinstance(item.error, Settling | RoleNotReady))
        error = next(waiting, outcome.stopped)
        found = self.apply(outcome.declaration, error, now)
        if found is None or error is outcome.stopped:
            return replace(outcome, stopped=found)
        refused = (replace(item, error=found) if item.error is error else item for item in outcome.refused)
        return replace(outcome, refused=tuple(refused))

    def apply(self, declaration: Declaration, error: DynConfigError | None, now: float) -> DynConfigError | None:
        """Return the error with a retry delay, or Refused if a transient error persists."""
        uid = declaration.owner.uid
        if isinstance(error, Settling):
            return self._settle(uid, error)
        self._settling.pop(uid, None)
        if isinstance(error, RoleNotReady):
            return self._await_role(declaration, error, now)
        self._unready.pop(uid, None)
        return error

    def _settle(self, uid: str, error: Settling) -> Settling:
        waits = self._settling[uid] = self._settling.get(uid, 0) + 1
        # Bounded exponent: a float would overflow.
        delay = SETTLING_SECONDS * SETTLING_GROWTH ** min(waits - 1, 20)
        return Settling(str(error), delay=min(delay, LONGEST_WAIT))

    def _await_role(self, declaration: Declaration, error: RoleNotReady, now: float) -> DynConfigError:
        uid, generation = declaration.owner.uid, declaration.generation
        known, since = self._unready.get(uid, (generation, now))
        if known != generation or declaration.requested:
            since = now
        self._unready[uid] = (generation, since)
        waited = now - since
        if waited >= ROLE_SECONDS:
            text = f"{error}. This has persisted for {ROLE_SECONDS / 60:.0f} minutes, longer than IAM takes to propagate a role"
            return Refused(f"{text}; retrying later, after an edit, or on request", code=error.code)
        delay = max(error.delay or 0.0, min(waited / 5, LONGEST_WAIT))
        return RoleNotReady(f"{error}; IAM takes some seconds to propagate a role", delay=delay, code=error.code)
