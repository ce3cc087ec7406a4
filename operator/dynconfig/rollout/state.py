"""Decides whether a change is stable, still bakes, or has to be rolled back, from state in AWS alone. Pure.

All state is in AWS: the label `stable` on the last good version of each parameter, when each was written, and since when
each alarm has been firing. Any process reaches the same decision again, so the operator may crash at any time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar

from dynconfig.model.declaration import Rollout
from dynconfig.model.resource import Resource, Unread, Versioned


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarming(Resource):
    """An alarm."""

    kind: ClassVar[str] = "Alarm"
    state: str = field(default="INSUFFICIENT_DATA", metadata={"compare": False})
    since: float | None = field(default=None, metadata={"compare": False})
    """When it entered that state, in seconds since the epoch."""

    @property
    def firing_since(self) -> float | None:
        """Return since when it has been firing, in seconds since the epoch; None if it is not."""
        return self.since if self.state == "ALARM" else None


class RolloutPhase(Enum):
    """The phase of a rollout."""

    STABLE = auto()
    """No change is baking, or its bake time ended without an alarm."""
    BAKING = auto()
    ALARMED = auto()
    """An alarm is firing, and rollback is impossible, disabled or not due to this change."""
    FAILED = auto()
    """The change has to be rolled back."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The phase of a rollout, and why."""

    phase: RolloutPhase
    since: float = 0.0
    """When the change started, in seconds since the epoch."""
    until: float = 0.0
    """When the bake time ends, in seconds since the epoch."""
    changed: int = 0
    alarm: str = ""
    """The firing alarm."""
    not_restorable: tuple[str, ...] = ()
    """Names of parameters that cannot be restored because AWS has no stable version of them."""
    caused_by_change: bool = False
    """Whether the alarm started to fire after the change."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The state of the newest change in AWS."""

    known: Sequence[Versioned] = ()
    """All resources that may bake."""
    unstable: Sequence[Versioned] = ()
    """Resources whose value differs from their stable version."""
    removals: int = 0
    """The number of resources to delete when the change is stable."""
    removals_since: float | None = None
    has_stable: bool = False
    """Whether there is a stable revision to restore."""
    alarms: Sequence[Alarming] = ()
    not_restorable: Sequence[str] = ()
    """Names of parameters that cannot be restored because AWS no longer has their stable version."""
    unread: tuple[Unread, ...] = ()
    """Resources whose labels could not be read: they are neither evaluated nor labelled."""


def evaluate(rollout: Rollout, evidence: Evidence, now: float) -> RolloutState:
    """Return the rollout state at `now`. With the same evidence, STABLE never becomes FAILED later."""
    times = [now if item.last_modified is None else item.last_modified for item in evidence.unstable]
    if evidence.removals:
        times.append(now if evidence.removals_since is None else evidence.removals_since)
    if not times:
        return RolloutState(RolloutPhase.STABLE)
    since, until = min(times), max(times) + rollout.bake_seconds
    changed = len(evidence.unstable) + evidence.removals
    alarm = _first_caused_by_change(evidence.alarms, since, until)
    if alarm is not None:
        goes_back = rollout.rolls_back and evidence.has_stable and not rollout.is_forced
        return RolloutState(
            RolloutPhase.FAILED if goes_back else RolloutPhase.ALARMED,
            since,
            until,
            changed,
            alarm.name,
            caused_by_change=True,
        )
    waits_for = next((item for item in firing(evidence.alarms) if _since(item) < since), None)
    if waits_for is not None:
        return RolloutState(RolloutPhase.ALARMED, since, until, changed, waits_for.name)
    phase = RolloutPhase.BAKING if now < until else RolloutPhase.STABLE
    return RolloutState(phase, since, until, changed, not_restorable=tuple(evidence.not_restorable))


def firing(alarms: Sequence[Alarming]) -> list[Alarming]:
    """Return the firing alarms, the longest firing first."""
    return sorted((item for item in alarms if item.firing_since is not None), key=_since)


def _first_caused_by_change(alarms: Sequence[Alarming], since: float, until: float) -> Alarming | None:
    """Return the first alarm that started to fire after the change and within its bake time."""
    return next((item for item in firing(alarms) if since <= _since(item) <= until), None)


def _since(alarm: Alarming) -> float:
    return alarm.firing_since or 0.0
