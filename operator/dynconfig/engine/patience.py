"""How long AWS is waited for: for a write that it still carries out, ever longer; for a role to be known, not for ever."""

from dataclasses import dataclass, field, replace

from dynconfig.engine.carry import SETTLING_SECONDS
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError, Refused, RoleNotReady, Settling
from dynconfig.engine.outcome import Outcome

# AWS takes a second or two to carry out a write to a function, and sometimes minutes.
SETTLING_GROWTH, LONGEST_WAIT = 1.5, 10.0
# IAM's changes are known everywhere within seconds, seldom a minute; the same words stand for faults that do not pass.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
ROLE_SECONDS = 180.0


@dataclass(slots=True)
class Patience:
    """What each object is waiting for; nothing is kept of those that wait for nothing."""

    _settling: dict[str, int] = field(default_factory=dict)
    _unready: dict[str, tuple[int, float]] = field(default_factory=dict)

    def applied_to(self, outcome: Outcome, now: float) -> Outcome:
        """The outcome with when to look again at what AWS is still doing."""
        waiting = (item.error for item in outcome.refused if isinstance(item.error, Settling | RoleNotReady))
        error = next(waiting, outcome.stopped)
        found = self.with_(outcome.declaration, error, now)
        if found is None or error is outcome.stopped:
            return replace(outcome, stopped=found)
        refused = (replace(item, error=found) if item.error is error else item for item in outcome.refused)
        return replace(outcome, refused=tuple(refused))

    def with_(self, declaration: Declaration, error: DynConfigError | None, now: float) -> DynConfigError | None:
        """The error, with when to look again; or Refused, where what should pass does not."""
        uid = declaration.owner.uid
        if isinstance(error, Settling):
            return self._settle(uid, error)
        self._settling.pop(uid, None)
        if isinstance(error, RoleNotReady):
            return self._await_role(declaration, error, now)
        self._unready.pop(uid, None)
        return error

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._settling.pop(uid, None)
        self._unready.pop(uid, None)

    def _settle(self, uid: str, error: Settling) -> Settling:
        waits = self._settling[uid] = self._settling.get(uid, 0) + 1
        # The exponent is bounded, since a float is, too.
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
